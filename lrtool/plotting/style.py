"""One look for every picture: colours that survive colour blindness, on light and dark ground."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from lrtool._check import one_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Palette", "Theme", "ink", "new_axes", "new_figure", "palette_of", "style"]

Theme = Literal["light", "dark"]


@dataclass(frozen=True)
class Palette:
    """Colours by role, from Okabe and Ito's set, which the common colour blindnesses tell apart."""

    paper: str
    text: str
    faint: str
    grid: str
    series: tuple[str, ...]

    @property
    def curve(self) -> str:
        """The main line."""
        return self.series[0]

    @property
    def pick(self) -> str:
        """What lrtool suggests."""
        return self.series[1]

    @property
    def band(self) -> str:
        """An interval around the pick."""
        return self.series[2]


_LIGHT = Palette(
    paper="#ffffff",
    text="#1d2530",
    faint="#8b95a3",
    grid="#e4e8ee",
    series=("#0072B2", "#D55E00", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#5b6470"),
)
_DARK = Palette(
    paper="#14181f",
    text="#e8ecf2",
    faint="#7d8796",
    grid="#2b323d",
    series=("#56B4E9", "#FF8A3D", "#F0C04A", "#2FC79A", "#E39BC4", "#8FD0F5", "#a9b3c1"),
)
_PALETTES: dict[str, Palette] = {"light": _LIGHT, "dark": _DARK}


@contextmanager
def style(theme: Theme = "light") -> Iterator[Palette]:
    """Draw in lrtool's style inside the `with` block; matplotlib's settings are put back after.

    Args:
        theme: "light" or "dark".

    >>> with style("dark") as palette:
    ...     palette.paper
    '#14181f'
    """
    import matplotlib as mpl

    palette = palette_of(theme)
    with mpl.rc_context(_settings(palette)):
        yield palette


def palette_of(theme: Theme) -> Palette:
    """The colours of a theme.

    Raises:
        ArgumentError: when there is no such theme.
    """
    one_of("theme", theme, _PALETTES)
    return _PALETTES[theme]


def ink(ax: "Axes") -> Palette:
    """The palette that reads on `ax`: chosen by how bright its ground is, whoever made it."""
    from matplotlib.colors import to_rgba

    red, green, blue, alpha = to_rgba(ax.get_facecolor())
    if alpha == 0:
        return _LIGHT
    return _LIGHT if 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.5 else _DARK


def new_figure(size: tuple[float, float]) -> "Figure":
    """A figure that pyplot does not know of: nothing to close, nothing shown."""
    from matplotlib.figure import Figure

    return Figure(figsize=size, layout="constrained")


def new_axes(size: tuple[float, float] = (6.4, 4.0)) -> "Axes":
    """One Axes on a new pyplot figure (so that notebooks show it), in the light style."""
    from matplotlib import pyplot as plt

    with style():
        _, ax = plt.subplots(figsize=size, layout="constrained")
    return ax


def _settings(palette: Palette) -> Any:
    from cycler import cycler

    return {
        "axes.axisbelow": True,
        "axes.edgecolor": palette.faint,
        "axes.facecolor": palette.paper,
        "axes.grid": True,
        "axes.labelcolor": palette.text,
        "axes.labelsize": 10,
        "axes.linewidth": 0.8,
        "axes.prop_cycle": cycler(color=palette.series),
        "axes.spines.right": False,
        "axes.spines.top": False,
        "axes.titlecolor": palette.text,
        "axes.titlelocation": "left",
        "axes.titlesize": 11,
        "axes.titleweight": "bold",
        "figure.dpi": 110,
        "figure.facecolor": palette.paper,
        "font.family": "DejaVu Sans",  # comes with matplotlib, so every machine draws the same
        "font.size": 10,
        "grid.color": palette.grid,
        "grid.linewidth": 0.8,
        "legend.fontsize": 9,
        "legend.frameon": False,
        "lines.linewidth": 1.8,
        "lines.solid_capstyle": "round",
        "savefig.facecolor": palette.paper,
        "svg.fonttype": "path",
        "svg.hashsalt": "lrtool",
        "text.color": palette.text,
        "xtick.color": palette.text,
        "xtick.labelsize": 9,
        "ytick.color": palette.text,
        "ytick.labelsize": 9,
    }
