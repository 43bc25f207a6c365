"""What the finished trials of a study say, in one order."""

from math import inf, isfinite

from optuna.study import Study, StudyDirection
from optuna.trial import TrialState

from lrtool.search.guard import Outcome

__all__ = ["outcomes_of"]


def outcomes_of(study: Study) -> list[Outcome]:
    """Finished trials with their losses; with pruned ones among them, with their ranks.

    Values reached after different lengths of training do not compare. A trial that got further is
    better than one that was given up before; among equals the value decides; diverged are worst.
    """
    sign = -1.0 if study.direction == StudyDirection.MAXIMIZE else 1.0
    finished = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
    keys = []
    for trial in finished:
        value = trial.value
        loss = sign * value if value is not None and isfinite(value) else inf
        complete = trial.state == TrialState.COMPLETE or loss == inf
        keys.append((loss == inf, 0 if complete else 1, -(trial.last_step or 0), loss))
    if all(trial.state == TrialState.COMPLETE for trial in finished):
        return [Outcome(t.params, key[-1]) for t, key in zip(finished, keys, strict=True)]
    keys = [key if key[1] else (key[0], 0, 0, key[3]) for key in keys]
    order = {key: float(rank) for rank, key in enumerate(sorted(set(keys)))}
    return [
        Outcome(trial.params, inf if key[0] else order[key])
        for trial, key in zip(finished, keys, strict=True)
    ]
