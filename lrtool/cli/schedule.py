"""`lrtool schedule NAME`."""

import argparse
import ast
from dataclasses import MISSING, Field, fields
from typing import Any

import numpy as np

from lrtool._check import one_of, require
from lrtool._terminal import ascii_only, show, show_table, width
from lrtool.cli._out import file_to_write, print_json
from lrtool.errors import ArgumentError
from lrtool.schedules import Horizon, Schedule, misfits

__all__ = ["run"]

_SHOWN = 11


def run(arguments: argparse.Namespace) -> None:
    """Show one schedule, or list them all."""
    if arguments.name is None:
        _list(as_json=arguments.json)
        return
    one_of("schedule", arguments.name, _known())
    run_of = _run_of(arguments.steps, arguments.epoch_steps)
    schedule = _build(arguments.name, arguments.parameters, run_of)
    steps = _steps(schedule, arguments.steps)
    if arguments.plot:
        _write(schedule, steps, arguments.plot)
    if arguments.json:
        values = [schedule(step) for step in range(steps)]
        print_json({"schedule": repr(schedule), "steps": list(range(steps)), "values": values})
        return
    show(repr(schedule))
    for text in misfits(schedule, run_of.total_steps, run_of.steps_per_epoch) if run_of else ():
        show(f"does not fit: {text}")
    if arguments.plot is not None:
        from lrtool.plotting import text_schedule

        show(text_schedule(schedule, steps, width=width(), ascii_only=ascii_only()))
    at = np.unique(np.linspace(0, steps - 1, min(_SHOWN, steps)).round().astype(int))
    show_table(("step", "value"), [(int(step), float(schedule(int(step)))) for step in at])
    if arguments.plot:
        show(f"\nwritten to {arguments.plot}")


def _entries(name: str) -> dict[str, "Field[Any]"]:
    """The parameters of the schedule `name`."""
    from lrtool.schedules.registry import SCHEDULES

    return {entry.name: entry for entry in fields(SCHEDULES[name])}  # type: ignore[arg-type]


def _required(entry: "Field[Any]") -> bool:
    return entry.default is MISSING and entry.default_factory is MISSING


def _known() -> list[str]:
    """Every schedule whose parameters can be written on a command line."""
    from lrtool import schedules

    return [
        name
        for name in schedules.names()
        if not any(
            word in str(entry.type)
            for entry in _entries(name).values()
            for word in ("Schedule", "Callable", "Scale")
        )
    ]


def _list(*, as_json: bool) -> None:
    rows = {
        name: ", ".join(
            entry.name if _required(entry) else f"{entry.name}={entry.default!r}"
            for entry in _entries(name).values()
        )
        for name in _known()
    }
    if as_json:
        print_json(rows)
        return
    show_table(("schedule", "parameters"), list(rows.items()))


def _run_of(steps: int | None, epoch_steps: int | None) -> Horizon | None:
    """The run to fill, when its length is given."""
    require(
        epoch_steps is None or (epoch_steps > 0 and steps is not None),
        "a whole --epoch-steps > 0 together with --steps",
        epoch_steps=epoch_steps, steps=steps,
    )  # fmt: skip
    return None if steps is None else Horizon(steps, steps_per_epoch=epoch_steps)


def _build(name: str, words: list[str], run_of: Horizon | None) -> Schedule:
    from lrtool import schedules

    entries = _entries(name)
    given: dict[str, Any] = {}
    for word in words:
        key, equals, value = word.partition("=")
        require(
            bool(equals), "parameters of the form KEY=VALUE", "for example max_lr=0.1", got=word
        )
        one_of(f"parameter of {name}", key, entries)
        given[key] = _value(value)
    if run_of is not None:
        built: Schedule = schedules.recipe(name, **given).build(run_of)
        return built
    missing = [key for key, entry in entries.items() if _required(entry) and key not in given]
    if missing:
        example = " ".join(f"{key}=..." for key in missing)
        raise ArgumentError(
            f"{name} needs {', '.join(missing)}, got {' '.join(words) or 'no parameters'}; "
            f"add {example}"
        )
    return schedules.create(name, **given)


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
