"""Suggesters: pure functions from a LossCurve to a Suggestion."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from math import isfinite, nan
from typing import Any, TypeAlias

import numpy as np

from lrtool._auto import DESCENT, Estimate, combine
from lrtool._check import one_of
from lrtool._reading import FEWEST, Reading, read
from lrtool._rules import RULES
from lrtool.curve import LossCurve
from lrtool.types import Status, StopReason

__all__ = ["SUGGESTERS", "Suggester", "Suggestion", "suggest"]

# Of the drop, in its own standard deviations.
_NOISY = 4.0  # below, nothing fell
_CLEAR = 8.0  # above, the descent is beyond doubt


@dataclass(frozen=True)
class Suggestion:
    """Learning rates read off a LossCurve, with how sure they are and why.

    Args:
        lr: rate for constant or slowly decaying training; NaN when there is no pick.
        min_lr: base of a cycle. `min_lr <= lr <= max_lr`.
        max_lr: peak of a cycle.
        interval: (low, high) rates between which the best constant rate lies in 80% of cases.
        method: the suggester's name.
        status: how far to trust it.
        reason: the status as a sentence, with its numbers and what to do next.
    """

    lr: float
    min_lr: float
    max_lr: float
    interval: tuple[float, float]
    method: str
    status: Status
    reason: str

    @classmethod
    def none(cls, method: str, status: Status, reason: str) -> "Suggestion":
        """Make a suggestion without a pick: every rate NaN."""
        return cls(nan, nan, nan, (nan, nan), method, status, reason)

    @property
    def has_pick(self) -> bool:
        """Whether there is a rate to use."""
        return self.status.has_pick

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; NaN becomes null."""
        low, high = self.interval
        rates = {"lr": self.lr, "min_lr": self.min_lr, "max_lr": self.max_lr}
        return {
            **{name: _null(rate) for name, rate in rates.items()},
            "interval": [_null(low), _null(high)],
            "method": self.method,
            "status": self.status.value,
            "reason": self.reason,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Suggestion":
        """Invert `to_dict`."""
        low, high = data["interval"]
        return cls(
            lr=_float(data["lr"]),
            min_lr=_float(data["min_lr"]),
            max_lr=_float(data["max_lr"]),
            interval=(_float(low), _float(high)),
            method=data["method"],
            status=Status(data["status"]),
            reason=data["reason"],
        )

    def _repr_html_(self) -> str:
        from lrtool.report import suggestion_html

        return suggestion_html(self)

    def __str__(self) -> str:
        if not self.has_pick:
            return f"no pick [{self.status.value}]: {self.reason}"
        low, high = self.interval
        return (
            f"lr {self.lr:.3g} (80% {low:.3g}..{high:.3g}), "
            f"cycle {self.min_lr:.3g}..{self.max_lr:.3g} "
            f"[{self.status.value}, {self.method}]: {self.reason}"
        )


Suggester: TypeAlias = Callable[[LossCurve], Suggestion]


def suggest(
    curve: LossCurve, method: "str | Suggester" = "auto", *, optimizer: str | None = None
) -> Suggestion:
    """Read a suggestion off `curve`.

    Args:
        curve: the measurement.
        method: a name in `SUGGESTERS`, or a function of the curve.
        optimizer: the optimizer's class name, which `auto` may use as prior knowledge.

    Raises:
        ArgumentError: for an unknown name.

    >>> lr = np.geomspace(1e-6, 10, 100)
    >>> curve = LossCurve(lr, 1 / (1 + lr / 1e-3) + lr)
    >>> suggest(curve, "steepest").has_pick
    True
    """
    if callable(method):
        return method(curve)
    one_of("suggester", method, SUGGESTERS)
    if method == "auto":
        return auto(curve, optimizer=optimizer)
    return SUGGESTERS[method](curve)


def auto(curve: LossCurve, *, optimizer: str | None = None) -> Suggestion:
    """Read the basin of the loss, its noise and its divergence; see `lrtool._auto`."""
    found = _readable(curve)
    if isinstance(found, tuple):
        return Suggestion.none("auto", *found)
    guess = combine(found, _diverged(curve), optimizer)
    if found.signal < DESCENT and 10**guess.centre < curve.lr.min():
        return Suggestion.none("auto", Status.DIVERGED_AT_START, _too_high(curve))
    return _suggestion("auto", curve, found, guess)


def _by_rule(curve: LossCurve, *, rule: str) -> Suggestion:
    found = _readable(curve)
    if isinstance(found, tuple):
        return Suggestion.none(rule, *found)
    if found.signal < DESCENT:
        return Suggestion.none(rule, Status.NO_DESCENT, _flat(found))
    centre = RULES[rule](found)
    return _suggestion(rule, curve, found, Estimate(centre, centre + 0.5, 0.5))


def _readable(curve: LossCurve) -> Reading | tuple[Status, str]:
    """The reading to suggest from, or why there is none."""
    reading = read(curve)
    if reading is None:
        finite = int(np.isfinite(curve.loss).sum())
        if _diverged(curve):
            return Status.DIVERGED_AT_START, _too_high(curve)
        return Status.TOO_FEW_POINTS, (
            f"{finite} finite losses, and a pick needs {FEWEST}; take more steps"
        )
    if reading.signal < _NOISY and not _diverged(curve):
        return Status.NO_DESCENT, _flat(reading)
    return reading


def _diverged(curve: LossCurve) -> bool:
    return curve.stop_reason in {StopReason.DIVERGED, StopReason.NONFINITE}


def _too_high(curve: LossCurve) -> str:
    return (
        f"the loss diverged at lr {curve.lr[-1]:.3g}, at once: every rate from "
        f"{curve.lr.min():.3g} up is too high; start lower (give a smaller min_lr, or none)"
    )


def _flat(reading: Reading) -> str:
    return (
        f"the loss fell by {reading.drop:.3g}, no more than its noise of {reading.sigma:.3g} "
        "explains; take more steps, larger batches, or check that the model can learn at all"
    )


def _suggestion(method: str, curve: LossCurve, reading: Reading, guess: Estimate) -> Suggestion:
    low, high = float(curve.lr.min()), float(curve.lr.max())

    def within(x: float) -> float:
        return float(np.clip(10.0**x, low, high))

    lr = within(guess.centre)
    status, reason = _judge(curve, reading)
    return Suggestion(
        lr=lr,
        min_lr=min(lr, within(guess.peak - 1.4)),
        max_lr=max(lr, within(guess.peak)),
        interval=(within(guess.interval[0]), within(guess.interval[1])),
        method=method,
        status=status,
        reason=reason,
    )


def _judge(curve: LossCurve, reading: Reading) -> tuple[Status, str]:
    if reading.signal < DESCENT:
        return Status.NOISY, (
            f"the loss never fell, and diverged at lr {10**reading.end:.3g}: the pick is a fixed "
            "distance below that; take more steps, or compare a few rates near it"
        )
    fell = f"the loss fell from {reading.base:.3g} to {reading.base - reading.drop:.3g}"
    if reading.signal < _CLEAR:
        return Status.NOISY, (
            f"{fell}, {reading.signal:.1f} times its noise: more steps or larger batches would help"
        )
    if (between := reading.pause) is not None:
        return Status.BIMODAL, (
            f"{fell} in two descents, before and after lr {10**between:.3g}: the pick is in the "
            "basin after the second; if the first alone is what you want, give max_lr"
        )
    if not _diverged(curve) and reading.x[-1] - reading.x[reading.lowest] < 0.1:
        return Status.NEVER_DIVERGED, f"{fell} and was still falling at the highest rate; raise it"
    return Status.CLEAR, f"{fell}, lowest at lr {10 ** reading.x[reading.lowest]:.3g}"


def _null(rate: float) -> float | None:
    return rate if isfinite(rate) else None


def _float(rate: float | None) -> float:
    return nan if rate is None else float(rate)


SUGGESTERS: dict[str, Suggester] = {
    "auto": auto,
    **{rule: partial(_by_rule, rule=rule) for rule in RULES},
}
