"""From arguments, one value or one for each monitor, to rules that count what a Trainer counts."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lrtool._check import require
from lrtool.callbacks._horizon import horizon_of
from lrtool.durations import Duration, DurationLike
from lrtool.stopping import StoppingRule

if TYPE_CHECKING:
    from lrtool.callbacks._lightning import Trainer

__all__ = ["needs_lengths", "resolved", "rules_for", "unit_of"]


def rules_for(
    names: Sequence[str], shared: Mapping[str, Any], each: Mapping[str, Any]
) -> tuple[StoppingRule, ...]:
    """One rule a monitor.

    Args:
        names: the monitors.
        shared: arguments of every rule.
        each: arguments given once, or as a sequence with one for each monitor.
    """
    spread = {argument: _spread(names, argument, value) for argument, value in each.items()}
    return tuple(
        StoppingRule(
            name=name, **shared, **{argument: values[i] for argument, values in spread.items()}
        )
        for i, name in enumerate(names)
    )


def unit_of(length: DurationLike) -> str:
    """The unit of a duration that counts checks by default."""
    return Duration.parse(length, default="check").unit


def needs_lengths(length: DurationLike) -> bool:
    """Whether a duration means something only once the training's length is known."""
    return unit_of(length) in ("batch", "dur")


def resolved(length: DurationLike, trainer: "Trainer | None") -> Duration:
    """Batches and shares of the training as steps; without a Trainer yet, a stand-in."""
    duration = Duration.parse(length, default="check")
    if not needs_lengths(length):
        return duration
    if trainer is None:
        return Duration(duration.value)
    total = horizon_of(trainer).total_steps if duration.unit == "dur" else None
    steps = duration.steps(total_steps=total, batches_per_step=trainer.accumulate_grad_batches)
    return Duration(float(steps))


def _spread(names: Sequence[str], argument: str, value: Any) -> tuple[Any, ...]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        return (value,) * len(names)
    require(
        len(value) == len(names),
        f"one {argument} for each monitor",
        "or give one value for all",
        **{argument: value, "monitor": tuple(names)},
    )
    return tuple(value)
