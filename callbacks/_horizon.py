"""How many optimizer steps a Trainer will take, exactly, before it takes them."""

from math import ceil, inf, isfinite
from typing import TYPE_CHECKING, Any

from lrtool.durations import Duration
from lrtool.errors import UnsupportedError
from lrtool.schedules import Horizon

if TYPE_CHECKING:
    from lrtool.callbacks._lightning import Trainer

__all__ = ["horizon_of"]


def horizon_of(
    trainer: "Trainer",
    num_batches: float | None = None,
    asked: Duration | None = None,
    extra: int = 0,
) -> Horizon:
    """The run ahead of `trainer`, in optimizer steps from global step 0.

    Args:
        trainer: its limits, accumulation and data are read.
        num_batches: training batches of an epoch; the Trainer's own once it has its data.
        asked: a total that overrides what the Trainer says.
        extra: steps of the schedule that lie before global step 0.

    Raises:
        UnsupportedError: when the length cannot be known; the message names the fix.
    """
    batches = float(trainer.num_training_batches if num_batches is None else num_batches)
    plan = _accumulation(trainer)
    per_epoch = ceil(batches / plan[0]) if isfinite(batches) else None
    if asked is not None and asked.unit != "dur":
        total = asked.steps(steps_per_epoch=per_epoch, batches_per_step=plan[0])
    else:
        total = _total(trainer, batches, plan) + extra
        total = round(total * asked.value) if asked is not None else total
    return Horizon(total, steps_per_epoch=per_epoch, batches_per_step=plan[0])


def _total(trainer: "Trainer", batches: float, plan: dict[int, int]) -> int:
    epochs = inf if trainer.max_epochs in (None, -1) else float(trainer.max_epochs or 0)
    by_steps = inf if trainer.max_steps == -1 else float(trainer.max_steps)
    by_epochs = inf
    if isfinite(epochs) and isfinite(batches):
        by_epochs = _steps_of_epochs(int(epochs), int(batches), plan)
    total = min(by_steps, by_epochs)
    if isfinite(total) and total >= 1:
        return int(total)
    if total < 1:
        raise UnsupportedError(
            f"the run must take at least 1 optimizer step, got {int(total)} "
            f"(max_epochs={trainer.max_epochs}, max_steps={trainer.max_steps}, "
            f"batches={batches:g}); check the training data and the Trainer's limits"
        )
    limit = "max_time alone" if _is_timed(trainer) else "no limit in steps"
    cause = (
        "the training data has no length" if not isfinite(batches) else f"the Trainer has {limit}"
    )
    raise UnsupportedError(
        f"the number of optimizer steps must be known, and {cause} "
        f"(max_epochs={trainer.max_epochs}, max_steps={trainer.max_steps}); "
        "set max_steps on the Trainer, or give the scheduler total_steps"
    )


def _steps_of_epochs(epochs: int, batches: int, plan: dict[int, int]) -> int:
    """Sum over epochs; an epoch's last, smaller group of batches is a step of its own."""
    total = 0
    starts = sorted(plan)
    for index, start in enumerate(starts):
        end = starts[index + 1] if index + 1 < len(starts) else epochs
        total += max(0, min(end, epochs) - start) * ceil(batches / plan[start])
    return total


def _accumulation(trainer: "Trainer") -> dict[int, int]:
    """Batches a step, by the epoch it begins at."""
    for callback in _callbacks(trainer):
        scheduling = getattr(callback, "scheduling", None)
        if type(callback).__name__ == "GradientAccumulationScheduler" and scheduling:
            return {0: 1, **{int(epoch): int(factor) for epoch, factor in scheduling.items()}}
    return {0: int(trainer.accumulate_grad_batches)}


def _is_timed(trainer: "Trainer") -> bool:
    return any(getattr(callback, "_duration", None) is not None for callback in _callbacks(trainer))


def _callbacks(trainer: "Trainer") -> list[Any]:
    return list(trainer.callbacks)  # type: ignore[attr-defined]
