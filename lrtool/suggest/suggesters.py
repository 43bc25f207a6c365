"""Suggesters: pure functions from a LossCurve to a Suggestion."""

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

import numpy as np

from lrtool._check import one_of, require
from lrtool.curve import LossCurve
from lrtool.suggest.auto import DESCENT, Estimate, combine
from lrtool.suggest.reading import FEWEST, Reading, read
from lrtool.suggest.rules import RULES
from lrtool.suggest.suggestion import Suggestion
from lrtool.types import Status, StopReason

__all__ = ["SUGGESTERS", "Suggester", "suggest"]

# Of the drop, in its own standard deviations.
_NOISY = 4.0  # below, nothing fell
_CLEAR = 8.0  # above, the descent is beyond doubt
_HIDDEN = 0.3  # a single loss's noise as a share of the drop: above, the descent may be a plateau's


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
        ArgumentError: for an unknown name, or a function that returns something else.

    >>> lr = np.geomspace(1e-6, 10, 100)
    >>> curve = LossCurve(lr, 1 / (1 + lr / 1e-3) + lr)
    >>> suggest(curve, "steepest").has_pick
    True
    """
    if callable(method):
        found = method(curve)
        require(
            isinstance(found, Suggestion), "a suggester returns a lrtool.Suggestion",
            "lrtool.suggest.suggest(curve) makes one", returned=found,
        )  # fmt: skip
        return found
    one_of("suggester", method, SUGGESTERS)
    if method == "auto":
        return auto(curve, optimizer=optimizer)
    return SUGGESTERS[method](curve)


def auto(curve: LossCurve, *, optimizer: str | None = None) -> Suggestion:
    """Read the basin of the loss, its noise and its divergence; see `lrtool.suggest.auto`."""
    found = _readable(curve)
    if isinstance(found, tuple):
        return Suggestion.none("auto", *found)
    guess = combine(found, _diverged(curve, found), optimizer)
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
        if len(curve) and _diverged(curve):
            return Status.DIVERGED_AT_START, _too_high(curve)
        return Status.TOO_FEW_POINTS, (
            f"{finite} finite losses, and a pick needs {FEWEST}; take more steps"
        )
    if reading.signal < _NOISY and not _diverged(curve, reading):
        return Status.NO_DESCENT, _flat(reading)
    return reading


def _diverged(curve: LossCurve, reading: Reading | None = None) -> bool:
    exploded = reading is not None and reading.explosion is not None
    return exploded or curve.stop_reason in {StopReason.DIVERGED, StopReason.NONFINITE}


def _too_high(curve: LossCurve) -> str:
    if not np.isfinite(curve.loss[0]):
        return (
            f"the loss was {curve.loss[0]} before the first step, so no rate is at fault: look at "
            "the data for NaN or infinite values, and at the loss for logarithms of zero"
        )
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
    if reading.roughness > _HIDDEN:
        return Status.NOISY, (
            f"{fell}, which a single loss's noise of {reading.sigma:.2g} almost hides, so that it "
            "may be a plateau only: more steps or larger batches would help"
        )
    if (between := reading.pause) is not None:
        return Status.BIMODAL, (
            f"{fell} in two descents, before and after lr {10**between:.3g}: the pick is in the "
            "basin after the second; if the first alone is what you want, give max_lr"
        )
    if not _diverged(curve, reading) and reading.x[-1] - reading.x[reading.lowest] < 0.1:
        return Status.NEVER_DIVERGED, f"{fell} and was still falling at the highest rate; raise it"
    lowest = f"{fell}, lowest at lr {10 ** reading.x[reading.lowest]:.3g}"
    if reading.explosion is not None:
        lowest += (
            f"; what came back from the explosion before lr {10**reading.explosion:.3g} is left out"
        )
    return Status.CLEAR, lowest


SUGGESTERS: dict[str, Suggester] = {
    "auto": auto,
    **{rule: partial(_by_rule, rule=rule) for rule in RULES},
}
