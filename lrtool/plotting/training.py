"""Training curves: a metric over steps or epochs, one line a run."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from lrtool._check import one_of
from lrtool.plotting._axes import fit_text, legend, plain, spread
from lrtool.plotting.style import ink, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_curves"]


def plot_curves(
    curves: Mapping[str, Sequence[tuple[float, float]]],
    ax: "Axes | None" = None,
    *,
    mode: Literal["min", "max"] | None = None,
    xlabel: str = "optimizer step",
    ylabel: str = "",
) -> "Axes":
    """Draw one line a run, and mark each run's best value.

    Args:
        curves: name to (x, value) pairs, in the order they were measured.
        ax: where to draw; None makes a new figure.
        mode: whether the best value is the lowest or the highest; None marks none.
        xlabel: what x counts.
        ylabel: the metric's name.

    Returns:
        The Axes.
    """
    one_of("mode", str(mode), ("min", "max", "None"))
    ax = new_axes((6.4, 3.4)) if ax is None else ax
    palette = ink(ax)
    for index, (name, points) in enumerate(curves.items()):
        if not len(points):
            continue
        x, y = np.array(points, dtype=float).T
        colour = palette.series[index % len(palette.series)]
        ax.plot(x, y, color=colour, label=plain(name), marker="o", markersize=2.5)
        if mode is not None and np.isfinite(y).any():
            best = int(np.nanargmin(y) if mode == "min" else np.nanargmax(y))
            ax.plot(x[best], y[best], "o", markersize=8, markerfacecolor="none", color=colour)
    spread(ax, np.array([value for points in curves.values() for _, value in points], dtype=float))
    ax.set_xlabel(xlabel)
    ax.set_ylabel(plain(ylabel))
    legend(ax)
    fit_text(ax)
    return ax
