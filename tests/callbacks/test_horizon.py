"""The horizon counted by hand; that it is the steps truly taken: test_schedule_length."""

from types import SimpleNamespace
from typing import Any

import pytest

from lrtool.callbacks._horizon import Position, horizon_of
from lrtool.durations import Duration


class GradientAccumulationScheduler:
    """Known by its name, as Lightning's two are."""

    def __init__(self, scheduling: dict[int, int]) -> None:
        self.scheduling = scheduling


def trainer_of(*callbacks: Any, accumulate: int = 1) -> Any:
    """Two epochs of eight batches."""
    return SimpleNamespace(
        max_steps=-1, max_epochs=2, num_training_batches=8, callbacks=list(callbacks),
        accumulate_grad_batches=accumulate, lightning_module=None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("step", "epoch", "batch"),
    [(0, 0, 0), (0, 0, 2), (1, 0, 3), (1, 0, 4), (2, 0, 7), (3, 1, 0), (4, 1, 5)],
)
def test_the_total_is_the_same_from_anywhere_in_the_run(step: int, epoch: int, batch: int) -> None:
    """Three batches a step, 3 + 3 + 2 of them an epoch; a step may be begun and not yet taken."""
    run = horizon_of(trainer_of(accumulate=3), position=Position(step, epoch, batch))
    assert (run.total_steps, run.steps_per_epoch, run.batches_per_step) == (6, 3, 3)


def test_what_lies_behind_is_counted_as_it_was() -> None:
    """Ten steps in the first epoch, where the present data would have taken eight."""
    assert horizon_of(trainer_of(), position=Position(10, 1, 0)).total_steps == 18


@pytest.mark.parametrize(
    ("plan", "steps"), [({0: 2, 5: 8}, 8), ({1: 4}, 8 + 2), ({0: 3, 1: 8}, 3 + 1), ({0: 8}, 2)]
)
def test_accumulation_by_epoch_ends_with_the_run(plan: dict[int, int], steps: int) -> None:
    trainer = trainer_of(GradientAccumulationScheduler(plan))
    assert horizon_of(trainer).total_steps == steps


@pytest.mark.parametrize(("share", "steps"), [(0.5, 8), (0.1, 2), (0.22, 4), (1.5, 24)])
def test_a_share_of_the_run_is_rounded(share: float, steps: int) -> None:
    assert horizon_of(trainer_of(), Duration(share, "dur")).total_steps == steps
