"""Reading: what every suggester looks at, worked out once from a LossCurve."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lrtool._divergence import noise_scale
from lrtool.curve import FloatArray, LossCurve
from lrtool.smoothing import local_line

__all__ = ["Reading", "read"]

WIDTH = 0.25  # decades: the window of the slopes, +- one standard deviation, is half a decade wide
FEWEST = 10


@dataclass(frozen=True, eq=False)
class Reading:
    """The descent of one pass, in units that do not depend on the loss's offset and scale.

    Args:
        x: (g,) log10 LR on an even grid.
        value: (g,) smoothed loss, with spikes and explosions cut off.
        slope: (g,) its slope per decade.
        base: the loss before anything happens.
        sigma: standard deviation of a single loss's noise.
        points: how many finite losses it rests on.
        density: points per decade.
    """

    x: FloatArray
    value: FloatArray
    slope: FloatArray
    base: float
    sigma: float
    points: int
    density: float

    @cached_property
    def lowest(self) -> int:
        """Index of the smoothed minimum."""
        return int(np.argmin(self.value))

    @property
    def drop(self) -> float:
        """How far the smoothed loss fell below its start."""
        return self.base - float(self.value[self.lowest])

    def falls_by(self, share: float) -> float:
        """log10 LR at which the loss, on its way to the minimum, has fallen by `share` of its drop."""
        above = np.flatnonzero(self.value[: self.lowest + 1] > self.base - share * self.drop)
        return float(self.x[above[-1] if len(above) else 0])

    @property
    def noise(self) -> float:
        """Standard deviation of the smoothed loss."""
        effective = max(1.0, self.density * WIDTH * 2 * np.sqrt(np.pi))
        return self.sigma / float(np.sqrt(effective))

    @property
    def signal(self) -> float:
        """The drop in standard deviations of the smoothed loss; infinite without noise."""
        if self.drop <= 0:
            return 0.0
        return self.drop / self.noise if self.noise > 0 else np.inf


def read(curve: LossCurve) -> Reading | None:
    """Read the last range `curve` swept; None when it has too few finite losses.

    Passes that start at the same rate are pooled. Earlier, wider passes started from the same weights,
    so they tell what the loss was before anything happened.
    """
    assert curve.passes is not None
    if len(curve) == 0:
        return None
    starts = {int(k): float(curve.lr[curve.passes == k][0]) for k in np.unique(curve.passes)}
    last = starts[max(starts)]
    main = np.isin(curve.passes, [k for k, start in starts.items() if start == last])
    finite = main & np.isfinite(curve.loss)
    count = int(finite.sum())
    if count < FEWEST:
        return None
    order = np.argsort(curve.lr[finite], kind="stable")
    x, y = np.log10(curve.lr[finite])[order], curve.loss[finite][order]
    sigma = noise_scale(curve.loss[finite])
    below = curve.loss[~main & np.isfinite(curve.loss) & (curve.lr < last)]
    base = float(np.median(np.concatenate([below, y[: max(5, count // 10)]])))
    smoothed = local_line(x, np.minimum(y, base + 8 * sigma), width=WIDTH).value
    drop = max(base - float(smoothed.min()), 0.0)
    # Losses above the start say "too high", not how much: cut there, a spike or an explosion moves
    # nothing beside it.
    cut = np.minimum(y, base + max(drop, 3 * sigma))
    fit = local_line(x, cut, width=WIDTH)
    span = max(float(x[-1] - x[0]), 1e-9)
    return Reading(fit.x, fit.value, fit.slope, base, sigma, count, count / span)
