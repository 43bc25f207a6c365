"""Beliefs: what a user, or a family of range tests, says of a parameter, in its own units."""

from collections.abc import Iterable, Mapping
from math import isfinite, log10
from typing import TypeAlias

from lrtool._check import one_of, require
from lrtool.errors import ArgumentError
from lrtool.families import Family
from lrtool.search.prior import AnyPrior, CategoricalPrior, LogNormal, LogUniform, Normal, Prior
from lrtool.search.space import LR, MOMENTUM, SCHEDULES, WEIGHT_DECAY, Space

__all__ = ["Belief", "check_beliefs", "with_beliefs"]

Belief: TypeAlias = LogNormal | LogUniform | Normal | Prior | CategoricalPrior | Family | float
_FAMILIES = ("momentum", "weight_decay")


def check_beliefs(beliefs: Mapping[str, Belief], schedules: Iterable[str]) -> None:
    """Refuse a belief about a parameter that is not searched.

    Raises:
        ArgumentError: for an unknown name, or a family of something else.
    """
    own = {key for name in schedules for key in SCHEDULES[name]}
    for name in beliefs:
        one_of("parameter of a prior", name, {"max_lr", "momentum", "weight_decay"} | own)
        belief = beliefs[name]
        if isinstance(belief, Family):
            require(
                belief.setting == name and name in _FAMILIES,
                f"a family measured over {name}",
                "families over momentum and weight_decay are beliefs about these",
                setting=belief.setting,
            )


def with_beliefs(space: Space, beliefs: Mapping[str, Belief]) -> Space:
    """`space` with beliefs in place of what it holds.

    Raises:
        ArgumentError: for a belief about a knob that the optimizer lacks, or one that cannot be.
    """
    priors, fixed, pick = dict(space.priors), dict(space.fixed), dict(space.pick)
    for name, belief in beliefs.items():
        if isinstance(belief, Family) and belief.best is None:
            continue  # it measured nothing
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
    if isinstance(belief, Family):
        return _measured(belief, space, old)
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


def _measured(family: Family, space: Space, old: Prior) -> Prior:
    """Around the family's member to take, as wide as the gap to the next value tried."""
    tried = sorted(_decades(float(value), family.setting, space, old) for value in family.results)
    center = _decades(float(family.best), family.setting, space, old)
    gaps = [abs(value - center) for value in tried if value != center]
    return Prior(low=old.low, high=old.high, center=center, scale=min([*gaps, old.scale]))


def _decades(value: float, setting: str, space: Space, old: Prior) -> float:
    """The coordinate of a momentum or weight decay; no decay at all is the least one."""
    if setting == "momentum":
        assert space.momentum is not None
        return log10((1 - value) / (1 - space.momentum))
    return old.low if value == 0 else log10(value / (space.weight_decay or 1.0))
