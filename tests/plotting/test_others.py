"""Schedules, training curves, searches: what stands on the pictures."""

from io import BytesIO

import numpy as np
import optuna
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lrtool import schedules
from lrtool.errors import ArgumentError
from lrtool.plotting import (
    plot_curves,
    plot_importance,
    plot_prior,
    plot_schedule,
    plot_schedules,
    plot_studies,
    plot_study,
)


def an_ax() -> Axes:
    return Figure(figsize=(6.4, 4.0)).subplots()


def drawn(ax: Axes) -> Axes:
    figure = ax.get_figure()
    assert isinstance(figure, Figure)
    figure.savefig(BytesIO(), format="png")
    return ax


def a_study(values: list[float | None]) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study()
    for value in values:
        state = optuna.trial.TrialState.PRUNED if value is None else None
        study.tell(study.ask(), value, state=state)
    return study


def test_a_schedule_is_drawn_step_by_step() -> None:
    schedule = schedules.one_cycle(max_lr=0.1, total_steps=200)
    ax = drawn(plot_schedule(schedule, ax=an_ax()))
    x, y = (np.asarray(data) for data in ax.get_lines()[0].get_data())
    assert x.tolist() == list(range(200))
    assert y.tolist() == [schedule(step) for step in range(200)]
    assert ax.texts[0].get_text().startswith("0.1 at step")


def test_a_long_schedule_is_drawn_by_a_choice_of_its_steps() -> None:
    schedule = schedules.cosine(lr=1.0, total_steps=10**7)
    x = np.asarray(plot_schedule(schedule, ax=an_ax()).get_lines()[0].get_xdata())
    assert len(x) <= 4000
    assert (x[0], x[-1]) == (0, 10**7 - 1)


def test_a_schedule_without_end_wants_a_number_of_steps() -> None:
    endless = schedules.triangular(max_lr=1.0, min_lr=0.1, step_size_up=5)
    with pytest.raises(ArgumentError, match="total_steps"):
        plot_schedule(endless, ax=an_ax())
    assert len(np.asarray(plot_schedule(endless, 20, an_ax()).get_lines()[0].get_xdata())) == 20


def test_several_schedules_are_told_apart_by_name() -> None:
    both = {
        "a": schedules.cosine(lr=1.0, total_steps=10),
        "b$": schedules.linear(lr=1.0, total_steps=10),
    }
    ax = drawn(plot_schedules(both, ax=an_ax()))
    legend = ax.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["a", r"b\$"]


@pytest.mark.parametrize(("mode", "best"), [("min", 2.0), ("max", 3.0)])
def test_the_best_value_of_a_run_is_ringed(mode: str, best: float) -> None:
    curves = {"run": [(0, 5.0), (1, float("nan")), (2, 1.0), (3, 9.0)]}
    ax = drawn(plot_curves(curves, an_ax(), mode=mode, ylabel="a_b"))  # type: ignore[arg-type]
    rings = [line for line in ax.get_lines() if line.get_markerfacecolor() == "none"]
    assert [float(np.asarray(ring.get_xdata())[0]) for ring in rings] == [best]
    assert ax.get_ylabel() == "a_b"


def test_runs_without_points_are_left_out() -> None:
    assert not drawn(plot_curves({"run": []}, an_ax())).get_lines()


def test_best_so_far_never_rises() -> None:
    ax = drawn(plot_study(a_study([3.0, 5.0, 1.0, None, 2.0]), an_ax()))
    best = next(line for line in ax.get_lines() if line.get_label() == "best so far")
    assert np.asarray(best.get_ydata()).tolist() == [3.0, 3.0, 1.0, 1.0]
    points = np.asarray(ax.collections[0].get_offsets())
    assert points.tolist() == [[0, 3.0], [1, 5.0], [2, 1.0], [4, 2.0]]


def test_studies_are_told_apart_and_an_empty_one_is_drawn_too() -> None:
    ax = drawn(plot_studies({"a": a_study([1.0, 0.01]), "b": a_study([])}, an_ax()))
    assert ax.get_yscale() == "log"
    legend = ax.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["a: best so far"]


def test_importance_has_the_largest_on_top() -> None:
    ax = drawn(plot_importance({"small": 0.1, "large": 0.7}, an_ax()))
    assert [label.get_text() for label in ax.get_yticklabels()] == ["small", "large"]
    assert [bar.get_width() for bar in ax.patches] == [0.1, 0.7]  # type: ignore[attr-defined]


def test_a_prior_is_drawn_with_what_was_tried() -> None:
    lr = np.geomspace(1e-4, 1e-2, 50)
    ax = drawn(plot_prior(lr, np.exp(-(np.log10(lr / 1e-3) ** 2)), an_ax(), samples=lr[::10]))
    tried = next(line for line in ax.get_lines() if line.get_label() == "tried")
    assert np.asarray(tried.get_xdata()).tolist() == lr[::10].tolist()
