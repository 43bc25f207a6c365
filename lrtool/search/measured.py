"""From a range test to a search space: the measurement becomes the prior."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import inf, log10
from typing import Any

from lrtool._check import one_of, require
from lrtool.optimizers.table import Prior as Usual
from lrtool.result import RangeTestResult
from lrtool.search.beliefs import Belief, check_beliefs, with_beliefs
from lrtool.search.prior import AnyPrior, CategoricalPrior, Prior
from lrtool.search.space import LR, MOMENTUM, SCHEDULE, SCHEDULES, WEIGHT_DECAY, Space
from lrtool.types import StopReason

__all__ = ["Knobs", "measured_space"]

# Rates for a schedule that keeps its height are Suggestion.lr; for one that peaks, max_lr.
_FLAT = {"constant"}
_ROOM = 3.0  # decades on either side of the measured rate: the way back from a misleading one
_OF_DIVERGENCE = 0.2  # where to start, as a share of the rate that diverged, without a descent
_WIDE = (1e-7, 10.0)  # absolute rates searched when nothing was measured
_80_PERCENT = 1.64  # half-width of the 80% interval of Student's t with 3 degrees of freedom
_MIN_SCALE, _MAX_SCALE = 0.15, 0.6
_LOWEST_ONE_MINUS = 0.005
_LESS_DECAY, _MORE_DECAY = 3.0, 2.0  # decades on either side
# Of an optimizer that the capability table does not know.
_USUAL_MOMENTUM = Usual(0.9, 0.5, 0.995, 0.35, "log1m")
_USUAL_DECAY = Usual(1e-4, 1e-6, 1e-2, 0.6)


@dataclass(frozen=True)
class Knobs:
    """What the optimizer offers to turn, and where it stands.

    Args:
        lr: the rate it was given.
        momentum: `momentum` or `betas[0]`; None when it has neither.
        weight_decay: its weight decay; None when it has none.
        accumulates: whether momentum sums gradients (SGD's does, Adam's averages them).
        optimizer: the optimizer's class name.
        swept: whether a range test says something about it.
        momentum_prior: where its good momenta usually lie, of the capability table.
        weight_decay_prior: where its good weight decays usually lie.
    """

    lr: float
    momentum: float | None = None
    weight_decay: float | None = None
    accumulates: bool = False
    optimizer: str = ""
    swept: bool = True
    momentum_prior: Usual = _USUAL_MOMENTUM
    weight_decay_prior: Usual = _USUAL_DECAY


def measured_space(
    range_test: RangeTestResult | None,
    knobs: Knobs,
    *,
    schedules: Iterable[str] = ("one_cycle",),
    priors: Mapping[str, Belief] | None = None,
) -> Space:
    """The space around what was measured, with the measurement as the prior.

    The rate's prior is heavy-tailed in log LR, centred on the suggestion for that schedule, as wide
    as the suggestion's interval, on hard bounds three decades away on either side. Without a pick
    it is a wide one below the rate at which the sweep diverged; without a divergence, or a range
    test, it is uniform in log LR from 1e-7 to 10. Momentum and weight decay lie around what the
    optimizer was given, or around its usual values where it was given none, as widely as those are
    spread in the capability table.

    Args:
        range_test: the measurement; None searches around `knobs.lr`.
        knobs: the optimizer's.
        schedules: names in `lrtool.search.SCHEDULES`; the first is where the search starts.
        priors: beliefs that replace the measured ones, by natural name: `max_lr`, `momentum`,
            `weight_decay`, or a parameter of a schedule (`pct_start`). A plain number fixes it;
            for momentum and weight decay a measured `Family` will do.

    Raises:
        ArgumentError: for an unknown schedule, or a belief about an unknown parameter.
    """
    names = tuple(schedules)
    require(len(names) > 0, "at least one schedule", "try ('one_cycle',)", schedules=names)
    for name in names:
        one_of("schedule", name, SCHEDULES)
    beliefs = dict(priors or {})
    check_beliefs(beliefs, names)
    reference = {name: _reference(range_test, knobs, name) for name in names}
    space: dict[str, AnyPrior] = {}
    if len(names) > 1:
        space[SCHEDULE] = CategoricalPrior(names)
    space[LR] = _lr_prior(range_test, next(iter(reference.values())))
    momentum, decay = knobs.momentum, knobs.weight_decay
    pick: dict[str, Any] = {}
    if momentum is not None:
        space[MOMENTUM] = _momentum_prior(knobs.momentum_prior, momentum)
        pick[MOMENTUM] = 0.0
    if decay is not None:
        decay = decay or knobs.weight_decay_prior.median
        space[WEIGHT_DECAY] = Prior(
            low=-_LESS_DECAY, high=_MORE_DECAY, center=0.0, scale=knobs.weight_decay_prior.decades
        )
    for name in names:
        own = dict(SCHEDULES[name])
        if momentum is None or not knobs.accumulates:
            # Adam's bias correction assumes a constant beta1: a moving one harms the first steps.
            own.pop("momentum_dip", None)
        space.update({f"{name}.{key}": prior for key, prior in own.items()})
    return with_beliefs(
        Space(space, reference, momentum, decay, knobs.accumulates, {}, pick), beliefs
    )


def _reference(range_test: RangeTestResult | None, knobs: Knobs, schedule: str) -> float:
    if range_test is None:
        return knobs.lr
    if range_test.suggestion.has_pick:
        return range_test.lr if schedule in _FLAT else range_test.max_lr
    diverged = _diverged_at(range_test)
    return knobs.lr if diverged is None else diverged * _OF_DIVERGENCE


def _diverged_at(range_test: RangeTestResult) -> float | None:
    """The rate at which the sweep diverged, which says where to look even without a descent."""
    if range_test.curve.stop_reason not in {StopReason.DIVERGED, StopReason.NONFINITE}:
        return None
    return float(range_test.curve.lr.max())


def _lr_prior(range_test: RangeTestResult | None, reference: float) -> Prior:
    """Over decades from `reference`."""
    if range_test is not None and range_test.suggestion.has_pick:
        low, high = range_test.suggestion.interval
        width = log10(high / low) / 2 if 0 < low < high < inf else 0.5
        scale = min(max(width / _80_PERCENT, _MIN_SCALE), _MAX_SCALE)
        return Prior(low=-_ROOM, high=_ROOM, center=0.0, scale=scale)
    if range_test is not None and _diverged_at(range_test) is not None:
        return Prior(low=-_ROOM, high=_ROOM, center=0.0, scale=_MAX_SCALE)
    return Prior(low=log10(_WIDE[0] / reference), high=log10(_WIDE[1] / reference))


def _momentum_prior(usual: Usual, momentum: float) -> Prior:
    """Over decades of 1 - momentum from the optimizer's own."""
    # A momentum of zero is an optimizer nobody set, not a belief in zero.
    center = 0.0 if momentum > 0 else log10(1 - usual.median)
    lowest = min(_LOWEST_ONE_MINUS, 1 - usual.high)
    return Prior(
        low=log10(lowest / (1 - momentum)),
        high=log10(1 / (1 - momentum)),
        center=center,
        scale=usual.decades,
    )
