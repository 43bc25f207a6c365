"""Step 4: one page about it all."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from lrtool.demo.search import Search
from lrtool.demo.settings import Settings
from lrtool.demo.train import Training
from lrtool.report import (
    environment_section,
    importance,
    range_test_section,
    schedule_section,
    search_section,
    training_section,
    write_report,
)
from lrtool.result import RangeTestResult

__all__ = ["write_page"]


def write_page(
    settings: Settings,
    result: RangeTestResult,
    trainings: Sequence[Training],
    searches: Mapping[str, Search],
    *,
    command: str,
) -> Path:
    """Write report.html; every number in it comes from this run."""
    sections = [range_test_section(result)]
    sections += [
        schedule_section(run.schedule, title="Schedule") for run in trainings if run.schedule
    ]
    sections.append(
        training_section(
            {run.name: run.history for run in trainings},
            metric="val_loss",
            header=("training", "val_loss", "val_acc", "steps"),
            rows=[(run.name, run.val_loss, run.val_acc, run.steps) for run in trainings],
            note="Same weights at the start, same order of batches, same early stopping; the "
            "schedule is the only difference.",
        )
    )
    sections.append(
        search_section(
            {name: search.study for name, search in searches.items()},
            metric="val_loss",
            importance=importance(searches["measured prior"].study),
            header=("search", "best val_loss", "max_lr", "momentum", "weight_decay"),
            rows=[
                (name, search.best_value, *(search.best_params.get(key) for key in _KNOBS))
                for name, search in searches.items()
            ],
            note=f"{settings.trials} trials each. One run of one seed: whether the prior helps on "
            "average is a question for the benchmarks.",
        )
    )
    sections.append(environment_section(seed=settings.seed, commands=[command]))
    return write_report(
        settings.out / "report.html",
        sections,
        title="lrtool on handwritten digits",
        lead="1,797 real images, a small convolutional network, AdamW; measured in one run.",
    )


_KNOBS = ("max_lr", "momentum", "weight_decay")
