"""What the finished trials of a study say, in one order."""

from math import inf, isfinite

from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from lrtool.search.guard import Outcome

__all__ = ["outcomes_of"]


def outcomes_of(study: Study) -> list[Outcome]:
    """Finished trials with their losses; with pruned ones among them, with their ranks.

    Values reached after different lengths of training do not compare. A trial that got further is
    better than one that was given up before; among equals the value decides; diverged are worst.
    """
    sign = -1.0 if study.direction == StudyDirection.MAXIMIZE else 1.0
    finished = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
    losses = [_loss(trial, sign) for trial in finished]
    if all(trial.state == TrialState.COMPLETE for trial in finished):
        return [Outcome(trial.params, loss) for trial, loss in zip(finished, losses, strict=True)]
    keys = [_key(trial, loss) for trial, loss in zip(finished, losses, strict=True)]
    ranks = {key: float(rank) for rank, key in enumerate(sorted(set(keys)))}
    return [
        Outcome(trial.params, inf if loss == inf else ranks[key])
        for trial, loss, key in zip(finished, losses, keys, strict=True)
    ]


def _loss(trial: FrozenTrial, sign: float) -> float:
    """The trial's value, lower being better; inf when it diverged."""
    return sign * trial.value if trial.value is not None and isfinite(trial.value) else inf


def _key(trial: FrozenTrial, loss: float) -> tuple[bool, bool, int, float]:
    """What the better trial has less of."""
    given_up = trial.state == TrialState.PRUNED and loss < inf
    return loss == inf, given_up, -(trial.last_step or 0) if given_up else 0, loss
