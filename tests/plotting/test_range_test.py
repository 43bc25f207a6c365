"""What stands on the picture of a range test, read back from its artists."""

from io import BytesIO

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend

from lrtool.curve import LossCurve
from lrtool.plotting import plot_range_test, plot_range_tests, plot_slope, plot_suggestions, style
from lrtool.plotting.style import ink
from lrtool.result import RangeTestResult
from lrtool.suggest import Suggestion
from lrtool.types import Status, StopReason
from support.results import a_curve, a_result, a_suggestion, no_pick, nothing_finite


def an_ax(size: tuple[float, float] = (6.4, 4.0)) -> Axes:
    return Figure(figsize=size).subplots()


def drawn(ax: Axes) -> None:
    """Render: what cannot be drawn fails here."""
    figure = ax.get_figure()
    assert isinstance(figure, Figure)
    figure.savefig(BytesIO(), format="png")


def uprights(ax: Axes) -> list[float]:
    """Where lines stand upright over the whole height."""
    lines = (np.asarray(line.get_xdata(), dtype=float) for line in ax.get_lines())
    return sorted(float(x[0]) for x in lines if len(x) == 2 and x[0] == x[1])


def words(ax: Axes) -> str:
    return " ".join(text.get_text() for text in ax.texts)


def test_marks_stand_at_the_rates() -> None:
    ax = plot_range_test(a_result(), an_ax())
    drawn(ax)
    assert uprights(ax) == pytest.approx([1e-4, 1e-3, 1e-2, 1.0])  # the last one: divergence
    assert "lr 0.001" in words(ax)
    assert "max 0.01" in words(ax)
    assert "diverged" in words(ax)


def test_the_interval_is_a_band() -> None:
    ax = plot_range_test(a_result(), an_ax())
    band = next(patch for patch in ax.patches if patch.get_label() == "80% interval")
    box = band.get_path().get_extents(band.get_patch_transform())
    assert (box.x0, box.x1) == pytest.approx((5e-4, 5e-3))


def test_every_finite_loss_is_drawn_and_divergence_does_not_flatten_the_descent() -> None:
    result = a_result()
    ax = plot_range_test(result, an_ax())
    points = np.concatenate([np.asarray(c.get_offsets()) for c in ax.collections])
    assert sorted(points[:, 0]) == pytest.approx(sorted(result.curve.lr))
    low, high = ax.get_ylim()
    assert low <= 0.5
    assert 2.0 < high < 4.0
    above = result.curve.loss > high
    assert above.any()
    assert points[np.isin(points[:, 0], result.curve.lr[above]), 1] == pytest.approx(high)


def test_the_smoothed_line_is_the_curve_s() -> None:
    result = a_result()
    ax = plot_range_test(result, an_ax())
    line = next(line for line in ax.get_lines() if line.get_label() == "smoothed")
    assert np.array_equal(np.asarray(line.get_ydata()), result.curve.smoothed)


def two_ranges() -> LossCurve:
    """A flat loss of 2 over a wide range, then of 1 over a finer one inside it."""
    wide, fine = np.geomspace(1e-6, 1, 30), np.geomspace(1e-4, 1e-2, 40)
    return LossCurve(
        np.concatenate([wide, fine]),
        np.concatenate([np.full(30, 2.0), np.full(40, 1.0)]),
        passes=np.repeat([0, 1], [30, 40]),
    )


def test_no_line_crosses_from_one_range_to_the_next() -> None:
    curve = two_ranges()
    ax = plot_range_test(curve, an_ax())
    lines = [np.asarray(line.get_ydata(), dtype=float) for line in ax.lines]
    assert sorted(np.ptp(y) < 1e-9 and round(y[0], 6) for y in lines if len(y) > 2) == [1, 2, 2]
    slopes = [np.asarray(line.get_ydata(), dtype=float) for line in plot_slope(curve).lines]
    assert max(np.max(np.abs(slope)) for slope in slopes) < 1e-6


def test_ticks_are_powers_of_ten() -> None:
    ax = plot_range_test(a_result(), an_ax())
    ticks = np.log10(ax.get_xticks())
    assert np.allclose(ticks, ticks.round())
    assert ax.get_xscale() == "log"


def test_a_bare_curve_has_no_marks() -> None:
    ax = plot_range_test(a_curve(StopReason.COMPLETED), an_ax())
    drawn(ax)
    assert uprights(ax) == []


@pytest.mark.parametrize("result", [no_pick(), nothing_finite()], ids=["flat", "nan"])
def test_without_a_pick_nothing_is_marked(result: RangeTestResult) -> None:
    for plot in (plot_range_test, plot_slope):
        ax = plot(result, an_ax())
        drawn(ax)
        assert not [x for x in uprights(ax) if x < result.curve.lr[-1]]


def test_small_axes_drop_the_words_and_keep_the_marks() -> None:
    ax = plot_range_test(a_result(), an_ax((2, 2)))
    drawn(ax)
    assert words(ax) == ""
    assert ax.get_legend() is None
    assert len(uprights(ax)) == 4
    labels = [t.label1 for t in ax.xaxis.get_major_ticks() if t.label1.get_text()]
    assert 2 <= len(labels) <= 6


def test_no_two_words_overlap_on_a_slide() -> None:
    ax = plot_range_test(a_result(), an_ax((6.4, 4.0)))
    drawn(ax)
    boxes = [text.get_window_extent() for text in ax.texts]
    overlaps = [(a, b) for i, a in enumerate(boxes) for b in boxes[:i] if a.overlaps(b)]
    assert not overlaps


@pytest.mark.parametrize("size", [(6.4, 4.2), (4.5, 3.0)])
def test_no_two_words_overlap_where_every_suggester_is_named(size: tuple[float, float]) -> None:
    result = a_result()
    ax = plot_range_test(result, an_ax(size), suggestions=result.compare().suggestions)
    drawn(ax)
    legends = ax.findobj(Legend)
    texts = [text for one in legends for text in one.get_texts()] + list(ax.texts)
    assert {"min, max", "lr"} < {text.get_text() for text in texts}
    boxes = [text.get_window_extent() for text in texts if text.get_text() != "diverged"]
    overlaps = [(a, b) for i, a in enumerate(boxes) for b in boxes[:i] if a.overlaps(b)]
    assert not overlaps


def test_nothing_is_shown_and_no_setting_stays_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[object] = []
    monkeypatch.setattr(plt, "show", lambda *_: shown.append(1))
    before = dict(mpl.rcParams)
    ax = plot_range_test(a_result())
    plt.close(ax.get_figure())  # type: ignore[arg-type]
    assert shown == []
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_ink_contrasts_with_the_ground(theme: str) -> None:
    with style(theme) as palette:  # type: ignore[arg-type]
        ax = an_ax()
        assert ink(ax) == palette
    grounds = {"light": 1.0, "dark": 0.0}
    assert abs(_luminance(palette.paper) - grounds[theme]) < 0.1
    for colour in (palette.text, *palette.series[:2], palette.faint):
        assert _contrast(colour, palette.paper) > 2.9


def test_series_stay_apart_in_grey_and_for_the_colour_blind() -> None:
    with style() as palette:
        first, second = palette.series[:2]
    for matrix in _BLINDNESS.values():
        a, b = (matrix @ np.array(mpl.colors.to_rgb(colour)) for colour in (first, second))
        assert np.linalg.norm(a - b) > 0.35


def test_slope_is_lowest_where_the_loss_falls_fastest() -> None:
    ax = plot_slope(a_result(), an_ax())
    line = next(line for line in ax.get_lines() if line.get_label() == "slope")
    x, y = (np.asarray(data, dtype=float) for data in line.get_data())
    assert np.log10(x[np.argmin(y)]) == pytest.approx(-3, abs=0.1)
    assert y.min() == pytest.approx(-1.5 * 3 / 4, rel=0.25)  # logistic slope, blurred by smoothing


def test_suggestions_one_row_each() -> None:
    none = Suggestion.none("valley", Status.NO_DESCENT, "flat")
    ax = plot_suggestions({"auto": a_suggestion(), "$valley": none}, an_ax())
    drawn(ax)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["auto", r"\$valley"]
    assert "no pick: no_descent" in words(ax)


# Machado, Oliveira and Fernandes, "A physiologically-based model for simulation of color vision
# deficiency", IEEE TVCG 2009; severity 1.0.
_BLINDNESS = {
    "protan": np.array(
        [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]]
    ),
    "deutan": np.array(
        [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]]
    ),
}  # fmt: skip


def _luminance(colour: str) -> float:
    rgb = np.array(mpl.colors.to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def _contrast(a: str, b: str) -> float:
    """WCAG 2.1 contrast ratio."""
    high, low = sorted((_luminance(a), _luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_several_range_tests_one_line_and_one_dot_each() -> None:
    cut = RangeTestResult(two_ranges(), a_suggestion())
    ax = an_ax()
    assert plot_range_tests({"one": a_result(), "cut": cut, "$two$": no_pick()}, ax) is ax
    drawn(ax)
    named = [line for line in ax.lines if str(line.get_label()) in {"one", "cut", r"\$two\$"}]
    assert len(named) == 3
    listed = [text.get_text() for text in ax.get_legend().get_texts()]  # type: ignore[union-attr]
    assert listed == ["one: lr 0.001", "cut: lr 0.001", r"\$two\$: no pick"]
    picks = [
        float(np.ravel(line.get_xdata())[0]) for line in ax.lines if np.size(line.get_xdata()) == 1
    ]
    assert picks == [a_result().lr, cut.lr]
    steps = np.diff(np.asarray(named[1].get_ydata(), dtype=float))
    assert np.isnan(steps).sum() == 4  # two gaps
    assert np.nanmax(np.abs(steps)) < 1e-6
    drawn(plot_range_tests({"nothing": nothing_finite()}, an_ax()))


def test_overlaid_range_tests_are_told_apart_without_colour() -> None:
    ax = plot_range_tests({str(index): a_result() for index in range(7)}, an_ax())
    drawn(ax)
    handles = ax.get_legend().legend_handles  # type: ignore[union-attr]
    lines = {str(line._dash_pattern) for line in handles}  # type: ignore[union-attr]
    assert len(lines) == 7
    assert len({line.get_marker() for line in handles}) == 7  # type: ignore[union-attr]


def test_several_suggesters_are_marked_on_the_curve_each_with_its_own_mark() -> None:
    result = a_result()
    table = result.compare()
    ax = result.plot(an_ax(), compare=True)
    drawn(ax)
    marks = [line for line in ax.lines if np.size(line.get_xdata()) == 1]
    rates = [float(np.ravel(line.get_xdata())[0]) for line in marks]
    assert rates == [one.lr for one in table.suggestions.values() if one.has_pick]
    assert len({line.get_marker() for line in marks}) == len(marks) > 3
    heights = np.interp(np.log(rates), np.log(result.curve.lr), result.curve.smoothed)
    assert [float(np.ravel(line.get_ydata())[0]) for line in marks] == pytest.approx(heights)
    texts = [text.get_text() for text in ax.get_legend().get_texts()]  # type: ignore[union-attr]
    assert [text.split()[0] for text in texts] == list(table.suggestions)
    assert not [
        line for line in plot_range_test(result, an_ax()).lines if np.size(line.get_xdata()) == 1
    ]
