"""From a range test to a search space: the measurement becomes the prior."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import inf, isfinite, log10
from typing import Any

from lrtool._check import one_of, require
from lrtool.errors import ArgumentError
from lrtool.result import RangeTestResult
from lrtool.search.prior import (
    AnyPrior,
    Belief,
    CategoricalPrior,
    LogNormal,
    LogUniform,
    Normal,
    Prior,
)
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
_MOMENTUM_SCALE, _DECAY_SCALE = 0.3, 0.6
_LOWEST_ONE_MINUS, _HIGHEST_ONE_MINUS = 0.005, 1.0


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
    """

    lr: float
    momentum: float | None = None
    weight_decay: float | None = None
    accumulates: bool = False
    optimizer: str = ""
    swept: bool = True


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
    test, it is uniform in log LR from 1e-7 to 10.

    Args:
        range_test: the measurement; None searches around `knobs.lr`.
        knobs: the optimizer's.
        schedules: names in `lrtool.search.SCHEDULES`; the first is where the search starts.
        priors: beliefs that replace the measured ones, by natural name: `max_lr`, `momentum`,
            `weight_decay`, or a parameter of a schedule (`pct_start`). A plain number fixes it.

    Raises:
        ArgumentError: for an unknown schedule, or a belief about an unknown parameter.
    """
    names = tuple(schedules)
    require(len(names) > 0, "at least one schedule", "try ('one_cycle',)", schedules=names)
    for name in names:
        one_of("schedule", name, SCHEDULES)
    beliefs = dict(priors or {})
    _know(beliefs, names)
    reference = {name: _reference(range_test, knobs, name) for name in names}
    space: dict[str, AnyPrior] = {}
    if len(names) > 1:
        space[SCHEDULE] = CategoricalPrior(names)
    space[LR] = _lr_prior(range_test, next(iter(reference.values())))
    momentum, decay = knobs.momentum, knobs.weight_decay
    pick: dict[str, Any] = {}
    if momentum is not None:
        space[MOMENTUM] = Prior(
            low=log10(_LOWEST_ONE_MINUS / (1 - momentum)),
            high=log10(_HIGHEST_ONE_MINUS / (1 - momentum)),
            # A momentum of zero is an optimizer nobody set, not a belief in zero.
            center=0.0 if momentum > 0 else log10(0.1),
            scale=_MOMENTUM_SCALE,
        )
        pick[MOMENTUM] = 0.0
    if decay is not None:
        decay = decay or 1e-4
        space[WEIGHT_DECAY] = Prior(low=-3.0, high=2.0, center=0.0, scale=_DECAY_SCALE)
    for name in names:
        own = dict(SCHEDULES[name])
        if momentum is None or not knobs.accumulates:
            # Adam's bias correction assumes a constant beta1: a moving one harms the first steps.
            own.pop("momentum_dip", None)
        space.update({f"{name}.{key}": prior for key, prior in own.items()})
    return _with_beliefs(
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


def _know(beliefs: Mapping[str, Belief], schedules: Iterable[str]) -> None:
    own = {key for name in schedules for key in SCHEDULES[name]}
    for name in beliefs:
        one_of("parameter of a prior", name, {"max_lr", "momentum", "weight_decay"} | own)


def _with_beliefs(space: Space, beliefs: Mapping[str, Belief]) -> Space:
    priors, fixed, pick = dict(space.priors), dict(space.fixed), dict(space.pick)
    for name, belief in beliefs.items():
        for key in _keys(space, name):
            old = priors.pop(key, None)
            if isinstance(belief, int | float):
                fixed[name] = belief
                continue
            if old is None:
                raise ArgumentError(
                    f"priors[{name!r}] needs an optimizer with that knob; this one has none"
                )
            priors[key] = _converted(belief, name, key, space)
            pick.pop(key, None)
    return Space(
        priors,
        space.reference_lr,
        space.momentum,
        space.weight_decay,
        space.accumulates,
        fixed,
        pick,
    )


def _keys(space: Space, name: str) -> list[str]:
    known = {"max_lr": LR, "momentum": MOMENTUM, "weight_decay": WEIGHT_DECAY}
    if name in known:
        return [known[name]]
    return [f"{schedule}.{name}" for schedule in space.schedules if name in SCHEDULES[schedule]]


def _converted(belief: Belief, name: str, key: str, space: Space) -> AnyPrior:
    """A belief in natural units as a prior in the space's coordinates."""
    if isinstance(belief, Prior | CategoricalPrior):
        return belief
    old = space.priors[key]
    require(isinstance(old, Prior), f"a prior over numbers for {name}", belief=belief)
    assert isinstance(old, Prior)
    assert not isinstance(belief, int | float)
    if name in {"max_lr", "weight_decay"}:
        unit = (
            space.reference_lr[space.schedules[0]]
            if name == "max_lr"
            else (space.weight_decay or 1.0)
        )
        return _around(belief, unit, old)
    if name == "momentum":
        return _momentum_belief(belief, space, old)
    if isinstance(belief, LogUniform):
        return Prior(low=belief.low, high=belief.high, log=True)
    if isinstance(belief, LogNormal):
        return Prior(
            low=old.low,
            high=old.high,
            center=belief.median,
            scale=log10(belief.factor),
            log=True,
        )
    return Prior(low=old.low, high=old.high, center=belief.mean, scale=belief.std)


def _around(belief: LogNormal | LogUniform | Normal, unit: float, old: Prior) -> Prior:
    """A belief about a rate, as decades around `unit`."""
    if isinstance(belief, LogUniform):
        return Prior(low=log10(belief.low / unit), high=log10(belief.high / unit))
    if isinstance(belief, Normal):
        require(
            0 < belief.std < belief.mean,
            "0 < std < mean",
            "a rate is believed in on a log scale: use LogNormal(median, factor)",
            mean=belief.mean,
            std=belief.std,
        )
        belief = LogNormal(belief.mean, 1 + belief.std / belief.mean)
    center, scale = log10(belief.median / unit), log10(belief.factor)
    room = max(3 * scale, 1.5)
    return Prior(
        low=min(old.low, center - room),
        high=max(old.high, center + room),
        center=center,
        scale=scale,
    )


def _momentum_belief(belief: LogNormal | LogUniform | Normal, space: Space, old: Prior) -> Prior:
    require(
        isinstance(belief, Normal) and 0 <= belief.mean < 1,
        "momentum is believed in as Normal(mean, std), 0 <= mean < 1",
        belief=belief,
    )
    assert isinstance(belief, Normal)
    assert space.momentum is not None
    center = log10((1 - belief.mean) / (1 - space.momentum))
    scale = log10(1 + belief.std / (1 - belief.mean))
    require(isfinite(scale), "0 < std < inf", std=belief.std)
    return Prior(low=old.low, high=old.high, center=center, scale=scale)
