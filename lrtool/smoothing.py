"""Zero-phase smoothing of a loss over log LR."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from lrtool._check import positive

__all__ = ["LocalLine", "local_line", "smooth"]

FloatArray: TypeAlias = npt.NDArray[np.float64]

_BINS_PER_WIDTH = 12
_REACH = 4  # kernel cut-off, in widths


@dataclass(frozen=True, eq=False)
class LocalLine:
    """Lines fitted around every node of an even grid of log10 LR.

    Args:
        x: (g,) nodes, log10 LR, evenly spaced.
        value: (g,) the line's value at the node.
        slope: (g,) its slope, per decade.
        spread: (g,) standard deviation of the value, for noise of standard deviation 1.
    """

    x: FloatArray
    value: FloatArray
    slope: FloatArray
    spread: FloatArray


def local_line(x: FloatArray, y: FloatArray, *, width: float) -> LocalLine:
    """Fit a straight line around every node of an even grid spanning `x`.

    The points are gathered into bins a twelfth of `width` wide, with their moments, and the moments
    are convolved with the kernel: linear in the number of points, and exact for straight lines.

    Args:
        x: (n,) log10 LR, n >= 1, finite, in any order.
        y: (n,) finite losses.
        width: standard deviation of the Gaussian weights, in decades, above zero.
    """
    positive(width=width)
    step = width / _BINS_PER_WIDTH
    low, high = float(x.min()), float(x.max())
    bins = round((high - low) / step) + 1
    nodes = low + step * np.arange(bins, dtype=np.float64)
    where = np.minimum(np.rint((x - low) / step).astype(np.int64), bins - 1)
    # Centred on its own median a constant loss stays exact and large offsets cost no digits; rates
    # counted from the middle of the range keep the moments small.
    centre, middle = float(np.median(y)), 0.5 * (low + high)
    u, v = x - middle, y - centre
    reach = np.arange(-_REACH * _BINS_PER_WIDTH, _REACH * _BINS_PER_WIDTH + 1)
    kernel = np.exp(-0.5 * (reach / _BINS_PER_WIDTH) ** 2)

    def moment(values: FloatArray | None, kernel: FloatArray) -> FloatArray:
        gathered = np.bincount(where, values, minlength=bins).astype(np.float64)
        return np.convolve(gathered, kernel)[len(reach) // 2 : len(reach) // 2 + bins]

    s0, su, suu, sv, suv = (moment(m, kernel) for m in (None, u, u * u, v, u * v))
    q0, qu, quu = (moment(m, kernel**2) for m in (None, u, u * u))
    with np.errstate(divide="ignore", invalid="ignore"):
        mean_u, mean_v = su / s0, sv / s0
        variance = suu / s0 - mean_u**2
        # A node that sees one rate only has a value but no slope.
        tilts = variance > 1e-6 * width**2
        slope = np.where(tilts, (suv / s0 - mean_u * mean_v) / variance, 0.0)
        away = nodes - middle - mean_u
        # The value weighs v_j by w_j (1 + tilt (u_j - mean_u)) / s0; squared, these add up.
        tilt = np.where(tilts, away / variance, 0.0)
        squares = q0 + 2 * tilt * (qu - mean_u * q0)
        squares += tilt**2 * (quu - 2 * mean_u * qu + mean_u**2 * q0)
        spread = np.sqrt(np.maximum(squares, 0.0)) / s0
    value = centre + mean_v + slope * away
    return LocalLine(nodes, value, slope, spread)


def smooth(lr: FloatArray, loss: FloatArray, *, width: float = 0.25) -> FloatArray:
    r"""Smooth `loss` over log10 LR with a local straight line: no lag, lines stay as they are.

    At each LR x_i = log10(lr_i) the result is the value at x_i of the line fitted by least squares
    with weights

        w_j = exp(-((x_j - x_i) / width)^2 / 2)

    over every finite loss_j, of every pass (the distances in w rounded to a twelfth of `width`). An
    exponential moving average of 0.98 over 8 decades in 100 steps lags by 1.6 decades; this has no
    phase at all. Linear in n.

    Args:
        lr: (n,) learning rates, above zero, in any order.
        loss: (n,) losses; non-finite ones are left out and smoothed to NaN.
        width: standard deviation of the weights, in decades, above zero.

    Returns:
        (n,) smoothed losses.

    References:
        Cleveland, "Robust locally weighted regression and smoothing scatterplots", JASA 1979.

    >>> smooth(np.array([1e-3, 1e-2, 1e-1]), np.array([1.0, 1.0, 1.0])).tolist()
    [1.0, 1.0, 1.0]
    """
    positive(width=width)
    finite = np.isfinite(loss)
    out = np.full(len(loss), np.nan)
    if not finite.any():
        return out
    x = np.log10(lr[finite])
    fitted = local_line(x, loss[finite], width=width)
    # Each point lies within half a bin of a node that sees it: follow that node's own line to it.
    step = width / _BINS_PER_WIDTH
    nearest = np.minimum(np.rint((x - fitted.x[0]) / step).astype(np.int64), len(fitted.x) - 1)
    out[finite] = fitted.value[nearest] + fitted.slope[nearest] * (x - fitted.x[nearest])
    return out
