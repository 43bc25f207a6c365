"""Zero-phase smoothing of a loss over log LR."""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from lrtool._check import positive

__all__ = ["smooth"]

FloatArray: TypeAlias = npt.NDArray[np.float64]


def smooth(lr: FloatArray, loss: FloatArray, *, width: float = 0.25) -> FloatArray:
    r"""Smooth `loss` over log10 LR with a local straight line: no lag, constants and lines unchanged.

    At each LR x_i = log10(lr_i) the result is the value at x_i of the line fitted by least squares
    with weights

        w_j = exp(-((x_j - x_i) / width)^2 / 2)

    over every finite loss_j, of every pass. An exponential moving average of 0.98 over 8 decades in
    100 steps lags by 1.6 decades; this has no phase at all.

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
    x, y = np.log10(lr[finite]), loss[finite]
    # Centred on its own median a constant loss stays exact and large offsets cost no digits.
    centre = float(np.median(y))
    distance = x[None, :] - x[:, None]
    weight = np.exp(-0.5 * (distance / width) ** 2)
    s0, s1, s2 = (np.sum(weight * distance**power, axis=1) for power in range(3))
    t0, t1 = (np.sum(weight * distance**power * (y - centre), axis=1) for power in range(2))
    determinant = s0 * s2 - s1**2
    lonely = determinant <= 1e-12 * s0 * s2 + 1e-300
    line = (s2 * t0 - s1 * t1) / np.where(lonely, 1.0, determinant)
    out[finite] = centre + np.where(lonely, t0 / s0, line)
    return out
