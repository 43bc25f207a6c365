"""Pruners by name, sized for a run."""

from collections.abc import Mapping
from typing import Any

import optuna
from optuna.pruners import BasePruner

from lrtool._check import one_of

__all__ = ["PRUNERS", "make_pruner"]

PRUNERS = ("none", "median", "rungs")
REDUCTION = 3


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
