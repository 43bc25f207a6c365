"""Finished results made of closed forms, for what draws and reports them."""

import numpy as np

from lrtool.curve import LossCurve
from lrtool.result import RangeTestResult
from lrtool.suggest import Suggestion
from lrtool.types import Status, StopReason

NASTY = """<script>alert("x")</script> & $x$ 'y' "z" </p>"""


def a_curve(stop: StopReason = StopReason.DIVERGED) -> LossCurve:
    """Flat at 2, a descent around 1e-3, a divergence from 0.1 on."""
    lr = np.geomspace(1e-8, 1.0, 81)
    x = np.log10(lr)
    loss = 2 - 1.5 / (1 + np.exp(-3 * (x + 3))) + np.where(x > -1, np.exp(4 * (x + 1)) - 1, 0)
    return LossCurve(lr, loss, stop, message="the loss rose to 53")


def a_suggestion(reason: str = "the loss fell by 1.5") -> Suggestion:
    return Suggestion(1e-3, 1e-4, 1e-2, (5e-4, 5e-3), "auto", Status.CLEAR, reason)


def a_result(reason: str = "the loss fell by 1.5") -> RangeTestResult:
    return RangeTestResult(a_curve(), a_suggestion(reason), {"optimizer": "SGD", "batch_size": 8})


def no_pick() -> RangeTestResult:
    lr = np.geomspace(1e-8, 1.0, 20)
    curve = LossCurve(lr, np.full(20, 2.0), StopReason.COMPLETED)
    suggestion = Suggestion.none("auto", Status.NO_DESCENT, "the loss never fell")
    return RangeTestResult(curve, suggestion)


def nothing_finite() -> RangeTestResult:
    curve = LossCurve(np.array([1e-8]), np.array([np.nan]), StopReason.NONFINITE)
    suggestion = Suggestion.none("auto", Status.TOO_FEW_POINTS, "one loss, not finite")
    return RangeTestResult(curve, suggestion)
