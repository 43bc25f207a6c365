"""Fragments for Jupyter: picture, table and sentence of one object, safe for any name in it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lrtool.report._html import image, number, table, text, value_text

if TYPE_CHECKING:
    from lrtool.families import Family
    from lrtool.optimizers.table import Capabilities, Verdict
    from lrtool.result import RangeTestResult
    from lrtool.schedules.base import Schedule
    from lrtool.suggest import Suggestion

__all__ = ["capabilities_html", "family_html", "result_html", "schedule_html", "suggestion_html"]


def result_html(result: "RangeTestResult") -> str:
    """A range test for a notebook cell: the curve, the rates, why."""
    from lrtool.report.sections import draw_range_test

    drawn = image(
        lambda figure: draw_range_test(figure, result), "loss over learning rate", size=(6.6, 4.4)
    )
    notes = "".join(f"<p>{text(note)}</p>" for note in (*result.not_restored, *result.diagnosis))
    steps = f"{result.num_steps} steps, {result.curve.stop_reason.value}"
    rates = suggestion_html(result.suggestion)
    return f"<div>{drawn}{rates}{groups_html(result)}<p>{text(steps)}</p>{notes}</div>"


def groups_html(result: "RangeTestResult") -> str:
    """The parameter groups' curves and rates; nothing where they were not swept one by one."""
    if not result.groups:
        return ""
    drawn = image(
        lambda figure: result.plot(figure.subplots()), "loss by parameter group", size=(6.6, 3.8)
    )
    return drawn + table(*group_table(result))


def group_table(result: "RangeTestResult") -> tuple[list[str], list[list[Any]]]:
    """Header and rows: every parameter group's rate and what it was read off."""
    rows = []
    for name, one in result.groups.items():
        low, high = one.suggestion.interval
        interval = f"{number(low)} – {number(high)}" if one.suggestion.has_pick else "–"
        rate = result.group_lr.get(name)
        rows.append([name, rate, interval, one.max_lr, one.suggestion.status.value])
    return ["parameter group", "lr", "80% interval", "max_lr", "status"], rows


def family_html(family: "Family") -> str:
    """Range tests side by side for a notebook cell: curves, rates, which to take and why."""
    drawn = image(
        lambda figure: family.plot(figure.subplots()), f"loss by {family.setting}", size=(6.6, 3.8)
    )
    reasons = "".join(
        f"<p>{text(value)}: {text(result.suggestion.reason)}</p>"
        for value, result in family.results.items()
    )
    chosen = f"<p>{text(family.choice)}</p>"
    return f"<div>{drawn}{chosen}{table(*family.table())}{reasons}</div>"


def suggestion_html(suggestion: "Suggestion") -> str:
    """A suggestion for a notebook cell: the rates in a table, the reason under it."""
    low, high = suggestion.interval
    interval = f"{number(low)} – {number(high)}" if suggestion.has_pick else "–"
    rates = [suggestion.lr, suggestion.min_lr, suggestion.max_lr]
    row: list[Any] = [*rates, interval, suggestion.status.value, suggestion.method]
    header = ("lr", "min_lr", "max_lr", "80% interval", "status", "method")
    return table(header, [row]) + f"<p>{text(suggestion.reason)}</p>"


def schedule_html(schedule: "Schedule", total_steps: int | None = None) -> str:
    """A schedule for a notebook cell; only its text when it has no length to draw."""
    from lrtool.plotting import plot_schedule

    shown = f"<p><code>{text(value_text(schedule))}</code></p>"
    if schedule.length is None and total_steps is None:
        return shown
    return shown + image(
        lambda figure: plot_schedule(schedule, total_steps, figure.subplots()),
        str(schedule),
        size=(6.0, 2.6),
    )


def capabilities_html(items: "Sequence[Capabilities]") -> str:
    """What optimizers can do, one row each; reasons for what they cannot under the table."""
    rows = [
        (
            item.name, item.default_lr, item.momentum or "none",
            "decoupled" if item.decoupled else "L2", *map(_answer, _verdicts(item).values()),
        )
        for item in items
    ]  # fmt: skip
    header = ("optimizer", "default lr", "momentum", "decay", *_VERDICTS)
    reasons = [
        f"<p>{text(item.name)}, {name.replace('_', ' ')}: {text(verdict.reason)}</p>"
        for item in items
        for name, verdict in _verdicts(item).items()
        if not verdict
    ]
    return table([name.replace("_", " ") for name in header], rows) + "".join(reasons)


_VERDICTS = ("range_test", "cycle", "momentum_cycle", "group_rates")


def _verdicts(item: "Capabilities") -> "dict[str, Verdict]":
    return {name: getattr(item, name) for name in _VERDICTS}


def _answer(verdict: "Verdict") -> str:
    return "yes" if verdict else "no"
