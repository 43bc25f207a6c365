"""Stages of fine-tuning as data."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrtool.curve import LossCurve
from lrtool.errors import ArgumentError
from lrtool.fine_tuning import (
    Stage,
    layer_shares,
    range_test_steps,
    stage_rates,
    standard_stages,
    start_epochs,
)
from lrtool.result import RangeTestResult
from lrtool.stage_record import StageRecord, records_table
from lrtool.suggest import Suggestion
from lrtool.types import Status


def test_the_usual_recipe_is_head_then_everything() -> None:
    head, everything = standard_stages(num_groups=4, head_epochs=3)
    assert (head.groups, head.epochs, head.measure) == (1, 3, True)
    assert (everything.groups, everything.epochs, everything.measure) == (None, None, True)


def test_each_stage_can_be_left_out() -> None:
    assert [s.name for s in standard_stages(num_groups=4, head_epochs=0)] == ["all"]
    assert [s.name for s in standard_stages(num_groups=1)] == ["all"]
    assert not any(s.measure for s in standard_stages(num_groups=3, measure=False))


def test_a_gradual_thaw_adds_one_group_at_a_time() -> None:
    stages = standard_stages(num_groups=5, unfreeze="gradual", thaw_epochs=2)
    assert [stage.groups for stage in stages] == [1, 2, 3, 4, None]
    assert start_epochs(stages, max_epochs=10) == [0, 1, 3, 5, 7]


def test_cycles_are_a_recipe_in_epochs() -> None:
    stage = standard_stages(num_groups=2, cycle_len=2, cycle_mult=3)[-1]
    assert "T_0" in repr(stage.schedule)
    assert "2ep" in repr(stage.schedule)


@given(st.lists(st.integers(1, 5), min_size=1, max_size=5), st.integers(1, 5))
def test_stages_begin_where_the_last_one_ended(lengths: list[int], rest: int) -> None:
    stages = [Stage(str(i), epochs) for i, epochs in enumerate(lengths)]
    starts = start_epochs([*stages, Stage("rest")], max_epochs=sum(lengths) + rest)
    assert starts == [sum(lengths[:i]) for i in range(len(lengths) + 1)]
    assert start_epochs(stages, max_epochs=sum(lengths)) == starts[:-1]


@pytest.mark.parametrize(
    ("stages", "max_epochs", "message"),
    [
        ([Stage("a", 3), Stage("b")], 3, "got epochs=3, max_epochs=3; shorten them"),
        ([Stage("a", 3)], 5, "got epochs=3, max_epochs=5; leave the last stage's epochs open"),
        ([Stage("a", 7)], 5, "got epochs=7, max_epochs=5"),
        ([Stage("a"), Stage("b")], 5, "every stage but the last must hold, got stage='a'"),
        ([], 5, "at least one stage must hold, got stages=0"),
    ],
)
def test_stages_that_do_not_fit_the_run_are_refused(
    stages: list[Stage], max_epochs: int, message: str
) -> None:
    with pytest.raises(ArgumentError) as raised:
        start_epochs(stages, max_epochs)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "got epochs=0"),
        ({"groups": 0}, "got groups=0"),
        ({"lr": -1.0}, "got lr=-1.0"),
        ({"lr": float("nan")}, "got lr=nan"),
    ],
)
def test_a_stage_refuses_bad_values(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError) as raised:
        Stage("s", **options)
    assert message in str(raised.value)


@given(st.integers(1, 20), st.floats(0.01, 1.0))
def test_shares_are_a_geometric_ladder_up_to_the_head(groups: int, decay: float) -> None:
    shares = layer_shares(groups, decay)
    assert shares[-1] == 1.0
    assert np.allclose(np.diff(np.log(shares)), -np.log(decay))


@given(st.integers(2, 40))
def test_by_default_the_first_layers_have_a_third(groups: int) -> None:
    assert layer_shares(groups, None)[0] == pytest.approx(1 / 3)


def record(result: RangeTestResult | None = None) -> StageRecord:
    return StageRecord(
        stage="head", epoch=0, step=0, steps=10, groups=1, trained=25, frozen=40, lr=0.01,
        min_lr=0.003, max_lr=0.03, lowest_share=1.0, schedule="Constant(lr=0.01)",
        reason="measured: clear", result=result,
    )  # fmt: skip


@given(st.integers(1, 10_000))
def test_a_range_test_grows_with_its_stage_between_bounds(steps: int) -> None:
    first, most = range_test_steps(steps)
    assert 50 <= first <= 100 <= most <= 300
    assert first <= max(steps, 50)
    assert most <= max(steps, 100)
    longer = range_test_steps(steps + 1)
    assert longer[0] >= first
    assert longer[1] >= most


def measured(status: Status) -> RangeTestResult:
    suggestion = Suggestion(0.01, 0.003, 0.03, (0.005, 0.02), "auto", status, "because")
    return RangeTestResult(LossCurve(np.array([0.1, 1.0]), np.array([2.0, 1.0])), suggestion)


@pytest.mark.parametrize(
    ("stage", "result", "before", "rates", "why"),
    [
        (Stage("s", lr=0.4), measured(Status.CLEAR), None, (0.4, 0.1, 0.4), "the rate was given"),
        (Stage("s"), measured(Status.NOISY), None, (0.01, 0.003, 0.03), "measured: noisy"),
        (Stage("s"), measured(Status.NO_DESCENT), None, (0.8, 0.2, 0.8), "no pick (because)"),
        (Stage("s"), None, None, (0.8, 0.2, 0.8), "not measured: the rate of the optimizer"),
        (Stage("s"), None, 0.04, (0.04, 0.01, 0.04), "not measured: the rate of the stage before"),
    ],
)
def test_rates_are_given_or_measured_or_those_before(
    stage: Stage,
    result: RangeTestResult | None,
    before: float | None,
    rates: tuple[float, float, float],
    why: str,
) -> None:
    earlier = None if before is None else replace(record(), lr=before)
    found, reason = stage_rates(stage, result, earlier, own_lr=0.8)
    assert found == pytest.approx(rates)
    assert reason.startswith(why)


def test_a_record_survives_json_and_reads() -> None:
    for one in (record(), record(measured(Status.CLEAR))):
        assert StageRecord.from_dict(one.to_dict()) == one
    assert "25 of 65 weights train" in str(record())
    assert "of it" not in str(record())  # the head alone: no layer before it has a share
    long = replace(record(), lowest_share=1 / 3, schedule="Cosine(lr=0.012345678, eta_min=0.0)")
    assert "first layers at 0.333 of it; Cosine(lr=0.01235, eta_min=0)" in str(long)
    assert records_table([long])[1][0][-1] == "Cosine(lr=0.01235, eta_min=0)"
    header, rows = records_table([record(), record()])
    assert all(len(row) == len(header) for row in rows)
