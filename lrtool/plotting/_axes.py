"""What every picture needs: sizes that follow the Axes, axes in decades, text that stays text."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from lrtool.plotting.style import ink

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

    from lrtool.curve import FloatArray

__all__ = ["fit_text", "is_small", "legend", "log_rate_axis", "plain", "spread", "width_inches"]


def width_inches(ax: "Axes") -> float:
    """How wide the whole figure is per column of Axes, which decides what fits."""
    figure = ax.get_figure()
    width = 6.4 if figure is None else float(figure.bbox.width / figure.dpi)
    spec = ax.get_subplotspec()
    return width if spec is None else width / spec.get_gridspec().ncols


def is_small(ax: "Axes") -> bool:
    """Whether labels beside the data would collide: drop them, keep the data."""
    return width_inches(ax) < 3.4


def fit_text(ax: "Axes") -> None:
    """Bring axis and tick labels to a size that suits the Axes."""
    if not is_small(ax):
        return
    ax.tick_params(labelsize=7, length=2, pad=2)
    ax.xaxis.label.set_fontsize(7.5)
    ax.yaxis.label.set_fontsize(7.5)
    ax.title.set_fontsize(8)


def legend(
    ax: "Axes",
    loc: Literal["best", "lower left", "upper left"] = "best",
    handles: "Sequence[Artist] | None" = None,
) -> None:
    """A legend in the house style, also on Axes made elsewhere; none where there is no room.

    Args:
        ax: where; a legend it has already stays.
        loc: which corner.
        handles: what to list; by default all that has a label.
    """
    listed = ax.get_legend_handles_labels()[0] if handles is None else handles
    if not listed or width_inches(ax) <= 4.4:
        return
    before = ax.get_legend()
    columns = 2 if loc == "upper left" and len(listed) > 3 else 1  # above a curve: wide, flat
    ax.legend(
        handles=listed, loc=loc, frameon=False, fontsize=8.5, labelcolor=ink(ax).text, ncols=columns
    )
    if before is not None:
        ax.add_artist(before)


def log_rate_axis(ax: "Axes", low: float, high: float, *, which: str = "x") -> None:
    """A logarithmic LR axis from `low` to `high` with a tick at powers of ten."""
    from matplotlib.ticker import LogFormatterSciNotation, LogLocator, NullFormatter

    axis = ax.xaxis if which == "x" else ax.yaxis
    (ax.set_xscale if which == "x" else ax.set_yscale)("log")
    if low < high:
        margin = (high / low) ** 0.02
        (ax.set_xlim if which == "x" else ax.set_ylim)(low / margin, high * margin)
    most = 4 if is_small(ax) else 8
    axis.set_major_locator(LogLocator(base=10, numticks=most))
    axis.set_minor_locator(LogLocator(base=10, subs=list(range(2, 10)), numticks=12))
    narrow = low > 0 and np.log10(high / low) < 1.5
    formatter = LogFormatterSciNotation(base=10, minor_thresholds=(2, 0.6))
    axis.set_major_formatter(formatter)
    axis.set_minor_formatter(formatter if narrow else NullFormatter())


def spread(ax: "Axes", values: "FloatArray") -> None:
    """A logarithmic scale where the worst values would flatten the good ones."""
    values = values[np.isfinite(values)]
    if len(values) and values.min() > 0 and values.max() > 10 * values.min():
        ax.set_yscale("log")


def plain(text: object) -> str:
    """`text` drawn as it stands: a dollar sign in a user's name is not mathematics."""
    return str(text).replace("\\", "\\\\").replace("$", r"\$")
