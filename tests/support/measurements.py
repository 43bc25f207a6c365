"""Range tests made by hand."""

import numpy as np

from lrtool.curve import LossCurve
from lrtool.result import RangeTestResult
from lrtool.suggest import Suggestion
from lrtool.types import Status, StopReason


def measurement(
    lr: float = 0.01,
    *,
    max_lr: float | None = None,
    factor: float = 3.0,
    status: Status = Status.CLEAR,
    stop: StopReason = StopReason.DIVERGED,
    diverged: float | None = None,
) -> RangeTestResult:
    """A result that picks `lr`, with 80% interval lr / factor .. lr * factor."""
    peak = 3 * lr if max_lr is None else max_lr
    top = 30 * lr if diverged is None else diverged
    rates = np.geomspace(top * 1e-5, top, 50)
    losses = 1 + np.maximum(0, np.linspace(-1, 1, 50)) * 4
    curve = LossCurve(rates, losses, stop)
    if status.has_pick:
        interval = (lr / factor, lr * factor)
        suggestion = Suggestion(lr, peak / 25, peak, interval, "hand", status, "made by hand")
    else:
        suggestion = Suggestion.none("hand", status, "made by hand")
    return RangeTestResult(curve, suggestion, {"optimizer": "SGD"})
