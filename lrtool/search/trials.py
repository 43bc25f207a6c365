"""The life of trials: asking within the total, and taking over from the dead.

The total is the study's, over restarts and workers. A trial counts whatever became of it, except
one whose worker died and which another trial repeats. All of it happens under the study's mutex.
"""

import logging
import uuid
from collections.abc import Mapping
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from lrtool.search.locks import Locks

__all__ = [
    "REASON",
    "RETRY_OF",
    "WORKER",
    "ask",
    "count",
    "new_worker",
    "others",
    "reclaim",
    "requeue",
    "tell",
]

_log = logging.getLogger(__name__)

WORKER = "lrtool:worker"
RETRY_OF = "lrtool:retry_of"
REASON = "lrtool:reason"
_MAX_RETRIES = 3


def new_worker() -> str:
    """A name no other worker ever has."""
    return uuid.uuid4().hex


def count(study: Study) -> int:
    """How many trials the study has used up: all but those that another trial repeats."""
    trials = study.get_trials(deepcopy=False)
    return len(trials) - len(_retried(trials))


def ask(
    study: Study,
    locks: Locks,
    worker: str,
    n_trials: int,
    distributions: dict[str, BaseDistribution],
) -> Trial | None:
    """The next trial, or None when the study's total is used up.

    Args:
        study: where to ask.
        locks: the study's.
        worker: who asks; its lease must be held.
        n_trials: the study's total.
        distributions: parameters to fix at once, so that other workers see them.
    """
    with locks.mutex():
        reclaim(study, locks)
        waiting = study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
        if not waiting and count(study) >= n_trials:
            return None
        trial = study.ask(distributions)
        # Still under the mutex: who finds a running trial without a name knows its worker is dead.
        trial.set_user_attr(WORKER, worker)
        return trial


def others(study: Study, locks: Locks, worker: str) -> bool:
    """Whether another living worker has a running trial."""
    running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    names = {str(trial.user_attrs.get(WORKER, worker)) for trial in running} - {worker}
    return any(locks.alive(name) for name in names)


def reclaim(study: Study, locks: Locks) -> list[int]:
    """Queue a repeat of every running trial whose worker is dead; hold the mutex.

    Returns:
        The numbers of the trials that were taken over.
    """
    taken = []
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        worker = trial.user_attrs.get(WORKER)
        if worker is None or not locks.alive(worker):
            requeue(study, trial, "its worker died")
            taken.append(trial.number)
    return taken


def requeue(study: Study, trial: FrozenTrial, reason: str) -> None:
    """Fail a running trial and queue its repeat, in the order that survives a kill in between.

    The repeat keeps parameters, attributes and reports, and so finds the same checkpoint folder.
    """
    trials = study.get_trials(deepcopy=False)
    history = len(trial.user_attrs.get("lrtool:history", []))
    if trial.number not in _retried(trials) and history < _MAX_RETRIES:
        study.add_trial(_repeat(trial))
        _log.warning("trial %d is repeated: %s", trial.number, reason)
    tell(study, trial.number, state=TrialState.FAIL)


def tell(
    study: Study,
    number: int,
    value: float | None = None,
    state: TrialState | None = None,
) -> bool:
    """Finish a trial; False, with a warning, when somebody else finished it meanwhile."""
    try:
        study.tell(number, value, state=state)
    except (ValueError, optuna.exceptions.UpdateFinishedTrialError) as error:
        _log.warning("trial %d is dropped: somebody else finished it (%s)", number, error)
        return False
    return True


def _repeat(trial: FrozenTrial) -> FrozenTrial:
    attrs: Mapping[str, Any] = trial.user_attrs
    kept = {name: value for name, value in attrs.items() if name != WORKER}
    history = [*attrs.get("lrtool:history", []), trial.number]
    return create_trial(
        state=TrialState.WAITING,
        params=trial.params,
        distributions=trial.distributions,
        user_attrs={**kept, RETRY_OF: trial.number, "lrtool:history": history},
        intermediate_values=trial.intermediate_values,
    )


def _retried(trials: list[FrozenTrial]) -> set[int]:
    return {trial.user_attrs[RETRY_OF] for trial in trials if RETRY_OF in trial.user_attrs}
