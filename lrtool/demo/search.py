"""Step 3: a search that starts from the measurement, beside the same number of plain trials."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import optuna
from optuna import Study, Trial

import lrtool
from lrtool.callbacks.objective import build_objective
from lrtool.demo.data import digits
from lrtool.demo.model import DigitsNet
from lrtool.demo.progress import bar
from lrtool.demo.settings import Settings
from lrtool.result import RangeTestResult
from lrtool.search import Report
from lrtool.search.storage import open_storage

__all__ = ["Search", "search_measured", "search_plain"]


@dataclass(frozen=True)
class Search:
    """One finished search.

    Args:
        study: Optuna's.
        best_value: the lowest validation loss of its trials.
        best_params: of that trial, in their own units.
    """

    study: Study
    best_value: float
    best_params: Mapping[str, Any]


def search_measured(settings: Settings, result: RangeTestResult) -> Search:
    """Search with the range test as the prior.

    Raises:
        KeyboardInterrupt: when the search was asked to stop before its last trial.
    """
    found = lrtool.tune(
        DigitsNet,
        lambda: digits(seed=settings.seed),
        n_trials=settings.trials,
        max_epochs=settings.trial_epochs,
        range_test=result,
        seed=settings.seed,
        storage=settings.journal,
        study_name="measured prior",
        out_dir=settings.checkpoints,
        keep="best",
        trainer_kwargs=settings.trainer_kwargs(),
    )
    if not found.finished:
        raise KeyboardInterrupt(f"what was measured until then is in {settings.out}")
    return Search(found.study, found.best_value, found.best_params)


def search_plain(settings: Settings) -> Search:
    """Search as one does without a measurement: Optuna's TPE over wide bounds.

    A trial trains through the same objective, so only the choice of parameters differs.
    """
    objective = build_objective(
        DigitsNet,
        lambda: digits(seed=settings.seed),
        max_epochs=settings.trial_epochs,
        trainer_kwargs=settings.trainer_kwargs(),
        seed=settings.seed,
    )
    study = optuna.create_study(
        storage=open_storage(settings.journal, "wide TPE").storage,
        study_name="wide TPE",
        sampler=optuna.samplers.TPESampler(seed=settings.seed),
    )
    with bar("wide TPE", settings.trials, "trial") as progress:

        def value_of(trial: Trial) -> float:
            value = objective(_wide(trial), Report(trial))
            progress.update()
            return value

        study.optimize(value_of, n_trials=settings.trials)
    return Search(study, study.best_value, study.best_params)


def _wide(trial: Trial) -> dict[str, Any]:
    """Bounds of somebody who measured nothing: five decades of rates."""
    return {
        "schedule": "one_cycle",
        "max_lr": trial.suggest_float("max_lr", 1e-5, 1.0, log=True),
        "momentum": trial.suggest_float("momentum", 0.8, 0.99),
        "weight_decay": trial.suggest_float("weight_decay", 1e-6, 1e-1, log=True),
        "pct_start": trial.suggest_float("pct_start", 0.05, 0.5),
        "div_factor": trial.suggest_float("div_factor", 2.0, 100.0, log=True),
        "final_div_factor": trial.suggest_float("final_div_factor", 10.0, 1e5, log=True),
    }
