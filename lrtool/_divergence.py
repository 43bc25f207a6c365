"""Divergence told from noise by the noise's own scale."""

import numpy as np

__all__ = ["DivergenceTest", "noise_scale"]

_WARM = 10
_RECENT = 5


def noise_scale(losses: np.ndarray) -> float:
    """Standard deviation of the noise in a slowly varying sequence.

        1.4826 * median |y_(i+1) - y_i| / sqrt(2)

    Differences take out the trend, the median takes out jumps; 1.4826 makes it the standard
    deviation for normal noise. Zero for fewer than two losses.

    >>> noise_scale(np.array([3.0, 3.0, 3.0]))
    0.0
    """
    if len(losses) < 2:
        return 0.0
    return float(1.4826 * np.median(np.abs(np.diff(losses))) / np.sqrt(2))


class DivergenceTest:
    """Says when a loss has left for good, whatever its offset and scale.

    With base = the median of the first losses, drop = how far below it the loss has come and
    sigma = the noise's scale, the loss has diverged when

    - the last two losses exceed base + max(100 sigma, 3 drop), or
    - the last five all exceed base + max(6 sigma, drop / 2), or
    - after a clear drop (over 6 sigma) the last five all lie above base - drop / 10: everything
      gained is lost again.

    Every term scales and shifts with the losses, and none can fire on a flat, noisy start.
    """

    def __init__(self) -> None:
        self._losses: list[float] = []
        self._lowest = np.inf

    def update(self, loss: float) -> str | None:
        """Take the next finite loss; the reason when it has diverged, else None."""
        self._losses.append(loss)
        count = len(self._losses)
        if count < _WARM + _RECENT:
            return None
        losses = np.asarray(self._losses)
        base = float(np.median(losses[:_WARM]))
        self._lowest = min(self._lowest, float(np.median(losses[-_RECENT:])))
        drop = max(base - self._lowest, 0.0)
        sigma = noise_scale(losses)
        recent = losses[-_RECENT:]
        if recent[-2:].min() > base + max(100 * sigma, 3 * drop):
            return f"the loss exploded to {loss:.3g} from {base:.3g}"
        if recent.min() > base + max(6 * sigma, drop / 2):
            return (
                f"the loss rose to {loss:.3g}, above its start of {base:.3g} by more than its noise "
                f"of {sigma:.2g} explains"
            )
        if drop > 6 * sigma and recent.min() > base - drop / 10:
            return f"the loss fell to {self._lowest:.3g} and rose to {loss:.3g}, losing all it had gained"
        return None
