"""What was believed against what was found."""

from math import log10
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from lrtool.plotting.priors import count_priors, plot_priors
from lrtool.report import tune_sections
from lrtool.search import Report, Space, TuneResult, measured_space, search
from lrtool.search.study import Definition
from support.measurements import measurement
from support.search_jobs import KNOBS, value_of


def searched(n_trials: int, space: Space, mode: str = "min") -> TuneResult:
    def train(params: dict[str, Any], report: Report) -> float:
        return value_of(params)

    return search(
        train, lambda: Definition(space), storage="memory://", study_name="s", n_trials=n_trials,
        sampler="random", seed=0, mode=mode, progress_bar=False,
    )  # fmt: skip


def drawn(result: TuneResult) -> dict[str, Axes]:
    figure = Figure(figsize=(8.6, 4.0), layout="constrained")
    plot_priors(result.study, result.space, figure)
    figure.canvas.draw()
    return {ax.get_xlabel(): ax for ax in figure.axes if ax.axison}


def ticks(ax: Axes, name: str) -> list[float]:
    (line,) = [one for one in ax.get_lines() if one.get_label() == name]
    return sorted(map(float, np.asarray(line.get_xdata())))


@pytest.mark.parametrize("mode", ["min", "max"])
def test_every_number_has_its_prior_its_trials_and_the_best_third_of_them(mode: str) -> None:
    space = measured_space(measurement(0.01), KNOBS, schedules=("one_cycle",))
    result = searched(15, space, mode)
    axes = drawn(result)
    assert len(axes) == count_priors(result.study, space) == 7
    decays = [row["weight_decay"] for row in result.trials]
    assert ticks(axes["weight_decay"], "tried") == pytest.approx(sorted(decays))
    ranked = sorted(result.trials, key=lambda row: row["value"], reverse=mode == "max")
    best = sorted(1 - row["momentum"] for row in ranked[:5])
    assert ticks(axes["1 - momentum"], "the best third") == pytest.approx(best)


def test_the_area_is_the_prior_and_holds_the_measured_rate_at_its_top() -> None:
    space = measured_space(measurement(0.01), KNOBS, schedules=("one_cycle",))
    result = searched(2, space)
    ax = drawn(result)["max_lr at momentum 0.9"]
    (area,) = [one for one in ax.collections if isinstance(one, PolyCollection)]
    corners = np.asarray(area.get_paths()[0].vertices)
    width, height = np.log10(corners[:, 0]), corners[:, 1]
    assert abs(np.sum(height * np.gradient(width))) == pytest.approx(1, abs=0.02)
    pick = space.params(space.start())["max_lr"]
    assert width[int(np.argmax(height))] == pytest.approx(log10(pick), abs=0.05)
    # Of one good trial no density is known.
    assert [line.get_label() for line in ax.get_lines()][1:] == ["tried", "the best third"]


def test_of_several_schedules_the_best_trials_own_parameters_are_drawn() -> None:
    both = measured_space(measurement(0.01), KNOBS, schedules=("one_cycle", "cosine"))
    result = searched(12, both)
    axes = drawn(result)
    best = result.best_params["schedule"]
    assert ("warmup_frac" in axes) == (best == "cosine")
    assert f"max_lr at momentum 0.9 ({best})" in axes


def test_a_search_without_numbers_and_one_without_trials_have_their_page_too() -> None:
    fixed = {"max_lr": 0.1, "momentum": 0.9, "weight_decay": 1e-4}
    none = measured_space(None, KNOBS, schedules=("constant", "cosine"), priors=fixed)
    none = Space(
        {name: prior for name, prior in none.priors.items() if "." not in name},
        none.reference_lr, momentum=0.9, weight_decay=1e-4, fixed=none.fixed,
    )  # fmt: skip
    titles = [section.title for section in tune_sections(searched(2, none))]
    assert titles == ["Best", "Search", "Environment"]
    space = measured_space(measurement(0.01), KNOBS, schedules=("one_cycle",))
    import optuna

    empty = TuneResult(optuna.create_study(), space)
    sections = {section.title: section.html for section in tune_sections(empty)}
    assert "no trial has finished yet" in sections["Best"]
    assert "<picture>" in sections["Prior and trials"]
    assert "no trial" in str(empty)
