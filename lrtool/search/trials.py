"""The life of trials: asking within the total, and taking over from the dead.

The total is the study's, over restarts and workers. A trial counts whatever became of it, except
one whose worker died and which another trial repeats. All of it happens under the study's mutex.
"""

import logging
import uuid

import optuna
from optuna.distributions import BaseDistribution
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from lrtool.search.locks import Locks

__all__ = [
    "HISTORY",
    "REASON",
    "RETRY_OF",
    "WORKER",
    "ask",
    "count",
    "new_worker",
    "others",
    "reasons_of",
    "reclaim",
    "requeue",
    "retried",
    "states_of",
    "tell",
]

_log = logging.getLogger(__name__)

WORKER = "lrtool:worker"
RETRY_OF = "lrtool:retry_of"
REASON = "lrtool:reason"
HISTORY = "lrtool:history"  # the trials before this one that ended of themselves
_MAX_RETRIES = 3


def new_worker() -> str:
    """A name no other worker ever has."""
    return uuid.uuid4().hex


def count(study: Study) -> int:
    """How many trials the study has used up: all but those that another trial repeats."""
    return len(study.get_trials(deepcopy=False)) - len(retried(study))


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


def requeue(study: Study, trial: FrozenTrial, reason: str, *, asked: bool = False) -> None:
    """Fail a running trial and queue its repeat, in the order that survives a kill in between.

    The repeat keeps parameters, attributes and reports, and so finds the same checkpoint folder.

    Args:
        study: the trial's; hold its mutex.
        trial: the running trial.
        reason: why, for the log; nothing where an error says it.
        asked: whether somebody asked for the stop. A trial is given up when it has ended of itself
            four times, but it may be stopped on request as often as one likes.
    """
    history = trial.user_attrs.get(HISTORY, [])
    if trial.number not in retried(study):
        if len(history) < _MAX_RETRIES:
            study.add_trial(_repeat(trial, history if asked else [*history, trial.number]))
            if reason:
                _log.warning("trial %d is repeated: %s", trial.number, reason)
        else:
            _log.warning("trial %d is given up after %d repeats", trial.number, len(history))
    tell(study, trial.number, state=TrialState.FAIL)


def retried(study: Study) -> dict[int, int]:
    """The trials that another trial repeats -> which."""
    trials = study.get_trials(deepcopy=False)
    return {t.user_attrs[RETRY_OF]: t.number for t in trials if RETRY_OF in t.user_attrs}


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


def states_of(study: Study) -> dict[int, str]:
    """What became of each trial, in a word.

    Optuna's words, but that a trial that was stopped, to go on in another, has not failed.
    """
    again = retried(study)
    words = {TrialState.FAIL: "failed"}
    return {
        t.number: "repeated" if t.number in again else words.get(t.state, t.state.name.lower())
        for t in study.get_trials(deepcopy=False)
    }


def reasons_of(study: Study) -> dict[int, str]:
    """Why each trial ended, in words; empty for those that ended well, and for the running."""
    again = retried(study)
    reasons = {}
    for trial in study.get_trials(deepcopy=False):
        reason = str(trial.user_attrs.get(REASON, ""))
        if trial.number in again:
            stopped = reason or "it was stopped, or its worker died"
            reason = f"{stopped}; trial {again[trial.number]} repeats it"
        reasons[trial.number] = reason
    return reasons


def _repeat(trial: FrozenTrial, history: list[int]) -> FrozenTrial:
    ended = {WORKER, REASON}  # what is true of the trial that ended, and not of its repeat
    kept = {name: value for name, value in trial.user_attrs.items() if name not in ended}
    return create_trial(
        state=TrialState.WAITING,
        params=trial.params,
        distributions=trial.distributions,
        user_attrs={**kept, RETRY_OF: trial.number, HISTORY: history},
        intermediate_values=trial.intermediate_values,
    )
