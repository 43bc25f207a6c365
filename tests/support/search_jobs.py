"""Quick studies to run in processes of their own, and to kill."""

import random
import signal
import sys
import time
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import TrialState

from lrtool.search import Knobs, Report, Space, TuneResult, measured_space, search
from lrtool.search.run import PARAMS
from lrtool.search.study import Definition
from lrtool.search.trials import RETRY_OF, count

KNOBS = Knobs(lr=0.01, momentum=0.9, weight_decay=1e-4, accumulates=True, optimizer="SGD")
PAUSE = 0.002


def space() -> Space:
    return measured_space(None, KNOBS, schedules=("constant",))


def value_of(params: dict[str, Any]) -> float:
    """A bowl in log LR, momentum and weight decay."""
    return float(
        (params["momentum"] - 0.8) ** 2 + 1e-3 * params["weight_decay"] + 0.1 * params["max_lr"]
    )


def train(params: dict[str, Any], report: Report) -> float:
    for step in range(2):
        report(step, value_of(params) + 1 - step)
        time.sleep(PAUSE)
    return value_of(params)


def run(storage: str, name: str, n_trials: int, **options: Any) -> TuneResult:
    return search(
        train,
        lambda: Definition(space()),
        storage=storage,
        study_name=name,
        n_trials=n_trials,
        sampler="random",
        progress_bar=False,
        **options,
    )


def work(storage: str, name: str, n_trials: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    run(storage, name, n_trials)


def run_under_fire(
    storage: str, name: str, n_trials: int, *, workers: int, kills: int, seed: int = 0
) -> int:
    """Run a study with several workers, `kill -9` one now and then; how many were killed."""
    context = get_context("forkserver")
    context.set_forkserver_preload(["support.search_jobs"])
    dice = random.Random(seed)
    arguments = (storage, name, n_trials)
    alive = [context.Process(target=work, args=arguments) for _ in range(workers)]
    for process in alive:
        process.start()
    killed = 0
    while any(process.is_alive() for process in alive):
        time.sleep(dice.uniform(0.05, 0.4))
        running = [process for process in alive if process.is_alive()]
        if killed < kills and running:
            victim = dice.choice(running)
            victim.kill()
            victim.join()
            killed += 1
            alive.remove(victim)
            replacement = context.Process(target=work, args=arguments)
            replacement.start()
            alive.append(replacement)
    codes = [process.exitcode for process in alive]
    assert codes == [0] * len(codes), codes
    return killed


def check_books(study: optuna.Study, n_trials: int) -> None:
    """Nothing lost, nothing twice: count, numbers, values and repeats."""
    trials = study.trials
    assert [trial.number for trial in trials] == list(range(len(trials)))
    assert count(study) == n_trials
    repeated = [trial.user_attrs[RETRY_OF] for trial in trials if RETRY_OF in trial.user_attrs]
    assert len(set(repeated)) == len(repeated)
    for trial in trials:
        if trial.number in repeated:
            assert trial.state == TrialState.FAIL
        elif len(trial.user_attrs.get("lrtool:history", [])) == 3:
            # Four workers died under it: it may end as failed, and counts.
            assert trial.state in {TrialState.COMPLETE, TrialState.FAIL}
        else:
            assert trial.state == TrialState.COMPLETE, (trial.number, trial.state, trial.user_attrs)
            assert trial.value == value_of(trial.user_attrs[PARAMS])
            assert trial.user_attrs[PARAMS] == space().params(trial.params)
            assert set(trial.intermediate_values) == {0, 1}
    for number in repeated:
        twin = next(t for t in trials if t.user_attrs.get(RETRY_OF) == number)
        # The first worker may have died before it had named all parameters.
        assert trials[number].params.items() <= twin.params.items()


if __name__ == "__main__":  # used by tests that send signals
    run(sys.argv[1], sys.argv[2], int(sys.argv[3]))
    Path(sys.argv[4]).write_text("done")
