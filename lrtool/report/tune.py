"""A finished search as sections of a page, and as a notebook cell."""

from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

from lrtool.report._html import image, number, table, text
from lrtool.report.importance import importance
from lrtool.report.sections import (
    Section,
    environment_section,
    figure_html,
    range_test_section,
    search_section,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lrtool.search.result import TuneResult

__all__ = ["sentence", "tune_html", "tune_sections"]


def tune_sections(result: "TuneResult", *, command: str | None = None) -> list[Section]:
    """Everything there is to say of a search: measurement, best, history, importance, recipes.

    Args:
        result: the search.
        command: what runs it again, if known.
    """
    sections = []
    if result.range_test is not None:
        sections.append(range_test_section(result.range_test))
    sections.append(_best(result))
    sections.append(
        search_section(
            {"": result.study},
            metric=_metric(result),
            importance=importance(result.study),
            note=_guard(result),
        )
    )
    sections += _beliefs(result)
    seed = result.settings.get("seed")
    commands = [] if command is None else [command]
    sections.append(environment_section(seed=seed, commands=commands))
    return sections


def tune_html(result: "TuneResult") -> str:
    """A search for a notebook cell: history, best parameters, one sentence."""
    from lrtool.plotting import plot_study

    metric = _metric(result)

    def draw(figure: "Figure") -> None:
        plot_study(result.study, figure.subplots(), ylabel=metric)

    shown = image(draw, f"{metric} of every trial", size=(6.6, 3.2))
    if not result.any_finished:
        return f"<div>{shown}<p>no trial has finished yet</p></div>"
    best = table(list(result.best_params), [list(result.best_params.values())])
    return f"<div>{shown}{best}<p>{text(sentence(result))}</p></div>"


def _best(result: "TuneResult") -> Section:
    if not result.any_finished:
        return Section("Best", "<p>no trial has finished yet</p>")
    html = f"<p>{text(sentence(result))}</p>"
    html += table(("parameter", "value"), list(result.best_params.items()))
    if result.best_checkpoint is not None:  # not the whole path, which may name the user
        kept = Path(*result.best_checkpoint.parts[-3:]).as_posix()
        html += f"<p>Its weights: <code>{text(kept)}</code></p>"
    html += f"<p>To train with it:</p><pre>{text(result.snippet())}</pre>"
    html += f"<p>The same for LightningCLI:</p><pre>{text(result.cli_yaml())}</pre>"
    return Section("Best", html)


def _beliefs(result: "TuneResult") -> list[Section]:
    from lrtool.plotting.priors import COLUMNS, count_priors, plot_priors

    rows = ceil(count_priors(result.study, result.space) / COLUMNS)
    if rows == 0:
        return []
    drawn = figure_html(
        lambda figure: plot_priors(result.study, result.space, figure),
        "Prior and trials of each parameter",
        (8.6, 1.9 * rows),
    )
    legend = (
        "The area is what was believed of a parameter before the first trial; a tick is a trial "
        "that finished, in colour where it is among the best third; the line is the density of "
        "these, where they are enough."
    )
    return [Section("Prior and trials", f"<p>{text(legend)}</p>{drawn}")]


def sentence(result: "TuneResult") -> str:
    """The best value, where it was found, and what became of the other trials."""
    from lrtool.search.trials import states_of

    states = list(states_of(result.study).values())
    counts = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    best = number(result.best_value)
    where = f"in trial {result.best_trial.number} of {len(states)} ({counts})"
    return f"{_metric(result)} {best} {where}"


def _metric(result: "TuneResult") -> str:
    return str(result.settings.get("monitor", "value"))


def _guard(result: "TuneResult") -> str:
    """What the search says about its own prior, when it found it misleading."""
    guard = result.prior_guard
    return "" if guard is None else " ".join(map(str, guard.get("findings", [])))
