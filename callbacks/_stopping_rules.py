"""From EarlyStopping's arguments to rules that count what a Trainer counts."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lrtool._check import integer, require
from lrtool.callbacks._horizon import horizon_of
from lrtool.durations import Duration, DurationLike
from lrtool.stopping import Panel, StoppingRule

if TYPE_CHECKING:
    from lrtool.callbacks._lightning import Trainer
    from lrtool.callbacks.early_stopping import EarlyStopping

__all__ = ["counts_cycles", "lengths_are_known", "panel_of", "refuse_contradictions"]


def refuse_contradictions(stopper: "EarlyStopping") -> None:
    """Check the arguments that no rule, and no part of the callback, checks for itself."""
    on_epoch_end = stopper._check_on_train_epoch_end
    if stopper.every_n_train_steps is not None:
        integer(1, every_n_train_steps=stopper.every_n_train_steps)
        require(
            on_epoch_end is None,
            "every_n_train_steps or check_on_train_epoch_end, not both",
            check_on_train_epoch_end=on_epoch_end,
        )
    require(
        on_epoch_end is not False or stopper._train_monitor is None,
        "a check at the end of training epochs for a criterion of the training error",
        "leave check_on_train_epoch_end at None",
        criterion=stopper.criterion,
    )
    require(
        stopper.schedule_aware or not (counts_cycles(stopper) or stopper.start_from == "peak"),
        "schedule_aware=True with cycles or the schedule's peak",
        schedule_aware=stopper.schedule_aware,
    )


def panel_of(stopper: "EarlyStopping", trainer: "Trainer | None") -> Panel:
    """The rules its arguments ask for; without a Trainer, with stand-ins for unknown lengths."""
    shared = {
        "patience": _resolved(stopper.patience, trainer),
        "start_from": _resolved(_start(stopper), trainer),
        "min_delta_mode": stopper.min_delta_mode,
        "check_finite": stopper.check_finite,
        "smoothing": stopper.smoothing,
        "criterion": stopper.criterion,
    }
    each = {
        "mode": stopper.mode,
        "min_delta": stopper.min_delta,
        "baseline": stopper.baseline,
        "stopping_threshold": stopper.stopping_threshold,
        "divergence_threshold": stopper.divergence_threshold,
    }
    return Panel(_rules_for(stopper._names, shared, each), stopper.stop_when)


def counts_cycles(stopper: "EarlyStopping") -> bool:
    """Whether something is counted in cycles, which the schedule must then have."""
    units = {_unit_of(stopper.patience), _unit_of(_start(stopper))}
    return bool(stopper._snapshots.limit) or "cycle" in units


def lengths_are_known(stopper: "EarlyStopping") -> bool:
    """Whether its durations mean something before the training's length is known."""
    return not (_needs_lengths(stopper.patience) or _needs_lengths(_start(stopper)))


def _start(stopper: "EarlyStopping") -> DurationLike:
    return 0 if stopper.start_from == "peak" else stopper.start_from


def _rules_for(
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


def _unit_of(length: DurationLike) -> str:
    """The unit of a duration that counts checks by default."""
    return Duration.parse(length, default="check").unit


def _needs_lengths(length: DurationLike) -> bool:
    """Whether a duration means something only once the training's length is known."""
    return _unit_of(length) in ("batch", "dur")


def _resolved(length: DurationLike, trainer: "Trainer | None") -> Duration:
    """Batches and shares of the training as steps; without a Trainer yet, a stand-in."""
    duration = Duration.parse(length, default="check")
    if not _needs_lengths(length):
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
