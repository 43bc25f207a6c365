"""`lrtool tune TARGET`."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lrtool._check import integer, one_of, require
from lrtool._quiet import quiet
from lrtool._terminal import show, show_table, strong
from lrtool.cli._out import command_line, folder_to_write, print_json
from lrtool.cli._target import load_target
from lrtool.cli._trainer import trainer_kwargs

if TYPE_CHECKING:
    from lrtool.search.result import TuneResult

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> None:
    """Search, print the best, write the page."""
    from lrtool.search import SCHEDULES
    from lrtool.search.bases import check_base
    from lrtool.search.run import AllFailedError

    for name in arguments.schedule or ():
        one_of("schedule", name, SCHEDULES)
    for option in ("trials", "max_epochs", "max_steps"):
        if getattr(arguments, option) is not None:
            integer(1, **{option: getattr(arguments, option)})
    require(
        arguments.max_epochs is not None or arguments.max_steps is not None,
        "--max-epochs or --max-steps", "say how long a trial is: --max-epochs 10",
        max_epochs=None, max_steps=None,
    )  # fmt: skip
    if arguments.sampler is not None:
        check_base(arguments.sampler)
    out = folder_to_write(arguments.out)
    model_fn, data = load_target(arguments.target)
    with quiet():
        try:
            result = _search(arguments, model_fn, data)
        except AllFailedError as error:
            print(f"lrtool: {error}", file=sys.stderr)
            raise SystemExit(1) from None
        page = _page(result, out)
    if arguments.json:
        print_json(_numbers(result, str(page)))
    else:
        _show(result)
        show(f"\nreport: {page}\nstudy {result.study.study_name!r}: {result.storage}")
    if not result.finished:
        raise KeyboardInterrupt("the same command goes on from here")


def _search(arguments: argparse.Namespace, model_fn: Any, data: Any) -> "TuneResult":
    from lrtool.tuner import tune

    return tune(
        model_fn,
        data,
        monitor=arguments.monitor,
        mode=arguments.mode,
        schedules=arguments.schedule,
        n_trials=arguments.trials,
        max_epochs=arguments.max_epochs,
        max_steps=arguments.max_steps,
        storage=arguments.storage,
        study_name=arguments.study_name,
        sampler=arguments.sampler,
        pruner=arguments.pruner,
        seed=arguments.seed,
        trainer_kwargs=trainer_kwargs(arguments),
        out_dir=arguments.out,
        keep="best",
    )


def _page(result: "TuneResult", out: Path) -> Path:
    from lrtool.report import tune_sections, write_report

    sections = tune_sections(result, command=command_line())
    return write_report(out / "report.html", sections, title=f"Search {result.study.study_name}")


def _show(result: "TuneResult") -> None:
    from lrtool.report.tune import sentence

    if not result.any_finished:
        show("no trial has finished yet")
        return
    show(strong(sentence(result)))
    show_table(("parameter", "value"), list(result.best_params.items()))
    show(f"\n{result.snippet()}")
    if result.best_checkpoint is not None:
        show(f"\nits weights: {result.best_checkpoint}")


def _numbers(result: "TuneResult", page: str) -> dict[str, Any]:
    done = result.any_finished
    return {
        "best_value": result.best_value if done else None,
        "best_params": result.best_params if done else None,
        "best_checkpoint": str(result.best_checkpoint) if done else None,
        "trials": result.trials,
        "finished": result.finished,
        "range_test": None if result.range_test is None else result.range_test.to_dict(),
        "report": page,
    }
