"""Step 3: a search that starts from the measurement, beside the same number of plain trials."""

from typing import Any

import optuna

import lrtool
from lrtool.demo.data import digits
from lrtool.demo.model import DigitsNet
from lrtool.demo.settings import Settings
from lrtool.result import RangeTestResult
from lrtool.search import LogUniform, Normal

__all__ = ["search_measured", "search_plain"]

# What somebody who measured nothing would search: five decades of rates.
_WIDE: dict[str, Any] = {}


def search_measured(settings: Settings, result: RangeTestResult) -> Any:
    """Search with the range test as the prior."""
    return _search(settings, "measured prior", range_test=result)


def search_plain(settings: Settings) -> Any:
    """Search with Optuna's TPE from wide bounds, as one does without a measurement."""
    return _search(settings, "wide TPE", range_test=None)


def _search(settings: Settings, name: str, **options: Any) -> Any:
    data = digits(seed=settings.seed)
    return lrtool.tune(
        DigitsNet,
        data,
        n_trials=settings.trials,
        max_epochs=settings.trial_epochs,
        storage=settings.out / "study.journal",
        study_name=name,
        seed=settings.seed,
        trainer_kwargs=settings.trainer_kwargs(),
        **options,
    )
