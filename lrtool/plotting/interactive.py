"""The range test as a plotly figure: hover over a point to read its rate, loss and pass."""

from typing import TYPE_CHECKING, Any

import numpy as np

from lrtool._optional import optional_import
from lrtool.plotting._data import gapped, line, window
from lrtool.plotting.style import palette_of

if TYPE_CHECKING:
    from lrtool.plotting.style import Theme
    from lrtool.result import RangeTestResult

__all__ = ["interactive_range_test"]


def interactive_range_test(result: "RangeTestResult", *, theme: "Theme" = "light") -> Any:
    """Draw a range test to zoom into and to hover over, for notebooks.

    Args:
        result: a finished range test.
        theme: "light" or "dark".

    Returns:
        A `plotly.graph_objects.Figure`; it shows itself as the last value of a cell.

    Raises:
        MissingDependencyError: when plotly is not installed.
    """
    go = optional_import("plotly.graph_objects", extra="notebook", purpose="an interactive curve")
    palette, curve = palette_of(theme), result.curve
    lr, smoothed = gapped(curve)
    assert curve.passes is not None
    figure = go.Figure()
    figure.add_scatter(
        x=curve.lr, y=curve.loss, customdata=np.stack([np.arange(len(curve)), curve.passes], 1),
        mode="markers", marker={"size": 5, "color": palette.faint, "opacity": 0.6},
        name="measured",
        hovertemplate="step %{customdata[0]}, pass %{customdata[1]}<br>lr %{x:.3g}<br>"
        "loss %{y:.4g}<extra></extra>",
    )  # fmt: skip
    figure.add_scatter(
        x=lr, y=smoothed, mode="lines", line={"color": palette.curve, "width": 2.5},
        name="smoothed", hovertemplate="lr %{x:.3g}<br>smoothed %{y:.4g}<extra></extra>",
    )  # fmt: skip
    if result.suggestion.has_pick:
        _mark(figure, result, palette)
    if len(lr):
        figure.update_yaxes(range=window(curve, line(curve)[1]))
    figure.update_xaxes(type="log", title="learning rate", dtick=1, exponentformat="power")
    figure.update_yaxes(title=result.context.get("loss", "training loss"), gridcolor=palette.grid)
    figure.update_layout(
        paper_bgcolor=palette.paper, plot_bgcolor=palette.paper, font_color=palette.text,
        xaxis_gridcolor=palette.grid, margin={"l": 50, "r": 20, "t": 40, "b": 50}, height=380,
        legend={"orientation": "h", "y": 1.12},
    )  # fmt: skip
    return figure


def _mark(figure: Any, result: "RangeTestResult", palette: Any) -> None:
    low, high = result.suggestion.interval
    figure.add_vrect(low, high, fillcolor=palette.band, opacity=0.2, line_width=0)
    rates = {"min": result.min_lr, "lr": result.lr, "max": result.max_lr}
    for name, rate in rates.items():
        figure.add_vline(
            rate, line_color=palette.pick, line_width=2 if name == "lr" else 1,
            line_dash="solid" if name == "lr" else "dash",
            annotation_text=f"{name} {rate:.2g}", annotation_textangle=-90,
        )  # fmt: skip
