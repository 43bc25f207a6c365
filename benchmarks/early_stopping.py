"""What stopping early costs and saves: rules judged on the recorded traces of full trainings.

    python benchmarks/early_stopping.py               # tasks lrtool's setting was not chosen on
    python benchmarks/early_stopping.py --half dev    # those it was chosen on
    python benchmarks/early_stopping.py --fast        # the same on one seed

A rule sees the "watch" loss of each epoch and says after which epoch to stop and which epoch's
weights to keep; the "score" loss, on other rows, tells what those weights are worth beside those
that the full run keeps when its best epoch (by "watch") is kept:

    cost   = score / full - 1                       relative; below zero: better than the full run
    regret = (score - full) / (untrained - full)    of all that training gained, the share given up

A loss near zero makes large costs of differences that nobody would notice; regret does not.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from pytorch_lightning.callbacks import EarlyStopping as LightningEarlyStopping
from stopping_traces import CYCLES, DECAYS, PATH, TASKS, schedules, steps_per_epoch
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
        before: score of the untrained weights.
        schedule: of the learning rate.
        epoch: optimizer steps an epoch.
    """

    watch: Sequence[float]
    score: Sequence[float]
    train: Sequence[float]
    before: float
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


def ours(share: float | None = None, aware: bool = True, **arguments: Any) -> Rule:
    """lrtool's rule with restore_best, fed as the callback feeds it.

    Args:
        share: patience as a share of the run, as "0.2dur" says it to the callback.
        aware: whether it looks at the schedule.
        arguments: of the rule.
    """

    def rule(run: Run) -> tuple[int, int]:
        patience = {} if share is None else {"patience": f"{round(share * len(run.watch))}ep"}
        judge, state = StoppingRule(**patience, **arguments), StoppingState()
        for epoch, value in enumerate(run.watch):
            at, phase = _moment(run, epoch)
            if not aware:
                at, phase = replace(at, cycle=0), Phase.JUDGE
            state, decision = judge.update(state, value, at, phase, run.train[epoch])
            if decision.stop:
                break
        assert state.best_at is not None
        return epoch, state.best_at.check - 1

    return rule


def hindsight(run: Run) -> tuple[int, int]:
    """The first epoch to stop at that costs no more than 1%: what no rule can know."""
    kept, full = 0, run.score[full_run(run)[1]]
    for epoch, value in enumerate(run.watch):
        kept = epoch if value < run.watch[kept] else kept
        if run.score[kept] <= 1.01 * full:
            break
    return epoch, kept


def _moment(run: Run, epoch: int) -> tuple[Moment, Phase]:
    plan, step = run.schedule, (epoch + 1) * run.epoch
    cycle = plan.cycle(step - 1)
    at = Moment(0, step, epoch + 1.0, 0 if cycle is None else cycle.index + 1)
    if cycle is not None:
        return at, Phase.JUDGE if step >= cycle.end else Phase.HOLD
    if plan(step) > plan(step - 1):
        return at, Phase.RISE
    falls = plan.length is not None and plan(step) > plan(plan.length)
    return at, Phase.HOLD if falls else Phase.JUDGE


# lrtool's setting was chosen at a constant rate: first on "dev", then, when "report" and "rest" had
# been seen, on all four, before "last" was. It is the same under the other schedules.
HALVES = {"dev": ("dev", "more", "report", "rest"), "report": ("last",)}
SCHEDULED = {"dev": ("dev",), "report": ("report", "rest")}
CHOSEN: dict[str, Any] = {
    "share": 0.2,
    "smoothing": 3,
    "min_delta": 0.02,
    "min_delta_mode": "rel",
}
NAME = "lrtool, patience 0.2dur, smoothing 3, min_delta 2%"
FIRST = "lrtool, patience 0.2dur, smoothing 3"
BLIND = NAME + ", schedule_aware=False"
RULES: dict[str, Rule] = {
    "full run, last weights": lambda run: full_run(run, best=False),
    "full run, best kept": full_run,
    "Lightning, defaults": lightning,
    "Lightning, defaults + checkpoint": lambda run: lightning(run, best=True),
    "Keras, defaults": keras,
    "lrtool, defaults + restore_best": ours(),
    FIRST: ours(share=0.2, smoothing=3),
    NAME: ours(**CHOSEN),
    BLIND: ours(**CHOSEN, aware=False),
    "lrtool, GL 5": ours(criterion=GeneralizationLoss(5.0)),
    "lrtool, PQ 0.75": ours(criterion=ProgressQuotient(0.75)),
    "lrtool, UP 3": ours(criterion=UpStrips(3)),
    "hindsight, 1%": hindsight,
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
        plan = schedules(epoch, entry["epochs"])[schedule](entry["rate"])
        columns = (entry[column] for column in ("watch", "score", "train", "before"))
        parts = list(zip(*columns, strict=True))[:seeds]
        out[name] = [Run(*part, schedule=plan, epoch=epoch) for part in parts]
    return out


def measure(rule: Rule, runs: Sequence[Run]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(cost, regret, share of the epochs) of each run."""
    out = []
    for run in runs:
        stop, kept = rule(run)
        full, score = run.score[full_run(run)[1]], run.score[kept]
        regret = (score - full) / (run.before - full)
        cost = score / full - 1 if full else np.nan  # a full run with a loss of exactly zero
        out.append((cost, regret, (stop + 1) / len(run.watch)))
    cost, regret, share = np.array(out).T
    return cost, regret, share


def table(halves: Sequence[str], schedule: str, seeds: int) -> None:
    runs = {name: group for half in halves for name, group in load(half, schedule, seeds).items()}
    every = [run for group in runs.values() for run in group]
    print(f"\n### {' + '.join(halves)}, {schedule}: {len(runs)} tasks, {len(every)} runs\n")
    print(
        "| rule | epochs | cost, mean | median | worst | regret, mean | worst | tasks within 1% |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for name, rule in RULES.items():
        cost, regret, share = measure(rule, every)
        typical, worst = np.nanmedian(cost), np.nanmax(cost)
        tasks = [[np.nanmean(part) for part in measure(rule, group)[:2]] for group in runs.values()]
        within = (np.array(tasks) <= 0.01).sum(0)
        print(
            f"| {name} | {share.mean():.0%} | {np.nanmean(cost):+.1%} | {typical:+.1%} | "
            f"{worst:+.1%} | {regret.mean():+.2%} | {regret.max():+.1%} | "
            f"{within[0]} by cost, {within[1]} by regret |"
        )


def by_task(half: str, seeds: int, rules: Sequence[str]) -> None:
    print(f"\n### {half}, constant, task by task: epochs, cost, regret\n")
    print("| task | " + " | ".join(rules) + " |\n" + "|---" * (1 + len(rules)) + "|")
    for name, runs in load(half, "constant", seeds).items():
        cells = []
        for rule in rules:
            cost, regret, share = measure(RULES[rule], runs)
            cells.append(f"{share.mean():.0%}, {np.nanmean(cost):+.1%}, {regret.mean():+.2%}")
        print(f"| {name} | " + " | ".join(cells) + " |")


def killed(halves: Sequence[str], seeds: int) -> None:
    """Runs that a rule ends early at a cost of over 1%."""
    plans = ("one_cycle", *DECAYS)
    runs = {
        plan: [
            run for half in halves for group in load(half, plan, seeds).values() for run in group
        ]
        for plan in plans
    }
    print(f"\n### {' + '.join(halves)}: runs stopped that would have won (cost over 1%)\n")
    print("| rule | " + " | ".join(plans) + " |\n" + "|---" * (1 + len(plans)) + "|")
    for name, rule in RULES.items():
        cells = []
        for plan in plans:
            cost, _, share = measure(rule, runs[plan])
            cells.append(f"{np.sum((cost > 0.01) & (share < 1))} of {len(cost)}")
        print(f"| {name} | " + " | ".join(cells) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--fast", action="store_true", help="one seed")
    parser.add_argument("--half", choices=["dev", "report"], default="report")
    args = parser.parse_args()
    seeds = 1 if args.fast else 5
    halves = HALVES[args.half]
    for half in halves:
        table([half], "constant", seeds)
        by_task(half, seeds, (FIRST, NAME, "hindsight, 1%"))
    if len(halves) > 1:
        table(halves, "constant", seeds)
    for schedule in (*CYCLES, *DECAYS):
        table(SCHEDULED[args.half], schedule, seeds)
    killed(SCHEDULED[args.half], seeds)


if __name__ == "__main__":
    main()
