"""Pruners by name, sized for a run."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import optuna
from optuna.pruners import BasePruner

from lrtool._check import one_of

if TYPE_CHECKING:
    from optuna.study import Study

__all__ = ["PRUNERS", "REDUCTION", "make_pruner", "rungs_of"]

PRUNERS = ("none", "median", "rungs")
REDUCTION = 3
_RUNGS = (1 / REDUCTION**2, 1 / REDUCTION, 1.0)


def make_pruner(pruner: str | BasePruner, settings: Mapping[str, Any]) -> BasePruner:
    """Make a pruner.

    Args:
        pruner: "none"; "median" (below the median of the others at the same step); "rungs"
            (asynchronous successive halving over whole short trainings: the best third go on to a
            training three times as long); or a pruner of Optuna's.
        settings: the study's.

    Raises:
        ArgumentError: for an unknown name.
    """
    if isinstance(pruner, BasePruner):
        return pruner
    one_of("pruner", pruner, PRUNERS)
    if pruner == "median":
        return optuna.pruners.MedianPruner(n_startup_trials=4)
    if pruner == "rungs":
        # A rung reports once, at its end, and its number is the report's step.
        return optuna.pruners.SuccessiveHalvingPruner(
            min_resource=1, reduction_factor=REDUCTION, min_early_stopping_rate=0
        )
    return optuna.pruners.NopPruner()


def rungs_of(study: "Study") -> tuple[float, ...]:
    """Which shares of a full training a trial of `study` goes through, each a whole schedule.

    On rungs a trial trains for a ninth of the steps, and the best third of those for a third, and
    the best third of these in full, from the start each time: every rung ends a complete decay, so
    that what is compared is comparable.

    References:
        Li et al., "A system for massively parallel hyperparameter tuning", MLSys 2020.
    """
    settings = study.user_attrs.get("lrtool:settings", {})
    return _RUNGS if settings.get("pruner") == "rungs" else (1.0,)
