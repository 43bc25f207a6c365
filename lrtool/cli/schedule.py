"""`lrtool schedule NAME`."""

import argparse
import ast
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from lrtool._check import one_of, require
from lrtool.cli._out import file_to_write, print_json
from lrtool.cli._terminal import ascii_only, show, show_table, width
from lrtool.errors import ArgumentError
from lrtool.schedules.base import Schedule

__all__ = ["run"]

_SHOWN = 11


def run(arguments: argparse.Namespace) -> None:
    """Show one schedule, or list them all."""
    known = _factories()
    if arguments.name is None:
        _list(known, as_json=arguments.json)
        return
    one_of("schedule", arguments.name, known)
    schedule = _build(arguments.name, known[arguments.name], arguments.parameters)
    steps = _steps(schedule, arguments.steps)
    if arguments.plot:
        _write(schedule, steps, arguments.plot)
    if arguments.json:
        values = [schedule(step) for step in range(steps)]
        print_json({"schedule": repr(schedule), "steps": list(range(steps)), "values": values})
        return
    show(repr(schedule))
    if arguments.plot is not None:
        from lrtool.plotting import text_schedule

        show(text_schedule(schedule, steps, width=width(), ascii_only=ascii_only()))
    at = np.unique(np.linspace(0, steps - 1, min(_SHOWN, steps)).round().astype(int))
    show_table(("step", "value"), [(int(step), float(schedule(int(step)))) for step in at])
    if arguments.plot:
        show(f"\nwritten to {arguments.plot}")


def _factories() -> dict[str, Callable[..., Any]]:
    """Every factory whose parameters can be written on a command line."""
    from lrtool import schedules

    found = {name: getattr(schedules, name) for name in schedules.__all__ if name.islower()}
    return {
        name: factory
        for name, factory in found.items()
        if inspect.isfunction(factory) and not _takes_schedules(factory)
    }


def _takes_schedules(factory: Callable[..., Any]) -> bool:
    parameters = inspect.signature(factory).parameters.values()
    required = [p for p in parameters if p.default is p.empty]
    return any("Schedule" in str(p.annotation) for p in required)


def _list(known: dict[str, Callable[..., Any]], *, as_json: bool) -> None:
    rows = []
    for name in sorted(known):
        parameters = inspect.signature(known[name]).parameters.values()
        given = [p.name if p.default is p.empty else f"{p.name}={p.default!r}" for p in parameters]
        rows.append((name, ", ".join(given)))
    if as_json:
        print_json(dict(rows))
        return
    show_table(("schedule", "parameters"), rows)


def _build(name: str, factory: Callable[..., Any], words: list[str]) -> Schedule:
    parameters = inspect.signature(factory).parameters
    given: dict[str, Any] = {}
    for word in words:
        key, equals, value = word.partition("=")
        require(bool(equals), "parameters of the form KEY=VALUE", "for example max_lr=0.1", got=word)
        one_of(f"parameter of {name}", key, parameters)
        given[key] = _value(value)
    missing = [p.name for p in parameters.values() if p.default is p.empty and p.name not in given]
    if missing:
        example = " ".join(f"{key}=..." for key in missing)
        raise ArgumentError(
            f"{name} needs {', '.join(missing)}, got {', '.join(words) or 'no parameters'}; "
            f"add {example}"
        )
    try:
        schedule = factory(**given)
    except (TypeError, AttributeError) as error:
        raise ArgumentError(f"{name} must take its parameters, got {given!r}; {error}") from error
    return schedule  # type: ignore[no-any-return]


def _value(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        lowered = text.lower()
        if lowered in {"nan", "inf", "-inf"}:
            return float(lowered)
        return {"true": True, "false": False, "none": None}.get(lowered, text)


def _steps(schedule: Schedule, asked: int | None) -> int:
    from lrtool._check import integer

    if asked is not None:
        integer(1, "show at least one", steps=asked)
        return asked
    return schedule.length or 100


def _write(schedule: Schedule, steps: int, file: str) -> None:
    from lrtool.plotting import plot_schedule
    from lrtool.plotting.style import new_figure, style

    path = file_to_write(file)
    require(
        path.suffix in {".png", ".svg", ".pdf"}, "--plot FILE ending in .png, .svg or .pdf",
        "name it so, or leave FILE out to draw in the terminal", file=file,
    )  # fmt: skip
    with style():
        figure = new_figure((7.2, 3.6))
        plot_schedule(schedule, steps, figure.subplots())
        figure.savefig(path, dpi=150)
