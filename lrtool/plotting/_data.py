"""What to draw of a curve, whatever it is drawn with."""

import numpy as np

from lrtool.curve import FloatArray, LossCurve

__all__ = ["line", "window"]


def line(curve: LossCurve) -> tuple[FloatArray, FloatArray]:
    """The smoothed loss at each distinct rate, from low to high.

    Where ranges overlap the last one speaks: it is the finest, and the pick was read off it.
    """
    finite = np.isfinite(curve.smoothed)
    if finite.any():
        last = finite & (curve.range_index == curve.range_index[finite][-1])
        low, high = curve.lr[last].min(), curve.lr[last].max()
        finite &= last | (curve.lr < low) | (curve.lr > high)
    lr, first = np.unique(curve.lr[finite], return_index=True)
    return lr, curve.smoothed[finite][first]


def window(curve: LossCurve, smoothed: FloatArray) -> tuple[float, float]:
    """The losses worth showing: the whole descent, and about as much above where it began.

    Without it the divergence, often a hundred times the start, flattens everything that matters.
    """
    finite = curve.loss[np.isfinite(curve.loss)]
    start = float(np.median(finite[: max(3, len(finite) // 10)]))
    low = float(min(np.min(smoothed), np.percentile(finite, 2)))
    drop = max(start - low, 0.05 * abs(start), 1e-12)
    top = min(float(np.max(finite)), start + 0.6 * drop)
    top = max(top, start + 0.1 * drop)
    bottom = low - 0.08 * drop
    return (max(bottom, 0.0) if finite.min() >= 0 else bottom), top + 0.05 * drop
