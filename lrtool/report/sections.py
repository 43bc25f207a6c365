"""Sections of a report, each made from one finished object."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from lrtool.report._html import Draw, download, number, picture, table, text, value_text
from lrtool.report.environment import environment
from lrtool.report.fragments import groups_html

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from optuna import Study

    from lrtool.families import Family
    from lrtool.result import RangeTestResult
    from lrtool.schedules.base import Schedule

__all__ = [
    "Section",
    "environment_section",
    "family_sections",
    "figure_html",
    "range_test_section",
    "schedule_section",
    "search_section",
    "table_section",
    "training_section",
]


@dataclass(frozen=True)
class Section:
    """A heading and what stands under it.

    Args:
        title: the heading, as plain text.
        html: what stands under it; whoever makes one escapes what came from outside.
    """

    title: str
    html: str


def range_test_section(result: "RangeTestResult", title: str = "Range test") -> Section:
    """Curve, slope, rates, interval, status and reason of a range test."""
    suggestion = result.suggestion
    tiles = {"lr": result.lr, "min_lr": result.min_lr, "max_lr": result.max_lr}
    low, high = suggestion.interval
    shown = {name: number(value, digits=3) for name, value in tiles.items()}
    shown["80% interval"] = (
        f"{number(low, digits=2)} – {number(high, digits=2)}" if suggestion.has_pick else "–"
    )
    notes = [*result.not_restored, *result.diagnosis]
    facts = [
        ("status", suggestion.status.value), ("method", suggestion.method),
        ("steps", result.num_steps), ("stopped", result.curve.ending), *_conditions(result),
    ]  # fmt: skip
    html = (
        f"<p>{text(suggestion.reason)}</p>{_tiles(shown)}"
        + figure_html(
            lambda figure: draw_range_test(figure, result),
            f"Loss over learning rate; {suggestion.status.value}",
            (8.6, 5.2),
        )
        + groups_html(result)
        + "".join(f"<p>{text(note)}</p>" for note in notes)
        + table((), facts)
        + download("range_test.json", json.dumps(result.to_dict()), "Save the measurement (JSON)")
    )
    return Section(title, html)


def family_sections(family: "Family") -> list[Section]:
    """Range tests side by side, which to take and why; then each by itself."""

    def draw(figure: "Figure") -> None:
        family.plot(figure.subplots())

    html = f"<p>{text(family.choice)}</p>" + figure_html(
        draw, f"Loss over learning rate by {family.setting}", (8.6, 4.6)
    )
    together = Section(f"Range tests by {family.setting}", html + table(*family.table()))
    return [
        together,
        *[range_test_section(one, f"{family.setting} {value}")
          for value, one in family.results.items()],
    ]  # fmt: skip


def draw_range_test(figure: "Figure", result: "RangeTestResult") -> None:
    """The curve above its slope, on one LR axis."""
    from lrtool.plotting import plot_range_test, plot_slope

    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    plot_range_test(result, above)
    plot_slope(result, below)
    above.set_xlabel("")


def schedule_section(
    schedule: "Schedule", total_steps: int | None = None, title: str = "Schedule"
) -> Section:
    """A schedule's curve and its parameters."""
    from lrtool.plotting import plot_schedule

    def draw(figure: "Figure") -> None:
        plot_schedule(schedule, total_steps, figure.subplots())

    html = f"<p><code>{text(value_text(schedule))}</code></p>" + figure_html(
        draw, str(schedule), (8.6, 3.2)
    )
    return Section(title, html)


def training_section(
    curves: Mapping[str, Sequence[tuple[float, float]]],
    *,
    metric: str,
    mode: Literal["min", "max"] = "min",
    rows: Sequence[Sequence[object]] = (),
    header: Sequence[object] = (),
    note: str = "",
    title: str = "Training",
) -> Section:
    """A metric of several runs over their steps, with a table beside it."""
    from lrtool.plotting import plot_curves

    def draw(figure: "Figure") -> None:
        plot_curves(curves, figure.subplots(), mode=mode, ylabel=metric)

    html = f"<p>{text(note)}</p>" if note else ""
    html += table(header, rows) if rows else ""
    html += figure_html(draw, f"{metric} over steps of {', '.join(curves)}", (8.6, 3.6))
    return Section(title, html)


def search_section(
    studies: "Mapping[str, Study]",
    *,
    metric: str = "value",
    importance: Mapping[str, float] | None = None,
    rows: Sequence[Sequence[object]] = (),
    header: Sequence[object] = (),
    note: str = "",
    title: str = "Search",
) -> Section:
    """History of one study or several, importance, and every trial of each."""
    from lrtool.plotting import plot_importance, plot_studies

    def history(figure: "Figure") -> None:
        plot_studies(studies, figure.subplots(), ylabel=metric)

    html = f"<p>{text(note)}</p>" if note else ""
    html += table(header, rows) if rows else ""
    html += figure_html(history, f"{metric} of every trial", (8.6, 3.6))
    if importance:
        shares = dict(importance)
        html += "<p>How much each parameter explains of the variation between trials:</p>"
        html += figure_html(
            lambda figure: plot_importance(shares, figure.subplots()),
            "importance: " + ", ".join(f"{name} {share:.2f}" for name, share in shares.items()),
            (8.6, 0.9 + 0.36 * len(shares)),
        )
    for name, study in studies.items():
        html += f"<details><summary>Every trial of {text(name or 'the study')}</summary>"
        html += _trials(study) + "</details>"
    return Section(title, html)


def table_section(
    title: str, header: Sequence[object], rows: Sequence[Sequence[object]], note: str = ""
) -> Section:
    """A table with a sentence above it."""
    return Section(title, (f"<p>{text(note)}</p>" if note else "") + table(header, rows))


def environment_section(
    *, seed: int | None = None, commands: Sequence[str] = (), title: str = "Environment"
) -> Section:
    """Versions, machine, seed, and the commands that make these figures again."""
    rows: list[tuple[str, Any]] = [*environment().items()]
    if seed is not None:
        rows.append(("seed", seed))
    again = "".join(f"<pre>{text(command)}</pre>" for command in commands)
    html = table((), rows) + (f"<p>To run it again:</p>{again}" if again else "")
    return Section(title, html)


def figure_html(draw: Draw, alt: str, size: tuple[float, float]) -> str:
    """A picture that suits every reader, with `alt` for those who see none."""
    return f"<figure>{picture(draw, alt, size=size)}</figure>"


def _conditions(result: "RangeTestResult") -> list[tuple[str, Any]]:
    """What the measurement holds for; not the mark by which a search knows it again."""
    names = {"lr": "lr before", "loss": "measured on"}
    return [
        (names.get(name, name), value)
        for name, value in result.context.items()
        if name != "fingerprint" and value is not None
    ]


def _tiles(values: Mapping[str, str]) -> str:
    tiles = (
        f'<div class="tile"><b>{text(value)}</b><span>{text(name)}</span></div>'
        for name, value in values.items()
    )
    return f'<div class="tiles">{"".join(tiles)}</div>'


def _trials(study: "Study") -> str:
    from lrtool.search.run import PARAMS
    from lrtool.search.trials import reasons_of, states_of

    trials = study.get_trials(deepcopy=False)
    states, reasons = states_of(study), reasons_of(study)
    # lrtool's own studies keep each trial's parameters in their own units beside Optuna's.
    params = [trial.user_attrs.get(PARAMS, trial.params) for trial in trials]
    names = list(dict.fromkeys(name for one in params for name in one))
    rows = [
        (
            trial.number,
            states[trial.number],
            trial.value if trial.state.name == "COMPLETE" else None,
            *(one.get(name) for name in names),
        )
        for trial, one in zip(trials, params, strict=True)
    ]
    why = [
        f"<p>trial {index}: {text(reason.splitlines()[0])}</p>"
        for index, reason in reasons.items()
        if reason
    ]
    return table(("trial", "state", "value", *names), rows) + "".join(why)
