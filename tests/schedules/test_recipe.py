"""A recipe becomes a schedule once the run is known."""

from typing import Any

import pytest

from lrtool import schedules
from lrtool.errors import ArgumentError
from lrtool.schedules import Horizon, Recipe, recipe, resolve

RUN = Horizon(
    total_steps=1000, steps_per_epoch=100, batches_per_step=2, lr=0.1, min_lr=0.02, max_lr=0.3
)


@pytest.mark.parametrize("name", [n for n in schedules.names() if n not in {
    "cyclical", "exponential", "inverse_time", "lambda", "join", "opposed", "product", "repeat",
    "scale", "warmup",
}])  # fmt: skip
def test_a_name_alone_is_enough_where_the_run_says_the_rest(name: str) -> None:
    built = resolve(name, RUN)
    values = [built(step) for step in range(1000)]
    assert max(values) == pytest.approx(0.3 if hasattr(built, "max_lr") else 0.1, rel=0.02)


def test_rates_go_where_they_belong() -> None:
    assert resolve("constant", RUN) == schedules.constant(0.1)
    assert resolve("one_cycle", RUN) == schedules.one_cycle(0.3, 1000)
    triangles: Any = resolve("triangular2", RUN)
    assert (triangles.min_lr, triangles.max_lr) == (0.02, 0.3)
    assert resolve(0.7, RUN) == schedules.constant(0.7)


@pytest.mark.parametrize(
    ("text", "steps"), [("2ep", 200), ("0.1dur", 100), ("64batch", 32), ("7step", 7), (7, 7)]
)
def test_lengths_may_be_durations(text: str | int, steps: int) -> None:
    assert steps == recipe("sgdr", T_0=text).build(RUN).T_0
    assert recipe("multi_step", milestones=[text, "5ep"]).build(RUN).milestones == (steps, 500)
    assert recipe("step", step_size=text).build(RUN).step_size == steps


def test_inner_schedules_get_their_share_of_the_run() -> None:
    warm = recipe("warmup", schedule="cosine", warmup_steps="1ep").build(RUN)
    assert warm.schedule == schedules.cosine(0.1, 900)
    both = recipe("join", schedules=["constant", recipe("linear")], boundaries=["0.8dur"])
    assert both.build(RUN).schedules == (schedules.constant(0.1), schedules.linear(0.1, 200))
    teeth = recipe("repeat", schedule="linear", every="2ep").build(RUN)
    assert teeth.schedule == schedules.linear(0.1, 200)
    waves = recipe("product", schedules=["sgdr", schedules.constant(0.5)]).build(RUN)
    assert waves.schedules[0].cycle(999).end == 1000
    nested = recipe("warmup", schedule=recipe("opposed", schedule="one_cycle"), warmup_steps=10)
    assert nested.build(RUN).schedule.schedule.total_steps == 990


def test_what_is_given_wins() -> None:
    plan = recipe("one_cycle", max_lr=0.9, total_steps="3ep", pct_start=0.2)
    assert plan.build(RUN) == schedules.one_cycle(0.9, 300, pct_start=0.2)


def test_text_from_a_command_line_becomes_numbers() -> None:
    plan = recipe("sgdr", max_lr="0.5", T_0="100", T_mult="2", eta_min="1e-3")
    assert plan.build(RUN) == schedules.sgdr(0.5, 100, 2.0, eta_min=1e-3)
    with pytest.raises(ArgumentError, match="max_lr must be a number, got 'fast'"):
        recipe("sgdr", max_lr="fast").build(RUN)


def test_what_is_missing_is_named() -> None:
    with pytest.raises(ArgumentError, match=r"missing=\['lr'\]"):
        recipe("cosine").build(Horizon(total_steps=10))
    with pytest.raises(ArgumentError, match=r"missing=\['gamma'\]"):
        recipe("exponential").build(RUN)
    with pytest.raises(ArgumentError, match="length of an epoch is unknown"):
        recipe("sgdr", T_0="2ep").build(Horizon(total_steps=10, max_lr=0.1))


def test_wrong_names_are_refused_with_a_guess() -> None:
    with pytest.raises(ArgumentError, match="did you mean 'cosine'"):
        recipe("cosin")
    with pytest.raises(ArgumentError, match="did you mean 'pct_start'"):
        recipe("one_cycle", pct_strat=0.2)


def test_recipes_are_values() -> None:
    assert recipe("sgdr", T_0=3) == Recipe("sgdr", {"T_0": 3})
    assert eval(repr(recipe("sgdr", T_0=3)), vars(schedules)) == recipe("sgdr", T_0=3)
