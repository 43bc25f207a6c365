"""One worker's loop: ask, train, tell, until the study's total is used up."""

import gc
import logging
import signal
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import isfinite
from types import FrameType
from typing import Any, TypeAlias

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.study import Study
from optuna.trial import Trial, TrialState

from lrtool.errors import LRToolError, UnsupportedError
from lrtool.search.locks import Locks
from lrtool.search.report import Interrupted, Report
from lrtool.search.space import Space
from lrtool.search.trials import REASON, ask, new_worker, others, requeue, retried, tell

__all__ = ["PARAMS", "AllFailedError", "TrainFn", "run_trials"]

_log = logging.getLogger(__name__)

PARAMS = "lrtool:params"
TrainFn: TypeAlias = Callable[[dict[str, Any], Report], float]
_SQLITE = (
    "several workers share a study in SQLite, whose writers lock each other out: "
    "use a journal file (storage='study.journal') on one machine, postgresql:// on many"
)
_MOST_TEXT = 4000  # of a traceback, from its end
_HOPELESS = 3  # failures in a row, from the very first trial, after which nothing can work


class AllFailedError(UnsupportedError):
    """The training function raised in the first trials of a study, each time.

    The message ends with the last one's traceback.
    """


@dataclass
class _Stop:
    """Ctrl-C, remembered until the running trial has ended."""

    requested: bool = False
    report: Report | None = None


def run_trials(
    study: Study,
    locks: Locks,
    space: Space,
    distributions: dict[str, BaseDistribution],
    train_fn: TrainFn,
    n_trials: int,
    *,
    on_trial: Callable[[Study], None] | None = None,
    shares_badly: bool = False,
) -> bool:
    """Run trials until the study holds `n_trials`.

    A trial that raises fails alone. One that returns NaN or raises `Diverged` is pruned, with its
    reason. One that raises an error of ours ends the search, and is queued for when its set-up is
    mended. Ctrl-C asks the running trial to stop (a training function that knows `stop_requested`
    checkpoints itself, any other finishes); a second one stops at once; either way the unfinished
    trial is queued again.

    Args:
        study: the study.
        locks: what keeps its workers apart.
        space: turns Optuna's coordinates into parameters.
        distributions: Optuna's.
        train_fn: (params, report) -> value.
        n_trials: the study's total, over restarts and workers.
        on_trial: called after each trial.
        shares_badly: warn when another worker turns up.

    Returns:
        Whether the total was reached; False after Ctrl-C.

    Raises:
        AllFailedError: when the first trials of the study all failed.
    """
    worker, stop = new_worker(), _Stop()
    with locks.lease(worker), _sigint(stop):
        while not stop.requested:
            trial = ask(study, locks, worker, n_trials, distributions)
            if trial is None:
                return True
            if shares_badly and others(study, locks, worker):
                shares_badly = False
                warnings.warn(_SQLITE, stacklevel=2)
            _run_one(study, locks, space, trial, train_fn, stop)
            if on_trial is not None:
                on_trial(study)
            gc.collect()  # a Trainer and its model hold on to each other in circles
            _give_up_if_hopeless(study)
    return False


def _run_one(
    study: Study, locks: Locks, space: Space, trial: Trial, train_fn: TrainFn, stop: _Stop
) -> None:
    params = {name: _plain(value) for name, value in space.params(trial.params).items()}
    report = Report(trial)
    stop.report = report
    try:
        trial.set_user_attr(PARAMS, params)
        value = float(train_fn(params, report))
    except (Interrupted, KeyboardInterrupt):
        stop.requested = True
        _again(study, locks, trial, "interrupted; it continues on the next run", asked=True)
    except optuna.TrialPruned as pruned:
        _end(study, trial, TrialState.PRUNED, str(pruned) or "the pruner gave it up")
    except optuna.exceptions.UpdateFinishedTrialError:
        _log.warning("trial %d is dropped: somebody else finished it", trial.number)
    except LRToolError as error:  # a set-up that no other trial would survive either
        _note(trial, str(error))
        _again(study, locks, trial)  # once the set-up is mended
        raise
    except Exception as error:  # a trial fails alone, whatever its model does
        if stop.requested:  # loaders whose processes were ended by the same signal, for one
            _again(study, locks, trial, f"interrupted, and then {error!r}", asked=True)
            return
        # The frames of a traceback hold the model; only its text is kept.
        summary = f"{type(error).__name__}: {error}"
        lines = "".join(traceback.format_exception(error)).strip()[-_MOST_TEXT:]
        _end(study, trial, TrialState.FAIL, f"{summary}\n{lines}")
        _log.warning("trial %d failed: %s", trial.number, summary)
    else:
        if isfinite(value):
            tell(study, trial.number, value)
        else:
            _end(study, trial, TrialState.PRUNED, f"diverged: the value is {value}")
    finally:
        stop.report = None


def _plain(value: Any) -> Any:
    """A sampler's numpy number as Python's own.

    A module keeps it among its hyperparameters, and torch loads no checkpoint with numpy's in it.
    """
    return value.item() if isinstance(value, np.generic) else value


def _again(
    study: Study, locks: Locks, trial: Trial, reason: str = "", *, asked: bool = False
) -> None:
    """Queue the running trial once more."""
    with locks.mutex():
        requeue(study, study.trials[trial.number], reason, asked=asked)


def _end(study: Study, trial: Trial, state: TrialState, reason: str) -> None:
    if _note(trial, reason):
        tell(study, trial.number, state=state)


def _note(trial: Trial, reason: str) -> bool:
    """Keep why the trial ends; False, with a warning, when somebody else finished it meanwhile."""
    try:
        trial.set_user_attr(REASON, reason)
    except optuna.exceptions.UpdateFinishedTrialError:
        _log.warning("trial %d is dropped: somebody else finished it", trial.number)
        return False
    return True


def _give_up_if_hopeless(study: Study) -> None:
    again = retried(study)
    trials = study.get_trials(deepcopy=False)
    ended = [t for t in trials if t.state.is_finished() and t.number not in again]
    broken = [t for t in ended if t.state == TrialState.FAIL and REASON in t.user_attrs]
    if len(broken) == len(ended) >= _HOPELESS:
        reason = broken[-1].user_attrs[REASON]
        raise AllFailedError(
            f"at least one of the first {_HOPELESS} trials must train, but all failed; "
            f"the last one with:\n{reason}"
        )


@contextmanager
def _sigint(stop: _Stop) -> Iterator[None]:
    """Turn the first Ctrl-C into a request; the second one interrupts as usual."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)

    def handle(signum: int, frame: FrameType | None) -> None:
        if stop.requested:
            raise KeyboardInterrupt
        stop.requested = True
        if stop.report is not None:
            stop.report.stop_requested = True
            number = stop.report.trial.number
            _log.warning("stopping after trial %d; Ctrl-C again stops it now", number)

    signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
