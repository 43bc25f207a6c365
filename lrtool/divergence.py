"""Divergence told from noise by the noise's own scale."""

from bisect import insort
from collections.abc import Sequence
from itertools import pairwise
from math import inf

import numpy as np
import numpy.typing as npt

__all__ = ["DivergenceTest", "noise_scale"]

_WARM = 10
_RECENT = 5
_GROWTHS = 6


def noise_scale(losses: npt.NDArray[np.float64]) -> float:
    """Standard deviation of the noise in a slowly varying sequence.

        quantile_0.75 |y_(i+1) - y_i| / (1.1503 sqrt(2))

    Differences take out the trend, the quantile takes out jumps; 1.1503 makes it the standard
    deviation for normal noise. Zero for fewer than two losses.

    >>> noise_scale(np.array([3.0, 3.0, 3.0]))
    0.0
    """
    if len(losses) < 2:
        return 0.0
    return _deviation(np.sort(np.abs(np.diff(losses))).tolist())


def _deviation(ordered_differences: Sequence[float]) -> float:
    return _quantile(ordered_differences, 0.75) / (1.1503 * 2**0.5)


def _quantile(ordered: Sequence[float], share: float) -> float:
    """The order statistic at `share`: np.quantile costs as much as a small training step."""
    return ordered[round(share * (len(ordered) - 1))]


class DivergenceTest:
    """Says when a loss has left for good, whatever its offset and scale.

    With base = the median of the first losses, drop = how far below it the loss has come and
    sigma = the noise's scale (at least a tenth of the range of the losses so far), the loss has
    diverged when

    - it is above its first value and its last six steps up each were 1.5 times the one before, or
    - the last two losses exceed base + max(100 sigma, 3 drop), or
    - the last five all exceed base + max(6 sigma, drop / 2) and 95% of all losses before, or
    - after a clear drop (over 6 sigma) the last five all lie above base - drop / 10: everything
      gained is lost again.

    Every term scales and shifts with the losses, and none can fire on a flat, noisy start.

    The test runs in every step of a sweep, so it keeps its lists sorted, without numpy.
    """

    def __init__(self) -> None:
        self._losses: list[float] = []
        self._before: list[float] = []  # all but the last five, sorted
        self._differences: list[float] = []  # between neighbours, absolute, sorted
        self._lowest = inf

    def update(self, loss: float) -> str | None:
        """Take the next finite loss; the reason when it has diverged, else None."""
        losses = self._losses
        losses.append(loss)
        if len(losses) > 1:
            insort(self._differences, abs(loss - losses[-2]))
        if len(losses) > _RECENT:
            insort(self._before, losses[-1 - _RECENT])
        if len(losses) > _GROWTHS and self._explodes():
            return f"the loss grew faster and faster, to {loss:.3g} from {losses[0]:.3g}"
        if len(losses) < _WARM + _RECENT:
            return None
        base = _quantile(sorted(losses[:_WARM]), 0.5)
        recent = losses[-_RECENT:]
        self._lowest = min(self._lowest, _quantile(sorted(recent), 0.5))
        drop = max(base - self._lowest, 0.0)
        few, usual = _quantile(self._before, 0.05), _quantile(self._before, 0.95)
        sigma = max(_deviation(self._differences), 0.1 * (usual - few))
        if min(recent[-2:]) > base + max(100 * sigma, 3 * drop):
            return f"the loss exploded to {loss:.3g} from {base:.3g}"
        if min(recent) > max(base + max(6 * sigma, drop / 2), usual):
            return (
                f"the loss rose to {loss:.3g}, above its start of {base:.3g} by more than its "
                f"noise of {sigma:.2g}"
            )
        if drop > 6 * sigma and min(recent) > base - drop / 10:
            return (
                f"the loss fell to {self._lowest:.3g} and rose to {loss:.3g}, "
                "losing all it had gained"
            )
        return None

    def _explodes(self) -> bool:
        last = self._losses[-_GROWTHS - 1 :]
        steps = [later - earlier for earlier, later in pairwise(last)]
        growing = steps[0] > 0 and all(b >= 1.5 * a for a, b in pairwise(steps))
        return growing and last[-1] > self._losses[0]
