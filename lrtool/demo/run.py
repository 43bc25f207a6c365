"""The demo from start to end, as it prints itself."""

from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

from lrtool._quiet import quiet
from lrtool._terminal import show, show_table, strong
from lrtool.cli.range_test import show_result
from lrtool.demo.measure import measure
from lrtool.demo.page import write_page
from lrtool.demo.search import Search, search_measured, search_plain
from lrtool.demo.settings import Settings
from lrtool.demo.train import Training, train_default, train_one_cycle
from lrtool.report.files import write_range_test
from lrtool.result import RangeTestResult

__all__ = ["run"]


def run(settings: Settings, *, command: str) -> dict[str, Any]:
    """Measure, train, search, write the page.

    Args:
        settings: how much of everything.
        command: what was typed, for the page.

    Returns:
        Every number that was printed, as plain JSON values.
    """
    start = perf_counter()
    settings.clear()
    with quiet():
        result = _first(settings)
        trainings = _second(settings, result)
        searches = _third(settings, result)
        show(strong("4. One page about it all"))
        page = write_page(settings, result, trainings, searches, command=command)
    seconds = perf_counter() - start
    show(f"   {page}")
    names = ", ".join(sorted(path.name for path in settings.out.iterdir()))
    show(f"\nEverything is in {settings.out.resolve()}: {names}")
    show(f"{seconds:.0f} s in all; nothing else was written")
    return _numbers(result, trainings, searches, page, seconds)


def _first(settings: Settings) -> RangeTestResult:
    show(strong("1. Range test: which rates does this model take?"))
    result = measure(settings)
    show_result(result)
    paths = write_range_test(result, settings.out)
    show(f"   written: {', '.join(str(path) for path in paths)}\n")
    return result


def _second(settings: Settings, result: RangeTestResult) -> list[Training]:
    show(strong(f"2. Training for {settings.epochs} epochs: the measured rate, and the default"))
    trainings = [train_one_cycle(settings, result), train_default(settings)]
    show_table(
        ("training", "val_loss", "val_acc", "steps"),
        [(run.name, run.val_loss, run.val_acc, run.steps) for run in trainings],
    )
    show()
    return trainings


def _third(settings: Settings, result: RangeTestResult) -> dict[str, Search]:
    show(strong(f"3. Search, {settings.trials} trials: from the measurement, and from wide bounds"))
    searches = {"measured prior": search_measured(settings, result)}
    searches["wide TPE"] = search_plain(settings)
    show_table(
        ("search", "best val_loss", "max_lr", "momentum", "weight_decay"),
        [(name, search.best_value, *_knobs(search)) for name, search in searches.items()],
    )
    show()
    return searches


def _knobs(search: Search) -> Sequence[float]:
    return [search.best_params[name] for name in ("max_lr", "momentum", "weight_decay")]


def _numbers(
    result: RangeTestResult,
    trainings: Sequence[Training],
    searches: dict[str, Search],
    page: Path,
    seconds: float,
) -> dict[str, Any]:
    return {
        "range_test": {"lr": result.lr, "min_lr": result.min_lr, "max_lr": result.max_lr,
                       "status": result.suggestion.status.value, "steps": result.num_steps},
        "training": {run.name: {"val_loss": run.val_loss, "val_acc": run.val_acc,
                                "steps": run.steps} for run in trainings},
        "search": {name: {"best_value": search.best_value, "best_params": search.best_params}
                   for name, search in searches.items()},
        "report": str(page),
        "seconds": seconds,
    }  # fmt: skip
