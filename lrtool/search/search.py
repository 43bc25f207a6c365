"""search: a study over any training function."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import optuna
from optuna.study import Study
from optuna.trial import TrialState

from lrtool._check import integer
from lrtool.errors import UnsupportedError
from lrtool.search.bases import BaseLike
from lrtool.search.result import TuneResult
from lrtool.search.run import TrainFn, run_trials
from lrtool.search.sampler import distribution
from lrtool.search.storage import StorageLike, open_storage
from lrtool.search.study import Definition, open_study
from lrtool.search.trials import reasons_of

__all__ = ["search"]

# What None means where a study is made; where one goes on, it means "as stored".
_DEFAULTS = {"n_trials": 20, "monitor": "val_loss", "mode": "min", "schedules": ["one_cycle"]}


def search(
    train_fn: TrainFn,
    define: Callable[[], Definition],
    *,
    storage: StorageLike,
    study_name: str,
    n_trials: int | None = None,
    monitor: str | None = None,
    mode: str | None = None,
    seed: int | None = None,
    sampler: BaseLike | None = None,
    pruner: "str | optuna.pruners.BasePruner | None" = None,
    settings: Mapping[str, Any] | None = None,
    as_stored: Callable[[Mapping[str, Any]], TrainFn] | None = None,
    out_dir: str | Path | None = None,
    progress_bar: bool = True,
) -> TuneResult:
    """Run, or continue, a study of `train_fn` until it holds `n_trials` trials.

    Args:
        train_fn: (params, report) -> value; `report(step, value)` lets the pruner end it early.
        define: makes the space and the measurement behind it; called once a study.
        storage: see `lrtool.search.storage.open_storage`.
        study_name: the same name continues the same study.
        n_trials: the study's total, over restarts and workers; None as stored, or 20.
        monitor: the objective's name; None as stored, or "val_loss".
        mode: "min" or "max"; None as stored, or "min".
        seed: makes runs with one worker identical.
        sampler: base sampler that the prior weights.
        pruner: see `lrtool.search.pruners.make_pruner`.
        settings: more to keep with the study and to refuse changes of.
        as_stored: makes `train_fn` anew from the study's settings, which hold what the caller left
            out when it goes on with a study.
        out_dir: kept with the result.
        progress_bar: whether to show one, on a terminal.

    Raises:
        ArgumentError: when an argument is out of range or contradicts the study.
        UnsupportedError: when no trial could train.
    """
    if n_trials is not None:
        integer(1, n_trials=n_trials)
    home = open_storage(storage, study_name)
    given = {
        "n_trials": n_trials,
        "monitor": monitor,
        "mode": mode,
        "seed": seed,
        **(settings or {}),
    }
    with closing(home), _quiet():
        opened = open_study(
            home,
            study_name,
            define=define,
            settings=given,
            defaults=_DEFAULTS,
            sampler=sampler,
            pruner=pruner,
        )
        study, space = opened.study, opened.definition.space
        if as_stored is not None:
            train_fn = as_stored(opened.settings)
        total = int(opened.settings["n_trials"])
        distributions = {name: distribution(prior) for name, prior in space.priors.items()}
        with _Progress(study, total, progress_bar) as progress:
            finished = run_trials(
                study, home.locks, space, distributions, train_fn, total,
                on_trial=progress.update, shares_badly=(home.url or "").startswith("sqlite"),
            )  # fmt: skip
    if finished:
        _refuse_fruitless(study, total)
    return TuneResult(
        study=study,
        space=space,
        range_test=opened.definition.range_test,
        settings=dict(opened.settings),
        storage=home.url,
        out_dir=None if out_dir is None else Path(out_dir),
        finished=finished,
    )


def _refuse_fruitless(study: Study, total: int) -> None:
    """Raise when no trial finished, and none that another worker is at may still do so."""
    hopeful = (TrialState.COMPLETE, TrialState.RUNNING, TrialState.WAITING)
    if study.get_trials(deepcopy=False, states=hopeful):
        return
    reasons = [reason for reason in reasons_of(study).values() if reason] or ["no reason is known"]
    raise UnsupportedError(
        f"at least one of {total} trials must finish, but all were pruned or failed; the last one: "
        f"{reasons[-1].splitlines()[0]}; mend that, and start anew under another study_name"
    )


class _Progress:
    """A bar over the study's total, with the best value so far."""

    def __init__(self, study: Study, total: int, wanted: bool) -> None:
        from tqdm.auto import tqdm

        self._bar = tqdm(
            total=total,
            initial=min(_ended(study), total),
            desc="trials",
            disable=not wanted or not sys.stderr.isatty(),
        )

    def __enter__(self) -> "_Progress":
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def update(self, study: Study) -> None:
        self._bar.n = min(_ended(study), self._bar.total)
        try:
            self._bar.set_postfix_str(f"best {study.best_value:.4g}")
        except ValueError:  # no trial has finished yet
            self._bar.refresh()


def _ended(study: Study) -> int:
    return sum(trial.state.is_finished() for trial in study.get_trials(deepcopy=False))


@contextmanager
def _quiet() -> Iterator[None]:
    """Optuna's line for each trial off: the progress bar says it, and failures are warned of."""
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(max(level, optuna.logging.WARNING))
    try:
        yield
    finally:
        optuna.logging.set_verbosity(level)
