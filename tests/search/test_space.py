import json
from collections.abc import Sequence
from dataclasses import replace
from math import log10
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrtool.errors import ArgumentError
from lrtool.families import Family
from lrtool.optimizers import capabilities
from lrtool.schedules import Horizon
from lrtool.search import (
    SCHEDULES,
    Knobs,
    LogNormal,
    LogUniform,
    Normal,
    Prior,
    Space,
    measured_space,
)
from lrtool.search.plan import lr_plan, momentum_plan
from lrtool.search.recipes import cli_yaml, snippet
from lrtool.search.space import LR, MOMENTUM, SCHEDULE, WEIGHT_DECAY
from lrtool.types import Status, StopReason
from support.measurements import measurement

SGD = Knobs(lr=0.1, momentum=0.9, weight_decay=1e-4, accumulates=True, optimizer="SGD")
ADAMW = Knobs(lr=1e-3, momentum=0.9, weight_decay=0.01, optimizer="AdamW")
BARE = Knobs(lr=0.01, momentum=None, weight_decay=None, optimizer="Rprop")
ALL = tuple(SCHEDULES)


def test_start_is_the_measured_pick() -> None:
    space = measured_space(measurement(0.01, max_lr=0.05), SGD, schedules=("one_cycle", "constant"))
    params = space.params(space.start())
    assert params["schedule"] == "one_cycle"
    assert params["max_lr"] == pytest.approx(0.05)
    assert params["momentum"] == pytest.approx(0.9)
    assert params["weight_decay"] == pytest.approx(1e-4)
    constant = space.params({**space.start(), SCHEDULE: "constant"})
    assert constant["max_lr"] == pytest.approx(0.01)  # its height never falls: .lr, not .max_lr


@pytest.mark.parametrize("knobs", [SGD, ADAMW, BARE])
@given(data=st.data())
def test_coordinates_invert_params(knobs: Knobs, data: Any) -> None:
    space = measured_space(measurement(), knobs, schedules=ALL)
    drawn = {
        name: prior.quantile(data.draw(st.floats(0.01, 0.99)))
        for name, prior in space.priors.items()
    }
    params = space.params(drawn)
    again = space.params(space.coordinates(params))
    own = {"schedule", "max_lr", "momentum", "weight_decay", *SCHEDULES[params["schedule"]]}
    for name in own & params.keys():
        assert again[name] == (
            pytest.approx(params[name], rel=1e-9)
            if isinstance(params[name], float)
            else params[name]
        )


@pytest.mark.parametrize("knobs", [SGD, ADAMW, BARE])
def test_the_three_keys_are_always_there(knobs: Knobs) -> None:
    space = measured_space(measurement(), knobs)
    assert {"max_lr", "momentum", "weight_decay"} <= space.params(space.start()).keys()


def test_rate_follows_the_square_root_of_one_minus_momentum_for_sgd_only() -> None:
    for knobs, expected in ((SGD, 0.1**0.5), (ADAMW, 1.0)):
        space = measured_space(measurement(), knobs)
        base = space.params(space.start())
        moved = space.params({**space.start(), MOMENTUM: -1.0})
        assert moved["momentum"] == pytest.approx(0.99)
        assert moved["max_lr"] / base["max_lr"] == pytest.approx(expected)


def test_scale_follows_the_interval_within_limits() -> None:
    scales = []
    for factor in (1.05, 3.0, 10.0, 1000.0):
        prior = measured_space(measurement(factor=factor), SGD).priors[LR]
        assert isinstance(prior, Prior)
        scales.append(prior.scale)
    assert scales == sorted(scales)
    assert scales[0] == 0.15
    assert scales[-1] == 0.6


def test_without_a_pick_the_divergence_still_says_where_to_look() -> None:
    result = measurement(status=Status.NO_DESCENT, diverged=2.0)
    space = measured_space(result, SGD)
    assert space.params(space.start())["max_lr"] == pytest.approx(0.4)
    nothing = measurement(status=Status.NO_DESCENT, stop=StopReason.COMPLETED)
    wide = measured_space(nothing, SGD)
    prior = wide.priors[LR]
    assert isinstance(prior, Prior)
    low, high = (wide.params({**wide.start(), LR: x})["max_lr"] for x in (prior.low, prior.high))
    assert (low, high) == (pytest.approx(1e-7), pytest.approx(10.0))


def test_beta1_never_dips_and_a_missing_knob_is_not_searched() -> None:
    assert "one_cycle.momentum_dip" in measured_space(measurement(), SGD).priors
    assert "one_cycle.momentum_dip" not in measured_space(measurement(), ADAMW).priors
    bare = measured_space(measurement(), BARE)
    assert {MOMENTUM, WEIGHT_DECAY} & bare.priors.keys() == set()
    assert bare.params(bare.start())["momentum"] is None


def test_beliefs_replace_the_measurement() -> None:
    space = measured_space(
        measurement(0.01),
        SGD,
        priors={
            "max_lr": LogNormal(0.3, factor=2),
            "momentum": Normal(0.8, 0.05),
            "weight_decay": 5e-4,
            "pct_start": Normal(0.1, 0.02),
        },
    )
    params = space.params(space.start())
    assert params["max_lr"] / 2**0.5 == pytest.approx(0.3)  # at momentum 0.8: the root of 0.2 / 0.1
    assert params["momentum"] == pytest.approx(0.8)
    assert params["weight_decay"] == 5e-4
    assert WEIGHT_DECAY not in space.priors
    assert params["pct_start"] == pytest.approx(0.1)


def test_the_capability_table_says_what_is_usual() -> None:
    """Where the optimizer was given nothing, the search starts where its kin usually stand."""
    for name, decay in (("sgd", 5e-4), ("adamw", 1e-2), ("adam", 1e-5)):
        can = capabilities(name)
        usual = can.momentum_prior or capabilities("sgdm").momentum_prior
        assert usual is not None
        unset = Knobs(
            0.1, 0.0, 0.0, momentum_prior=usual, weight_decay_prior=can.weight_decay_prior
        )
        space = measured_space(measurement(), unset)
        params = space.params({**space.start(), MOMENTUM: space.priors[MOMENTUM].start})
        assert params["momentum"] == pytest.approx(usual.median)
        assert params["weight_decay"] == pytest.approx(decay)
        held = measured_space(measurement(), replace(unset, momentum=0.8, weight_decay=0.3))
        assert held.params(held.start())["momentum"] == pytest.approx(0.8)
        assert held.params(held.start())["weight_decay"] == pytest.approx(0.3)
        assert over(held, MOMENTUM).scale == usual.decades
        assert over(held, WEIGHT_DECAY).scale == can.weight_decay_prior.decades


def over(space: Space, name: str) -> Prior:
    prior = space.priors[name]
    assert isinstance(prior, Prior)
    return prior


def measured_over(setting: str, values: Sequence[float], best: float | None) -> Family:
    return Family(setting, {value: measurement() for value in values}, best, "by hand")


def test_families_are_beliefs_in_what_they_measured() -> None:
    momenta = measured_over("momentum", (0.8, 0.9, 0.99), 0.8)
    decays = measured_over("weight_decay", (0.0, 1e-5, 1e-3), 1e-3)
    space = measured_space(measurement(), SGD, priors={"momentum": momenta, "weight_decay": decays})
    params = space.params(space.start())
    assert params["momentum"] == pytest.approx(0.8)
    assert params["weight_decay"] == pytest.approx(1e-3)
    # As wide as the gap to the next value tried, and no wider than without a family.
    plain = measured_space(measurement(), SGD)
    assert over(space, MOMENTUM).scale == pytest.approx(log10(0.2 / 0.1))
    assert over(space, WEIGHT_DECAY).scale == over(plain, WEIGHT_DECAY).scale
    for name in space.priors:  # Optuna's bounds do not move
        ours, theirs = over(space, name), over(plain, name)
        assert (ours.low, ours.high) == (theirs.low, theirs.high)
    none = measured_over("weight_decay", (0.0, 1e-4), 0.0)
    without = measured_space(measurement(), SGD, priors={"weight_decay": none})
    assert without.params(without.start())["weight_decay"] == pytest.approx(1e-7)  # the least


def test_a_family_without_a_pick_says_nothing() -> None:
    nothing = measured_over("momentum", (0.8, 0.9), None)
    space = measured_space(measurement(), SGD, priors={"momentum": nothing})
    assert space == measured_space(measurement(), SGD)


def test_log_uniform_belief_sets_the_bounds() -> None:
    space = measured_space(measurement(), ADAMW, priors={"max_lr": LogUniform(1e-5, 1e-2)})
    prior = space.priors[LR]
    assert isinstance(prior, Prior)
    ends = [space.params({LR: x})["max_lr"] for x in (prior.low, prior.high)]
    assert ends == pytest.approx([1e-5, 1e-2])


@pytest.mark.parametrize("name", ALL)
def test_round_trip(name: str) -> None:
    space = measured_space(measurement(), SGD, schedules=(name,), priors={"weight_decay": 0.1})
    assert Space.from_dict(json.loads(json.dumps(space.to_dict()))) == space


@pytest.mark.parametrize("name", ALL)
@given(data=st.data())
def test_every_point_is_a_schedule_that_peaks_at_max_lr(name: str, data: Any) -> None:
    space = measured_space(measurement(), SGD, schedules=(name,))
    drawn = {
        key: prior.quantile(data.draw(st.floats(0.001, 0.999)))
        for key, prior in space.priors.items()
    }
    params = space.params(drawn)
    schedule = lr_plan(params).build(Horizon(total_steps=200))
    values = [schedule(step) for step in range(200)]
    assert max(values) <= params["max_lr"] * (1 + 1e-9)
    assert max(values) >= 0.8 * params["max_lr"]
    momentum = momentum_plan(params)
    assert momentum is not None
    low, high = momentum if isinstance(momentum, tuple) else (momentum, momentum)
    assert 0 <= low <= high < 1
    snippet(params)
    cli_yaml(params)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"schedules": ("one_cicle",)}, "did you mean 'one_cycle'"),
        ({"schedules": ()}, "at least one schedule"),
        ({"priors": {"max_rate": 0.1}}, "'max_rate'"),
        ({"priors": {"T_0": 0.1}}, "'T_0'"),
        ({"priors": {"max_lr": Normal(0.1, 0.5)}}, "LogNormal"),
        ({"priors": {"momentum": LogNormal(0.9)}}, "Normal"),
        ({"priors": {"momentum": measured_over("batch_size", (8, 16), 8)}}, "over momentum"),
        ({"priors": {"max_lr": measured_over("max_lr", (0.1, 0.2), 0.1)}}, "over max_lr"),
    ],
)
def test_refuses(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        measured_space(measurement(), SGD, **options)


def test_refuses_a_belief_about_a_knob_that_is_not_there() -> None:
    with pytest.raises(ArgumentError, match=r"momentum.*has none"):
        measured_space(measurement(), BARE, priors={"momentum": Normal(0.9, 0.1)})


def test_snippet_runs_and_gives_the_best_schedule() -> None:
    space = measured_space(measurement(), SGD)
    params = space.params(space.start())
    code = snippet(params).replace("trainer = Trainer(callbacks=[scheduler])", "")
    names: dict[str, Any] = {}
    exec(code, names)
    plan = names["scheduler"]._plans["lr"]
    assert plan.name == "one_cycle"
    assert plan.params["max_lr"] == pytest.approx(params["max_lr"], rel=1e-5)


def test_yaml_reads_back_as_numbers() -> None:
    yaml = pytest.importorskip("yaml", reason="yaml is not installed")
    space = measured_space(measurement(1e-5), replace(ADAMW, weight_decay=1e-7))
    params = space.params(space.start())
    (callback,) = yaml.safe_load(cli_yaml(params))["trainer"]["callbacks"]
    init = callback["init_args"]
    assert init["weight_decay"] == pytest.approx(1e-7)
    assert init["lr"]["init_args"]["params"]["max_lr"] == pytest.approx(params["max_lr"], rel=1e-5)
