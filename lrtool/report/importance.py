"""How much each searched parameter explains of the differences between trials."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from optuna import Study

__all__ = ["importance"]

_FEWEST = 8


def importance(study: "Study") -> dict[str, float]:
    """Share of each parameter, by PED-ANOVA; empty with fewer than 8 finished trials.

    Args:
        study: an Optuna study with one objective.

    Returns:
        Parameter to share, largest first; the coordinates of lrtool's studies under the names of
        the parameters they stand for.

    References:
        Watanabe et al., "PED-ANOVA: efficiently quantifying hyperparameter importance in arbitrary
        subspaces", IJCAI 2023.
    """
    import warnings

    import optuna

    done = [trial for trial in study.get_trials(deepcopy=False) if trial.state.name == "COMPLETE"]
    if len(done) < _FEWEST or len({trial.value for trial in done}) < 2:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        evaluator = optuna.importance.PedAnovaImportanceEvaluator()
        shares = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return {_natural(name): float(share) for name, share in shares.items()}


def _natural(name: str) -> str:
    from lrtool.search.space import LR, MOMENTUM, WEIGHT_DECAY

    known = {LR: "max_lr", MOMENTUM: "momentum", WEIGHT_DECAY: "weight_decay"}
    return known.get(name, name.rpartition(".")[2])
