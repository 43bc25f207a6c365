"""What to draw of a curve, whatever it is drawn with."""

import numpy as np

from lrtool.curve import FloatArray, LossCurve

__all__ = ["gapped", "line", "pieces", "window"]


def pieces(curve: LossCurve) -> list[tuple[FloatArray, FloatArray]]:
    """The smoothed loss at each distinct rate, from low to high, cut where another range begins.

    Where ranges overlap the last one speaks: it is the finest, and the pick was read off it. Ranges
    are swept at different paces, so that their losses do not meet: a line across the cut would show
    a jump that nobody measured.
    """
    finite = np.isfinite(curve.smoothed)
    if not finite.any():
        return []
    last = finite & (curve.range_index == curve.range_index[finite][-1])
    low, high = curve.lr[last].min(), curve.lr[last].max()
    found = []
    for part in (finite & ~last & (curve.lr < low), last, finite & ~last & (curve.lr > high)):
        lr, first = np.unique(curve.lr[part], return_index=True)
        if len(lr):
            found.append((lr, curve.smoothed[part][first]))
    return found


def line(curve: LossCurve) -> tuple[FloatArray, FloatArray]:
    """The pieces, end to end."""
    found = pieces(curve)
    if not found:
        return np.empty(0), np.empty(0)
    lr, loss = zip(*found, strict=True)
    return np.concatenate(lr), np.concatenate(loss)


def gapped(curve: LossCurve) -> tuple[FloatArray, FloatArray]:
    """The pieces, a NaN between them: one line with gaps, for matplotlib and plotly."""
    lr, loss = line(curve)
    cuts = np.cumsum([len(rates) for rates, _ in pieces(curve)])[:-1].astype(int)
    return np.insert(lr, cuts, np.nan), np.insert(loss, cuts, np.nan)


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
