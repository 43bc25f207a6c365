"""Reading: what every suggester looks at, worked out once from a LossCurve."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from lrtool.curve import FloatArray, LossCurve
from lrtool.divergence import noise_scale
from lrtool.smoothing import LocalLine, local_line

__all__ = ["Reading", "read"]

WIDTH = 0.25  # decades: the window of the slopes, +- one standard deviation, is half a decade wide
FEWEST = 10
PAUSE = 0.7  # decades
FEWEST_HIGH = 3  # losses that make an explosion: fewer are spikes
HIGHEST = 4.0  # drops above the start: no loss counts for more in an explosion


@dataclass(frozen=True, eq=False)
class Reading:
    """The descent over one range, smoothed, with its noise.

    Args:
        x: (g,) log10 LR on an even grid.
        value: (g,) smoothed loss, with spikes and explosions cut off.
        slope: (g,) its slope per decade.
        error: (g,) standard deviation of the drop from base to value.
        base: the loss before anything happens.
        sigma: standard deviation of a single loss's noise.
        end: log10 of the last rate tried.
        density: steps per decade of the slowest pass.
        explosion: log10 LR just past the first explosion that the loss came back from, which is as
            far as this reads; None without.
    """

    x: FloatArray
    value: FloatArray
    slope: FloatArray
    error: FloatArray
    base: float
    sigma: float
    end: float
    density: float
    explosion: float | None = None

    @cached_property
    def lowest(self) -> int:
        """Index of the smoothed minimum."""
        return int(np.argmin(self.value))

    @property
    def drop(self) -> float:
        """How far the smoothed loss fell below its start."""
        return self.base - float(self.value[self.lowest])

    @property
    def signal(self) -> float:
        """The drop in standard deviations of itself; infinite without noise."""
        if self.drop <= 0:
            return 0.0
        error = float(self.error[self.lowest])
        return self.drop / error if error > 0 else np.inf

    @property
    def roughness(self) -> float:
        """Noise of a single loss as a share of the drop; infinite without a drop."""
        return self.sigma / self.drop if self.drop > 0 else np.inf

    def falls_by(self, share: float) -> float:
        """log10 LR at which the loss, on its way down, has fallen by `share` of its drop."""
        above = np.flatnonzero(self.value[: self.lowest + 1] > self.base - share * self.drop)
        return float(self.x[above[-1] if len(above) else 0])

    def rises_by(self, share: float) -> float:
        """log10 LR at which the loss, past its minimum, has lost `share` of its drop again."""
        level = self.base - (1 - share) * self.drop
        above = np.flatnonzero(self.value[self.lowest :] > level)
        return float(self.x[self.lowest + above[0] if len(above) else -1])

    @property
    @np.errstate(over="ignore")  # losses near the largest float
    def onset(self) -> float:
        """log10 LR from which the loss stays above its start beyond noise; NaN for never."""
        usual = np.flatnonzero(self.value <= self.base + 3 * self.error)
        last = int(usual[-1]) if len(usual) else -1
        return float(self.x[last + 1]) if last + 1 < len(self.x) else np.nan

    @property
    def pause(self) -> float | None:
        """log10 LR in the middle of a flat stretch that parts the descent in two; None without.

        Flat: less than a sixth of the descent's mean slope, for at least `PAUSE` decades, with a
        quarter of the drop or more on either side.
        """
        start, end = np.searchsorted(self.x, [self.falls_by(0.1), self.falls_by(0.9)])
        if end - start < 3:
            return None
        mean = 0.8 * self.drop / max(self.x[end] - self.x[start], WIDTH)
        fallen = (self.base - self.value) / self.drop
        flat = (-self.slope < mean / 6) & (fallen > 0.25) & (fallen < 0.75)
        flat[:start] = flat[end:] = False
        edges = np.flatnonzero(np.diff(np.concatenate([[False], flat, [False]]).astype(int)))
        stretches = self.x[np.minimum(edges.reshape(-1, 2), len(self.x) - 1)]
        if not len(stretches):
            return None
        longest = stretches[np.argmax(stretches[:, 1] - stretches[:, 0])]
        return float(longest.mean()) if longest[1] - longest[0] >= PAUSE else None


@np.errstate(over="ignore", invalid="ignore")  # losses near the largest float
def read(curve: LossCurve) -> Reading | None:
    """Read the last range `curve` swept; None when it has too few finite losses.

    Passes that start at the same rate are pooled. Earlier, wider passes started from the same
    weights, so they tell what the loss was before anything happened.
    """
    assert curve.passes is not None
    if len(curve) == 0:
        return None
    last_pass = curve.passes == curve.passes.max()
    main = curve.range_index == curve.range_index[last_pass][0]
    first = float(curve.lr[main][0])
    usable = np.isfinite(curve.loss)
    below = curve.loss[~main & usable & (curve.lr < first)]
    main &= usable
    count = int(main.sum())
    if count < FEWEST:
        return None
    x, y, sigma = _points(curve, main)
    untouched = np.concatenate([below, y[: max(5, count // (10 if len(below) else 5))]])
    base = float(np.median(untouched))
    ladder = np.log10(curve.lr[last_pass])
    end = float(ladder[-1])
    explosion = _explosion(x, y, base, min(sigma, noise_scale(untouched)))
    if explosion is not None:
        x, y, sigma = _points(curve, main & (np.log10(curve.lr) <= explosion))
        end = explosion
    # A median is 1.25 times as uncertain as a mean.
    base_error = 1.25 * sigma / len(untouched) ** 0.5
    fit = _fit(x, y, base, sigma)
    error = np.hypot(fit.spread * sigma, base_error)
    density = (len(ladder) - 1) / max(float(ladder[-1] - ladder[0]), 1e-9)
    return Reading(fit.x, fit.value, fit.slope, error, base, sigma, end, float(density), explosion)


def _points(
    curve: LossCurve, chosen: npt.NDArray[np.bool_]
) -> tuple[FloatArray, FloatArray, float]:
    """log10 LR and loss of the chosen steps, by rising rate, and the noise of a single loss."""
    loss = curve.loss[chosen]
    order = np.argsort(curve.lr[chosen], kind="stable")
    return np.log10(curve.lr[chosen])[order], loss[order], noise_scale(loss)


def _explosion(x: FloatArray, y: FloatArray, base: float, sigma: float) -> float | None:
    """log10 LR just past the first explosion that the loss came back from; None without.

    An explosion lifts the loss above its start by more than it ever falls below it, for more than a
    step or two. What comes back down after it is no longer a descent from the initial weights:
    often it is a dead network, which any rate leaves at the same loss.
    """
    value = local_line(x, np.minimum(y, base + 8 * sigma), width=WIDTH).value
    drop = max(base - float(value.min()), 3 * sigma)
    lifted = local_line(x, np.minimum(y, base + HIGHEST * drop), width=WIDTH)
    high = np.flatnonzero(lifted.value > base + drop)
    if not len(high) or not (lifted.value[high[0] :] < base).any():
        return None
    where = float(lifted.x[high[0]])
    near = np.abs(x - where) <= 2 * WIDTH
    is_spike = (y[near] > base + drop).sum() < FEWEST_HIGH
    edge = where + WIDTH
    return None if is_spike or (x <= edge).sum() < FEWEST else edge


def _fit(x: FloatArray, y: FloatArray, base: float, sigma: float) -> LocalLine:
    """The smoothed descent: spikes cut off, and what lies above the start cut low.

    Losses above the start say "too high", not how much: cut there, an explosion moves nothing
    beside it.
    """
    y = _without_spikes(y, 4 * sigma)
    smoothed = local_line(x, np.minimum(y, base + 8 * sigma), width=WIDTH).value
    drop = max(base - float(smoothed.min()), 0.0)
    return local_line(x, np.minimum(y, base + max(0.5 * drop, 3 * sigma)), width=WIDTH)


def _without_spikes(y: FloatArray, tolerance: float) -> FloatArray:
    """Cut what stands out by more than `tolerance` above the median of its five neighbours."""
    padded = np.concatenate([y[2:0:-1], y, y[-2:-4:-1]])
    around = np.median(np.lib.stride_tricks.sliding_window_view(padded, 5), axis=1)
    return np.asarray(np.minimum(y, around + tolerance))
