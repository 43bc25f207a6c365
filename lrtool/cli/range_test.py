"""`lrtool range-test TARGET`."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lrtool._quiet import quiet
from lrtool._terminal import ascii_only, show, show_table, strong, width
from lrtool.cli._out import command_line, folder_to_write, print_json
from lrtool.cli._target import load_target
from lrtool.cli._trainer import trainer_kwargs
from lrtool.result import RangeTestResult

if TYPE_CHECKING:
    from lrtool.families import Family

__all__ = ["run", "show_result"]

_NARROW = 66  # columns that the rates beside each other need


def run(arguments: argparse.Namespace) -> None:
    """Measure, print, and write when asked to."""
    from lrtool._check import one_of
    from lrtool.ladder import SweepConfig
    from lrtool.suggest import SUGGESTERS

    one_of("suggester", arguments.suggester, SUGGESTERS)
    SweepConfig(
        min_lr=arguments.min_lr, max_lr=arguments.max_lr, num_steps=arguments.num_steps,
        repeats=arguments.repeats,
    )  # fmt: skip
    out = None if arguments.out is None else folder_to_write(arguments.out)
    model_fn, data = load_target(arguments.target)
    with quiet():
        trainer = trainer_kwargs(arguments)
        found = _measure(arguments, model_fn, data, trainer)
    written = [] if out is None else _write(found, out, arguments.seed)
    if arguments.json:
        print_json(found.to_dict())
        return
    if isinstance(found, RangeTestResult):
        show_result(found)
    else:
        _show_family(found)
    if written:
        show(f"\nwritten to {out}: {', '.join(sorted(path.name for path in written))}")


def show_result(result: RangeTestResult) -> None:
    """Print a range test: the curve in characters, the rates in a table, why."""
    from lrtool.plotting import text_range_test
    from lrtool.report.fragments import group_table

    show(text_range_test(result, width=width(), ascii_only=ascii_only()))
    show()
    suggestion = result.suggestion
    low, high = suggestion.interval
    interval = f"{low:.2g} .. {high:.2g}" if suggestion.has_pick else None
    found = {
        "lr": result.lr, "80% interval": interval, "min_lr": result.min_lr,
        "max_lr": result.max_lr, "status": suggestion.status.value, "steps": result.num_steps,
    }  # fmt: skip
    if width() < _NARROW:
        show_table(("", "measured"), list(found.items()))
    else:
        show_table(tuple(found), [tuple(found.values())])
    show(f"\n{strong(suggestion.method)}: {suggestion.reason}")
    if result.groups:
        show()
        show_table(*group_table(result))
    for note in _notes(result):
        show(f"note: {note}")


def _show_family(found: "Family") -> None:
    """Print range tests side by side: which to take, the rates of each in a table, why."""
    show(f"{strong(found.choice)}\n")
    show_table(*found.table())
    show()
    for value, result in found.results.items():
        show(f"{value}: {result.suggestion.reason}")
    members = found.results.values()
    for note in dict.fromkeys(note for one in members for note in _notes(one)):
        show(f"note: {note}")


def _notes(result: RangeTestResult) -> tuple[str, ...]:
    return (*result.not_restored, *result.diagnosis)


def _write(found: "RangeTestResult | Family", folder: Path, seed: int) -> list[Path]:
    from lrtool.report import environment_section, family_sections, range_test_section, write_report
    from lrtool.report.files import write_family, write_range_test

    again = environment_section(seed=seed, commands=[command_line()])
    if isinstance(found, RangeTestResult):
        written = write_range_test(found, folder)
        sections = [range_test_section(found)]
    else:
        written = write_family(found, folder)
        sections = family_sections(found)
    page = write_report(folder / "range_test.html", [*sections, again], title="Range test")
    return [*written, page]


def _measure(
    arguments: argparse.Namespace, model_fn: Any, data: object, trainer: dict[str, Any]
) -> "RangeTestResult | Family":
    from lrtool.callbacks._new_model import new_model, seed_all
    from lrtool.callbacks._terminal_bar import TerminalBar
    from lrtool.tuner import range_test

    given = {
        "min_lr": arguments.min_lr, "max_lr": arguments.max_lr, "num_steps": arguments.num_steps,
        "repeats": arguments.repeats, "suggester": arguments.suggester,
        "weight_decay": arguments.weight_decay, "momentum": arguments.momentum,
        "batch_size": arguments.batch_size, "optimizer": arguments.optimizer,
        "per_group": arguments.per_group or None,
    }  # fmt: skip
    options: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    seed_all(arguments.seed)
    model = new_model(model_fn)
    kwargs = {**trainer, "callbacks": [TerminalBar()]}
    made = data() if callable(data) else data
    found: RangeTestResult | Family = range_test(model, made, trainer_kwargs=kwargs, **options)
    return found
