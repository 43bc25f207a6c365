"""What stopping early costs and saves: rules judged on the recorded traces of full trainings.

    python benchmarks/early_stopping.py            # tables; the traces are benchmarks/data/...
    python benchmarks/early_stopping.py --fast     # the same on one seed

A rule sees the "watch" loss of each epoch and says after which epoch to stop and which epoch's
weights to keep; the "score" loss, on other rows, tells what those weights are worth. The cost is
relative to the weights the full run of 100 epochs keeps when its best epoch (by "watch") is kept;
below zero is better than the full run. lrtool's setting was chosen on the development tasks.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from pytorch_lightning.callbacks import EarlyStopping as LightningEarlyStopping
from stopping_traces import EPOCHS, PATH, TASKS, schedules, steps_per_epoch
from tasks import task

from lrtool.schedules import Schedule
from lrtool.stopping import (
    GeneralizationLoss,
    Moment,
    Phase,
    ProgressQuotient,
    StoppingRule,
    StoppingState,
    UpStrips,
)

Rule = Callable[["Run"], tuple[int, int]]


@dataclass(frozen=True)
class Run:
    """One recorded training.

    Args:
        watch: losses a rule may look at, one an epoch.
        score: losses that tell what an epoch's weights were worth.
        train: mean training loss of each epoch.
        schedule: of the learning rate.
        epoch: optimizer steps an epoch.
    """

    watch: Sequence[float]
    score: Sequence[float]
    train: Sequence[float]
    schedule: Schedule
    epoch: int


def full_run(run: Run, best: bool = True) -> tuple[int, int]:
    return len(run.watch) - 1, int(np.argmin(run.watch)) if best else len(run.watch) - 1


def lightning(run: Run, patience: int = 3, best: bool = False) -> tuple[int, int]:
    """Lightning's own class; `best` with a ModelCheckpoint beside it, and its file loaded."""
    theirs = LightningEarlyStopping("watch", patience=patience)
    epoch = 0
    for epoch, value in enumerate(run.watch):  # noqa: B007
        stop, _ = theirs._evaluate_stopping_criteria(torch.tensor(value, dtype=torch.float64))
        if stop:
            break
    return epoch, int(np.argmin(run.watch[: epoch + 1])) if best else epoch


def keras(run: Run) -> tuple[int, int]:
    """Keras's defaults: patience 0 ends at the first epoch that is not the best; no restore."""
    best = np.inf
    for epoch, value in enumerate(run.watch):
        if not value < best:
            return epoch, epoch
        best = value
    return len(run.watch) - 1, len(run.watch) - 1


def ours(**arguments: Any) -> Rule:
    """lrtool's rule with restore_best, fed as the callback feeds it."""

    def rule(run: Run) -> tuple[int, int]:
        judge, state = StoppingRule(**arguments), StoppingState()
        for epoch, value in enumerate(run.watch):
            at, phase = _moment(run, epoch)
            state, decision = judge.update(state, value, at, phase, run.train[epoch])
            if decision.stop:
                break
        assert state.best_at is not None
        return epoch, state.best_at.check - 1

    return rule


def _moment(run: Run, epoch: int) -> tuple[Moment, Phase]:
    step = (epoch + 1) * run.epoch
    cycle = run.schedule.cycle(step - 1)
    at = Moment(0, step, epoch + 1.0, 0 if cycle is None else cycle.index + 1)
    if cycle is not None:
        return at, Phase.JUDGE if step >= cycle.end else Phase.HOLD
    rising = run.schedule(step) > run.schedule(step - 1)
    return at, Phase.RISE if rising else Phase.JUDGE


# On the development traces: the fewest epochs, of those whose cost is not above that of longer
# patience; see the results' page. The callback takes it as patience="0.2dur", smoothing=3.
CHOSEN: dict[str, Any] = {"patience": f"{EPOCHS // 5}ep", "smoothing": 3}
NAME = "lrtool, patience '0.2dur', smoothing 3"
RULES: dict[str, Rule] = {
    "full run, last weights": lambda run: full_run(run, best=False),
    "full run, best kept": full_run,
    "Lightning, defaults": lightning,
    "Lightning, defaults + checkpoint": lambda run: lightning(run, best=True),
    "Keras, defaults": keras,
    "lrtool, defaults + restore_best": ours(),
    "lrtool, patience '0.2dur'": ours(patience=CHOSEN["patience"]),
    NAME: ours(**CHOSEN),
    "lrtool, GL 5": ours(criterion=GeneralizationLoss(5.0)),
    "lrtool, PQ 0.75": ours(criterion=ProgressQuotient(0.75)),
    "lrtool, UP 3": ours(criterion=UpStrips(3)),
}


def load(half: str, schedule: str, seeds: int) -> dict[str, list[Run]]:
    """Task name -> its runs, a seed each."""
    traces = json.loads(PATH.read_text(encoding="utf-8"))["traces"]
    out = {}
    for name in TASKS[half]:
        entry = traces.get(f"{name}/{schedule}")
        if entry is None:
            continue
        epoch = steps_per_epoch(task(name))
        plan = schedules(epoch)[schedule](entry["rate"])
        parts = zip(entry["watch"], entry["score"], entry["train"], strict=True)
        out[name] = [Run(*part, schedule=plan, epoch=epoch) for part in list(parts)[:seeds]]
    return out


def measure(rule: Rule, runs: Sequence[Run]) -> tuple[np.ndarray, np.ndarray]:
    """(cost, share of the epochs) of each run."""
    cost, share = [], []
    for run in runs:
        stop, kept = rule(run)
        reference = run.score[full_run(run)[1]]
        cost.append(run.score[kept] / reference - 1)
        share.append((stop + 1) / len(run.watch))
    return np.array(cost), np.array(share)


def table(half: str, schedule: str, seeds: int) -> None:
    runs = load(half, schedule, seeds)
    every = [run for several in runs.values() for run in several]
    print(f"\n### {half}, {schedule}: {len(runs)} tasks x {len(every) // len(runs)} seeds\n")
    print("| rule | epochs | cost, mean | median | worst | runs within 1% | tasks within 1% |")
    print("|---|---|---|---|---|---|---|")
    for name, rule in RULES.items():
        cost, share = measure(rule, every)
        tasks = [measure(rule, several)[0].mean() for several in runs.values()]
        print(
            f"| {name} | {share.mean():.0%} | {cost.mean():+.1%} | {np.median(cost):+.1%} | "
            f"{cost.max():+.1%} | {np.mean(cost <= 0.01):.0%} | "
            f"{np.sum(np.array(tasks) <= 0.01)}/{len(tasks)} |"
        )


def by_task(half: str, schedule: str, seeds: int, rule: str) -> None:
    print(f"\n`{rule}` by task ({half}, {schedule}):\n")
    print("| task | epochs | cost, mean | worst |")
    print("|---|---|---|---|")
    for name, runs in load(half, schedule, seeds).items():
        cost, share = measure(RULES[rule], runs)
        print(f"| {name} | {share.mean():.0%} | {cost.mean():+.1%} | {cost.max():+.1%} |")


def killed(half: str, seeds: int) -> None:
    """Runs of one-cycle that a rule ends before their best epoch, at a cost of over 1%."""
    print(f"\n### {half}, one_cycle: runs stopped that would have won (cost over 1%)\n")
    runs = [run for several in load(half, "one_cycle", seeds).values() for run in several]
    for name, rule in RULES.items():
        cost, share = measure(rule, runs)
        lost = int(np.sum((cost > 0.01) & (share < 1)))
        print(f"- {name}: {lost} of {len(runs)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--fast", action="store_true", help="one seed")
    parser.add_argument("--half", choices=["dev", "report"], default="report")
    args = parser.parse_args()
    seeds = 1 if args.fast else 5
    for schedule in schedules(1):
        table(args.half, schedule, seeds)
    by_task(args.half, "constant", seeds, NAME)
    killed(args.half, seeds)


if __name__ == "__main__":
    main()
