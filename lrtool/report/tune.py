"""A finished search as sections of a page, and as a notebook cell."""

from typing import TYPE_CHECKING

from lrtool.report._html import image, number, table, text
from lrtool.report.importance import importance
from lrtool.report.sections import (
    Section,
    environment_section,
    range_test_section,
    search_section,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lrtool.search.result import TuneResult

__all__ = ["tune_html", "tune_sections"]


def tune_sections(result: "TuneResult", *, command: str | None = None) -> list[Section]:
    """Everything there is to say of a search: measurement, best, history, importance, recipes.

    Args:
        result: the search.
        command: what runs it again, if known.
    """
    metric = str(result.settings.get("monitor", "value"))
    sections = []
    if result.range_test is not None:
        sections.append(range_test_section(result.range_test))
    sections.append(_best(result, metric))
    sections.append(
        search_section(
            {"": result.study},
            metric=metric,
            importance=importance(result.study),
            note=_guard(result),
        )
    )
    seed = result.settings.get("seed")
    commands = [] if command is None else [command]
    sections.append(environment_section(seed=seed, commands=commands))
    return sections


def tune_html(result: "TuneResult") -> str:
    """A search for a notebook cell: history, best parameters, one sentence."""
    from lrtool.plotting import plot_study

    metric = str(result.settings.get("monitor", "value"))

    def draw(figure: "Figure") -> None:
        plot_study(result.study, figure.subplots(), ylabel=metric)

    shown = image(draw, f"{metric} of every trial", size=(6.6, 3.2))
    if not _finished(result):
        return f"<div>{shown}<p>no trial has finished yet</p></div>"
    best = table(list(result.best_params), [list(result.best_params.values())])
    return f"<div>{shown}{best}<p>{text(_sentence(result, metric))}</p></div>"


def _best(result: "TuneResult", metric: str) -> Section:
    if not _finished(result):
        return Section("Best", "<p>no trial has finished yet</p>")
    html = f"<p>{text(_sentence(result, metric))}</p>"
    html += table(("parameter", "value"), list(result.best_params.items()))
    html += f"<p>To train with it:</p><pre>{text(result.snippet())}</pre>"
    html += f"<p>The same for LightningCLI:</p><pre>{text(result.cli_yaml())}</pre>"
    return Section("Best", html)


def _sentence(result: "TuneResult", metric: str) -> str:
    states = [trial.state.name for trial in result.study.get_trials(deepcopy=False)]
    counts = ", ".join(f"{states.count(state)} {state.lower()}" for state in dict.fromkeys(states))
    best = number(result.best_value)
    return f"{metric} {best} in trial {result.best_trial.number} of {len(states)} ({counts})"


def _guard(result: "TuneResult") -> str:
    """What the search says about its own prior, when it found it misleading."""
    guard = result.prior_guard
    return "" if guard is None else " ".join(map(str, guard.get("findings", [])))


def _finished(result: "TuneResult") -> bool:
    trials = result.study.get_trials(deepcopy=False)
    return any(trial.state.name == "COMPLETE" for trial in trials)
