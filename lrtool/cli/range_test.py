"""`lrtool range-test TARGET`."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lrtool._quiet import quiet
from lrtool._terminal import ascii_only, show, show_table, strong, width
from lrtool.cli._out import command_line, folder_to_write, print_json
from lrtool.cli._target import load_target
from lrtool.cli._trainer import trainer_kwargs

if TYPE_CHECKING:
    from lrtool.result import RangeTestResult

__all__ = ["run", "show_result"]


def run(arguments: argparse.Namespace) -> None:
    """Measure, print, and write when asked to."""
    from lrtool._check import one_of
    from lrtool.suggest import SUGGESTERS
    from lrtool.sweep import lr_ladder

    one_of("suggester", arguments.suggester, SUGGESTERS)
    lr_ladder(_or(arguments.min_lr, 1e-8), _or(arguments.max_lr, 10.0), arguments.num_steps)
    out = None if arguments.out is None else folder_to_write(arguments.out)
    model_fn, data = load_target(arguments.target)
    with quiet():
        trainer = trainer_kwargs(arguments)
        result = _measure(arguments, model_fn, data, trainer)
    if out is not None:
        _write(result, out, arguments.seed)
    if arguments.json:
        print_json(result.to_dict())
        return
    show_result(result)
    if out is not None:
        show(f"\nwritten to {out}: {', '.join(sorted(path.name for path in out.iterdir()))}")


def show_result(result: "RangeTestResult") -> None:
    """Print a range test: the curve in characters, the rates in a table, why."""
    from lrtool.plotting import text_range_test

    show(text_range_test(result, width=width(), ascii_only=ascii_only()))
    show()
    suggestion = result.suggestion
    low, high = suggestion.interval
    interval = f"{low:.2g} .. {high:.2g}" if suggestion.has_pick else None
    show_table(
        ("lr", "80% interval", "min_lr", "max_lr", "status", "steps"),
        [(result.lr, interval, result.min_lr, result.max_lr, suggestion.status.value,
          result.num_steps)],
    )  # fmt: skip
    show(f"\n{strong(suggestion.method)}: {suggestion.reason}")
    for note in (*result.not_restored, *result.diagnosis):
        show(f"note: {note}")


def _write(result: "RangeTestResult", folder: Path, seed: int) -> None:
    from lrtool.report import environment_section, range_test_section, write_report
    from lrtool.report.files import write_range_test

    write_range_test(result, folder)
    again = environment_section(seed=seed, commands=[command_line()])
    sections = [range_test_section(result), again]
    write_report(folder / "range_test.html", sections, title="Range test")


def _measure(
    arguments: argparse.Namespace, model_fn: object, data: object, trainer: dict[str, Any]
) -> "RangeTestResult":
    from lrtool.callbacks._terminal_bar import TerminalBar
    from lrtool.cli._model import build_model
    from lrtool.tuner import range_test

    given = {
        "min_lr": arguments.min_lr, "max_lr": arguments.max_lr, "num_steps": arguments.num_steps,
        "repeats": arguments.repeats, "suggester": arguments.suggester,
    }  # fmt: skip
    options = {name: value for name, value in given.items() if value is not None}
    model = build_model(model_fn, arguments.seed)
    return range_test(
        model, data, trainer_kwargs={**trainer, "callbacks": [TerminalBar()]}, **options
    )


def _or(value: float | None, default: float) -> float:
    return default if value is None else value
