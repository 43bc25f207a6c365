"""`lrtool schedule NAME`."""

import argparse
from dataclasses import MISSING
from typing import Any

import numpy as np

from lrtool._check import integer, require
from lrtool._terminal import ascii_only, show, show_table, width
from lrtool.cli._out import file_to_write, print_json
from lrtool.cli._schedule_options import defaults, option, shown_names, summary
from lrtool.durations import Duration
from lrtool.errors import ArgumentError
from lrtool.schedules import Horizon, Schedule, create, misfits, recipe
from lrtool.schedules.registry import SCHEDULES

__all__ = ["run"]

_SHOWN = 11


def run(arguments: argparse.Namespace) -> None:
    """Show one schedule, or list them all."""
    if arguments.name is None:
        _list(as_json=arguments.json)
        return
    schedule = _build(arguments)
    steps = arguments.steps or schedule.length or 100
    if arguments.plot:
        _write(schedule, steps, arguments.plot)
    if arguments.json:
        values = [schedule(step) for step in range(steps)]
        print_json({"schedule": repr(schedule), "steps": list(range(steps)), "values": values})
        return
    show(repr(schedule))
    if arguments.steps is not None:
        for text in misfits(schedule, arguments.steps, arguments.epoch_steps):
            show(f"does not fit: {text}")
    if arguments.plot is not None:
        from lrtool.plotting import text_schedule

        show(text_schedule(schedule, steps, width=width(), ascii_only=ascii_only()))
    at = np.unique(np.linspace(0, steps - 1, min(_SHOWN, steps)).round().astype(int))
    show_table(("step", "value"), [(int(step), float(schedule(int(step)))) for step in at])
    if arguments.plot:
        show(f"\nwritten to {arguments.plot}")


def _list(*, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                name: {k: None if v is MISSING else v for k, v in defaults(name).items()}
                for name in shown_names()
            }
        )
        return
    show_table(("schedule", "what it is"), [(name, summary(name)) for name in shown_names()])
    show("\nlrtool schedule NAME --help shows the parameters of one.")


def _build(arguments: argparse.Namespace) -> Schedule:
    """The schedule asked for; the length of the run, when given, fills in what was left out."""
    name, steps, epoch_steps = arguments.name, arguments.steps, arguments.epoch_steps
    integer(1, steps=1 if steps is None else steps)
    integer(1, epoch_steps=1 if epoch_steps is None else epoch_steps)
    needed = defaults(name)
    given = {
        key: _in_steps(vars(arguments)[key], steps, epoch_steps)
        for key in needed
        if key in vars(arguments)
    }
    known = {"total_steps", *SCHEDULES[name].fitted(steps, given)} if steps else set()
    missing = [
        key
        for key, default in needed.items()
        if default is MISSING and key not in known and key not in given
    ]
    if missing:
        example = " ".join(f"{option(key)} ..." for key in missing)
        verb = "is" if len(missing) == 1 else "are"
        raise ArgumentError(
            f"{name} needs {', '.join(missing)}, which {verb} not given; add {example}"
        )
    if steps is None:
        return create(name, **given)
    built: Schedule = recipe(name, **given).build(Horizon(steps, steps_per_epoch=epoch_steps))
    return built


def _in_steps(value: Any, steps: int | None, epoch_steps: int | None) -> Any:
    """`value` with durations converted to optimizer steps."""
    if isinstance(value, tuple):
        return tuple(_in_steps(part, steps, epoch_steps) for part in value)
    if not isinstance(value, Duration):
        return value
    for unit, key, length in (("ep", "--epoch-steps", epoch_steps), ("dur", "--steps", steps)):
        if value.unit == unit and length is None:
            raise ArgumentError(f"{value} needs {key}, which is not given; add {key} N")
    return value.steps(total_steps=steps, steps_per_epoch=epoch_steps)


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
