"""misfits speaks up when a schedule does not fit its run, and only then."""

import pytest

from lrtool import schedules
from lrtool.schedules import Horizon, Schedule, misfits, recipe, resolve

RUN = Horizon(total_steps=1000, steps_per_epoch=100, lr=0.1, min_lr=0.02, max_lr=0.3)


@pytest.mark.parametrize(
    "name",
    ["constant", "cosine", "exp_range", "linear", "multi_step", "one_cycle", "rex", "sgdr",
     "slanted_triangular", "step", "triangular", "wsd"],
)  # fmt: skip
@pytest.mark.parametrize("total", [15, 16, 17, 100, 999, 1000])
def test_what_the_run_filled_in_fits(name: str, total: int) -> None:
    run = Horizon(total, total / 5, lr=0.1, min_lr=0.02, max_lr=0.3)
    assert misfits(resolve(name, run), total, total / 5) == []


@pytest.mark.parametrize(
    "schedule",
    [
        schedules.warmup(schedules.constant(0.1), 50),
        schedules.linear(0.01, 100, end_lr=0.1),
        schedules.triangular(0.1, 0.01, step_size_up=90),
        recipe("warmup", schedule="cosine", warmup_steps="1ep").build(RUN),
    ],
)
def test_what_is_meant_so_fits(schedule: Schedule) -> None:
    assert misfits(schedule, 1000) == []


@pytest.mark.parametrize(
    ("schedule", "text"),
    [
        (schedules.cosine(0.1, 4000), "is 4000 steps long, but the run has 1000: it is cut at lr"),
        (schedules.one_cycle(0.1, 500), "over after 500 steps, but the run has 1000: the last 500"),
        (schedules.warmup(schedules.constant(0.1), 1000), "warm-up takes 1000 steps"),
        (schedules.sgdr(0.1, T_0=300), "cycle 4 begins at step 900, 100 steps before the end"),
        (schedules.sgdr(0.1, T_0=300, T_mult=9), "cycle 2 begins at step 300, 700 steps before"),
        (schedules.triangular(0.1, 0.01, step_size_up=1100), "still rises as the run ends"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_said(schedule: Schedule, text: str) -> None:
    (said,) = misfits(schedule, 1000, 100)
    assert text in said


def test_a_restart_in_the_last_epoch_is_said_even_when_half_played() -> None:
    schedule = schedules.sgdr(0.1, T_0=95)
    assert misfits(schedule, 1000) == []
    (said,) = misfits(schedule, 1000, steps_per_epoch=100)
    assert "begins at step 950, 50 steps before the end" in said
