"""The curve to hover over."""

import numpy as np
import pytest

from lrtool.curve import LossCurve
from lrtool.errors import MissingDependencyError
from lrtool.plotting import interactive_range_test
from lrtool.result import RangeTestResult
from support.results import a_result, a_suggestion, no_pick, nothing_finite


def test_every_loss_can_be_hovered_over() -> None:
    pytest.importorskip("plotly", reason="plotly is not installed")
    result = a_result()
    figure = interactive_range_test(result, theme="dark")
    points, line = figure.data
    assert np.array_equal(points.x, result.curve.lr)
    assert np.array_equal(points.y, result.curve.loss)
    assert points.customdata[:, 0].tolist() == list(range(81))
    assert np.array_equal(line.y, result.curve.smoothed)
    marked = sorted(shape.x0 for shape in figure.layout.shapes if shape.type == "line")
    assert marked == pytest.approx([1e-4, 1e-3, 1e-2])


def test_the_line_has_gaps_between_ranges() -> None:
    pytest.importorskip("plotly", reason="plotly is not installed")
    wide, fine = np.geomspace(1e-6, 1, 30), np.geomspace(1e-4, 1e-2, 40)
    losses = np.repeat([2.0, 1.0], [30, 40])
    curve = LossCurve(np.concatenate([wide, fine]), losses, passes=np.repeat([0, 1], [30, 40]))
    line = interactive_range_test(RangeTestResult(curve, a_suggestion())).data[1]
    assert np.isnan(line.y).sum() == 2
    assert np.array_equal(np.isnan(line.x), np.isnan(line.y))
    assert not line.connectgaps


@pytest.mark.parametrize("result", [no_pick(), nothing_finite()], ids=["flat", "nan"])
def test_without_a_pick_nothing_is_marked(result: RangeTestResult) -> None:
    pytest.importorskip("plotly", reason="plotly is not installed")
    assert not interactive_range_test(result).layout.shapes


def test_without_plotly_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "plotly.graph_objects", None)
    with pytest.raises(MissingDependencyError, match=r"lrtool\[notebook\]"):
        interactive_range_test(a_result())
