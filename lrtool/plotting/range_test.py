"""The range test as a picture: losses over log LR, smoothed curve, slope, marked rates."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from lrtool.curve import FloatArray, LossCurve
from lrtool.plotting._axes import fit_text, is_small, legend, log_rate_axis, plain
from lrtool.plotting._data import gapped, line, pieces, window
from lrtool.plotting.style import Palette, ink, new_axes
from lrtool.types import StopReason

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from lrtool.result import RangeTestResult
    from lrtool.suggest import Suggestion

__all__ = ["plot_range_test", "plot_range_tests", "plot_slope", "plot_suggestions"]


# Beside colours, which a printer may not have: line styles and marks, each its own for 7 lines.
_DASHES = ("-", (0, (6, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)), (0, (3, 1)), (0, (9, 4)),
           (0, (3, 1, 1, 1, 1, 1)))  # fmt: skip
_MARKS = ("o", "s", "^", "D", "v", "P", "X")


def plot_range_test(
    result: "RangeTestResult | LossCurve",
    ax: "Axes | None" = None,
    *,
    suggestions: "Mapping[str, Suggestion] | None" = None,
) -> "Axes":
    """Draw a range test: raw losses, the smoothed curve, and the rates read off it.

    Losses far above the start are drawn as arrows on the upper edge, so that the divergence does
    not flatten the descent that matters.

    Args:
        result: a finished range test, or a bare LossCurve (drawn without marks).
        ax: where to draw; None makes a new figure.
        suggestions: name -> another suggestion to mark on the curve, as in
            `result.compare().suggestions`.

    Returns:
        The Axes.
    """
    ax = new_axes() if ax is None else ax
    palette = ink(ax)
    curve = result if isinstance(result, LossCurve) else result.curve
    if not np.isfinite(curve.loss).any():
        return _nothing(ax, palette, "no finite loss was measured")
    _draw_losses(ax, curve, palette)
    if not isinstance(result, LossCurve) and result.suggestion.has_pick:
        _mark_rates(ax, result.suggestion, palette, named=not suggestions)
    _mark_divergence(ax, curve, palette)
    log_rate_axis(ax, float(curve.lr.min()), float(curve.lr.max()))
    ax.set_xlabel("learning rate")
    ax.set_ylabel(_loss_name([result]))
    legend(ax, loc="lower left")
    if suggestions:
        legend(ax, "upper left", _mark_suggestions(ax, curve, suggestions, palette))
    fit_text(ax)
    return ax


def plot_slope(result: "RangeTestResult | LossCurve", ax: "Axes | None" = None) -> "Axes":
    """Draw the slope of the smoothed loss, d loss / d log10(LR): lowest where loss falls fastest.

    Args:
        result: a finished range test, or a bare LossCurve.
        ax: where to draw; None makes a new figure.

    Returns:
        The Axes.
    """
    ax = new_axes((6.4, 2.2)) if ax is None else ax
    palette = ink(ax)
    curve = result if isinstance(result, LossCurve) else result.curve
    slopes = [_slope(lr, loss) for lr, loss in pieces(curve) if len(lr) > 2]
    if not slopes:
        return _nothing(ax, palette, "too few losses for a slope")
    ax.axhline(0, color=palette.faint, linewidth=0.8)
    if not isinstance(result, LossCurve) and result.suggestion.has_pick:
        ax.axvspan(*result.suggestion.interval, color=palette.band, alpha=0.22, linewidth=0)
        ax.axvline(result.lr, color=palette.pick)
    for index, (lr, slope) in enumerate(slopes):
        ax.plot(lr, slope, color=palette.series[3], label=None if index else "slope")
    falling = min(float(np.min(slope)) for _, slope in slopes)
    reach = max(abs(falling), 1e-12)
    ax.set_ylim(-1.15 * reach, 1.15 * reach)
    log_rate_axis(ax, float(curve.lr.min()), float(curve.lr.max()))
    ax.set_xlabel("learning rate")
    ax.set_ylabel("slope" if is_small(ax) else "loss per decade")
    fit_text(ax)
    return ax


def plot_suggestions(suggestions: "Mapping[str, Suggestion]", ax: "Axes | None" = None) -> "Axes":
    """Draw several suggestions under each other: the rate as a dot, its interval as a bar.

    Args:
        suggestions: name to Suggestion, drawn from top to bottom in this order.
        ax: where to draw; None makes a new figure.

    Returns:
        The Axes.
    """
    ax = new_axes((6.4, 0.9 + 0.36 * max(len(suggestions), 1))) if ax is None else ax
    palette = ink(ax)
    picked = {name: item for name, item in suggestions.items() if item.has_pick}
    for row, item in enumerate(suggestions.values()):
        if not item.has_pick:
            ax.text(
                0.01, row, f"no pick: {item.status.value}", color=palette.faint, fontsize=8,
                va="center", transform=ax.get_yaxis_transform(),
            )  # fmt: skip
            continue
        ax.plot(item.interval, (row, row), color=palette.band, linewidth=6, alpha=0.55)
        ax.plot(item.lr, row, "o", color=palette.pick, markersize=7)
    ax.set_yticks(range(len(suggestions)), [plain(name) for name in suggestions])
    ax.set_ylim(len(suggestions) - 0.4, -0.6)
    rates = [rate for item in picked.values() for rate in (*item.interval, item.lr)]
    if rates:
        log_rate_axis(ax, min(rates) / 2, max(rates) * 2)
    ax.set_xlabel("learning rate")
    fit_text(ax)
    return ax


def plot_range_tests(results: "Mapping[str, RangeTestResult]", ax: "Axes | None" = None) -> "Axes":
    """Overlay several range tests: one smoothed curve each, its rate a mark on it.

    Args:
        results: name to finished range test; those without a finite loss are left out.
        ax: where to draw; None makes a new figure.

    Returns:
        The Axes.
    """
    ax = new_axes() if ax is None else ax
    palette = ink(ax)
    shown = {n: r for n, r in results.items() if np.isfinite(r.curve.loss).any()}
    if not shown:
        return _nothing(ax, palette, "no range test to draw")
    lows, highs = [], []
    handles: list[Any] = []
    for index, (name, result) in enumerate(shown.items()):
        look = _look(index, palette)
        low, high = window(result.curve, line(result.curve)[1])
        lows.append(low)
        highs.append(high)
        ax.plot(*gapped(result.curve), color=look["color"], linestyle=look["linestyle"],
                label=plain(name))  # fmt: skip
        picked = result.suggestion.has_pick
        if picked:
            ax.plot(
                result.lr, _height(result.curve, result.lr), color=look["color"],
                marker=look["marker"], markeredgecolor=palette.paper, markersize=8, zorder=3,
            )  # fmt: skip
        handles += ax.plot(
            [], [], **{**look, "marker": look["marker"] if picked else ""},
            label=f"{plain(name)}: lr {result.lr:.2g}" if picked else f"{plain(name)}: no pick",
        )  # fmt: skip
    ax.set_ylim(min(lows), max(highs))
    rates = [rate for one in shown.values() for rate in (one.curve.lr.min(), one.curve.lr.max())]
    log_rate_axis(ax, float(min(rates)), float(max(rates)))
    ax.set_xlabel("learning rate")
    ax.set_ylabel(_loss_name(shown.values()))
    legend(ax, "best", handles)
    fit_text(ax)
    return ax


def _loss_name(results: "Iterable[RangeTestResult | LossCurve]") -> str:
    """What the curves show; a bare curve does not know."""
    names = {getattr(one, "context", {}).get("loss", "training loss") for one in results}
    return str(names.pop()) if len(names) == 1 else "loss"


def _look(index: int, palette: Palette) -> dict[str, Any]:
    """How the line number `index` is told from the others, in black and white too."""
    return {
        "color": palette.series[index % len(palette.series)],
        "linestyle": _DASHES[index % len(_DASHES)],
        "marker": _MARKS[index % len(_MARKS)],
    }


def _height(curve: LossCurve, rate: float) -> float:
    """The smoothed loss at `rate`."""
    lr, loss = line(curve)
    return float(np.interp(np.log(rate), np.log(lr), loss))


def _slope(lr: FloatArray, loss: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Slope over log10(LR), on an even grid: between two all but equal rates it would be noise."""
    decades = np.linspace(np.log10(lr[0]), np.log10(lr[-1]), min(200, len(lr)))
    return 10**decades, np.gradient(np.interp(decades, np.log10(lr), loss), decades)


def _draw_losses(ax: "Axes", curve: LossCurve, palette: Palette) -> None:
    low, high = window(curve, line(curve)[1])
    shown = np.isfinite(curve.loss) & (curve.loss <= high)
    size = 5 if is_small(ax) else 12
    assert curve.passes is not None
    passes = np.unique(curve.passes)
    for index in passes:
        one = shown & (curve.passes == index)
        # Earlier passes stand back: the last one is the finest.
        last = index == passes[-1]
        ax.scatter(
            curve.lr[one], curve.loss[one], s=size, alpha=0.6, linewidths=0 if last else 0.8,
            facecolors=palette.faint if last else "none", edgecolors=palette.faint,
            label="measured" if len(passes) == 1 else f"pass {index + 1}",
        )  # fmt: skip
    above = ~shown
    if above.any():
        ax.scatter(
            curve.lr[above], np.full(int(above.sum()), high), s=2.5 * size, marker="^",
            color=palette.pick, linewidths=0, clip_on=False, label="off the scale", zorder=3,
        )  # fmt: skip
    for index, (lr, smoothed) in enumerate(pieces(curve)):
        ax.plot(lr, smoothed, color=palette.curve, linewidth=1.4 if is_small(ax) else 2.2,
                label=None if index else "smoothed")  # fmt: skip
    ax.set_ylim(low, high)


def _mark_rates(
    ax: "Axes", suggestion: "Suggestion", palette: Palette, *, named: bool = True
) -> None:
    """The three rates as lines; named beside them, or, where a legend needs the place, in it."""
    low, high = suggestion.interval
    small = is_small(ax)
    ax.axvspan(low, high, color=palette.band, alpha=0.22, linewidth=0, label="80% interval")
    ax.axvline(suggestion.lr, color=palette.pick, linewidth=1.2 if small else 1.8, label="lr")
    marks = [("min", suggestion.min_lr), ("lr", suggestion.lr), ("max", suggestion.max_lr)]
    for name, rate in marks:
        if name != "lr":
            label = "min, max" if name == "min" and not named else None
            dashes = (0, (3, 2))
            ax.axvline(rate, color=palette.pick, linewidth=1, linestyle=dashes, label=label)
    if small or not named:
        return
    # Names stand at different heights, so that rates close to each other stay readable.
    for height, (name, rate) in zip((0.79, 0.86, 0.93), marks, strict=True):
        ax.annotate(
            f"{name} {rate:.2g}", (rate, height), xycoords=ax.get_xaxis_transform(),
            xytext=(4, 0), textcoords="offset points", color=palette.text, fontsize=8.5,
            bbox={"boxstyle": "round,pad=0.15", "fc": palette.paper, "ec": "none", "alpha": 0.8},
        )  # fmt: skip


def _mark_suggestions(
    ax: "Axes", curve: LossCurve, suggestions: "Mapping[str, Suggestion]", palette: Palette
) -> list[Any]:
    """A mark of its own for each on the smoothed curve; what a legend lists."""
    handles = []
    for index, (name, found) in enumerate(suggestions.items()):
        if found.has_pick:
            look: dict[str, Any] = {
                "marker": _MARKS[index % len(_MARKS)], "linestyle": "none", "markersize": 7,
                "markerfacecolor": palette.paper, "markeredgecolor": palette.text,
                "markeredgewidth": 1.4, "zorder": 4,
            }  # fmt: skip
            ax.plot(found.lr, _height(curve, found.lr), **look)
            handles += ax.plot([], [], label=f"{plain(name)} {found.lr:.2g}", **look)
    return handles


def _mark_divergence(ax: "Axes", curve: LossCurve, palette: Palette) -> None:
    if curve.stop_reason not in {StopReason.DIVERGED, StopReason.NONFINITE}:
        return
    last = float(curve.lr.max())
    ax.axvline(last, color=palette.faint, linewidth=1, linestyle=":")
    if not is_small(ax):
        word = "diverged" if curve.stop_reason is StopReason.DIVERGED else "not finite"
        ax.annotate(
            word, (last, 0.5), xycoords=ax.get_xaxis_transform(), xytext=(-3, 0),
            textcoords="offset points", rotation=90, ha="right", va="center", fontsize=8,
            color=palette.faint,
        )  # fmt: skip


def _nothing(ax: "Axes", palette: Palette, why: str) -> "Axes":
    ax.text(0.5, 0.5, why, ha="center", va="center", color=palette.faint, transform=ax.transAxes)
    ax.set_xticks([])
    ax.set_yticks([])
    return ax
