"""How good are the picks? Regret of every suggester, of other tools and of fixed defaults.

    python benchmarks/pick.py --half drawn_again  # two minutes on a core; reads benchmarks/data
    python benchmarks/pick.py --half dev --fast # only at 300 steps
    python benchmarks/pick.py --half drawn_again drawn_thrice drawn_anew --fast  # as one
    python benchmarks/pick.py --speed           # what a suggestion costs

Regret of a pick: the share of the reachable improvement it loses (see pick_truth.py). Every finder
starts from the same weights (seeds 0..4, none of them the truth's). No pick leaves the user's rate,
here the fixed default. Other tools' picks come from pick_others.py, the truth from pick_truth.py.
Intervals are 95% bootstraps over tasks.
"""

import argparse
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pick_others
import torch
from finders import DEFAULT_LR
from pick_truth import PATHS, Truth, load
from sweeps import range_tests
from tasks import HALVES, OPTIMIZERS, Task, tasks

from lrtool.curve import LossCurve
from lrtool.suggest import SUGGESTERS, suggest
from lrtool.sweep import SweepConfig
from lrtool.types import StopReason

SEEDS = range(5)
BUDGETS = (50, 100, 200, 300)
PICKS = {"constant": "lr", "one_cycle": "max_lr"}
Table = dict[str, dict[str, Truth]]


@dataclass
class Scores:
    """What one method picked: task -> one rate per seed, for each schedule."""

    picks: dict[str, dict[str, list[float]]] = field(
        default_factory=lambda: {schedule: {} for schedule in PICKS}
    )
    intervals: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    steps: list[int] = field(default_factory=list)
    statuses: dict[str, list[str]] = field(default_factory=dict)

    def add(self, schedule: str, task: Task, lr: float) -> None:
        """A missing pick leaves the rate the user had."""
        lr = lr if np.isfinite(lr) else DEFAULT_LR[task.optimizer]
        self.picks[schedule].setdefault(task.name, []).append(lr)


def scored(half: str, truth: Table) -> list[Task]:
    """The half's tasks, without those that no rate learns."""
    return [task for task in tasks(half) if all(t.learns for t in truth[task.name].values())]


def ours(chosen: list[Task], budget: int) -> dict[str, Scores]:
    """Every suggester of lrtool on one sweep of at most `budget` steps."""
    out = {f"lrtool {name}": Scores() for name in SUGGESTERS}
    config = SweepConfig(num_steps=min(100, budget), max_steps=budget)
    for task in chosen:
        optimizer = OPTIMIZERS[task.optimizer][0].__name__
        for curve in range_tests(task, SEEDS, config):
            for name in SUGGESTERS:
                scores = out[f"lrtool {name}"]
                found = suggest(curve, name, optimizer=optimizer)
                for schedule, rate in PICKS.items():
                    scores.add(schedule, task, getattr(found, rate))
                scores.steps.append(len(curve))
                scores.intervals.setdefault(task.name, []).append(found.interval)
                scores.statuses.setdefault(task.name, []).append(found.status.value)
    return out


def theirs(chosen: list[Task], budget: int) -> dict[str, Scores]:
    """The other tools at the same number of steps, from what pick_others.py kept."""
    out: dict[str, Scores] = {}
    for half in dict.fromkeys(task.half for task in chosen):
        for method, table in pick_others.load(half, budget).items():
            for task in (task for task in chosen if task.half == half):
                for lr in table[task.name]:
                    for schedule in PICKS:
                        out.setdefault(method, Scores()).add(schedule, task, lr)
    return out


def default(chosen: list[Task]) -> dict[str, Scores]:
    scores = Scores()
    for task in chosen:
        for schedule in PICKS:
            for _ in SEEDS:
                scores.add(schedule, task, DEFAULT_LR[task.optimizer])
    return {"fixed default": scores}


def rows(methods: dict[str, Scores], truth: Table, schedule: str) -> Iterator[str]:
    yield "| method | mean regret (95%) | median | p90 | worst | > 0.1 | > 1 decade off | SD |"
    yield "|---|---|---|---|---|---|---|---|"
    measured = {name: summary(scores, truth, schedule) for name, scores in methods.items()}
    for name, line in sorted(measured.items(), key=lambda item: item[1][0]):
        mean, low, high, median, p90, worst, above, off, sd = line
        yield (
            f"| {name} | {mean:.3f} ({low:.3f}–{high:.3f}) | {median:.3f} | {p90:.2f} "
            f"| {worst:.2f} | {above:.0%} | {off:.0%} | {sd:.2f} |"
        )


def summary(scores: Scores, truth: Table, schedule: str) -> tuple[float, ...]:
    picks = scores.picks[schedule]
    regrets = np.array(
        [[truth[name][schedule].regret(lr) for lr in rates] for name, rates in picks.items()]
    )
    off = np.array(
        [[abs(truth[name][schedule].off(lr)) for lr in rates] for name, rates in picks.items()]
    )
    sd = np.mean([np.std(np.log10(rates), ddof=1) for rates in picks.values()])
    low, high = bootstrap(regrets.mean(1))
    p90 = float(np.quantile(regrets, 0.9))
    return (
        float(regrets.mean()), low, high, float(np.median(regrets)), p90, float(regrets.max()),
        float((regrets > 0.1).mean()), float((off > 1).mean()), float(sd),
    )  # fmt: skip


def bootstrap(per_task: np.ndarray, draws: int = 4000) -> tuple[float, float]:
    random = np.random.default_rng(0)
    means = random.choice(per_task, (draws, len(per_task))).mean(1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def coverage(scores: Scores, truth: Table) -> str:
    """How often the stated interval holds the grid's best rate, and touches its flat."""
    best, flat, widths = [], [], []
    for name, intervals in scores.intervals.items():
        table = truth[name]["constant"]
        optimum = table.x[np.argmin(table.regrets)]
        for low, high in intervals:
            if not np.isfinite(low):
                continue
            x_low, x_high = np.log10(low), np.log10(high)
            best.append(x_low <= optimum <= x_high)
            flat.append(x_low <= table.flat[1] and table.flat[0] <= x_high)
            widths.append(x_high - x_low)
    return (
        f"80% interval: holds the best rate in {np.mean(best):.0%} of runs, touches the flat in "
        f"{np.mean(flat):.0%}; median width {np.median(widths):.2f} decades"
    )


def per_task(scores: Scores, truth: Table) -> Iterator[str]:
    yield "| task | regret constant | off | regret one-cycle | SD | status |"
    yield "|---|---|---|---|---|---|"
    for name, rates in scores.picks["constant"].items():
        constant, cycle = truth[name]["constant"], truth[name]["one_cycle"]
        peaks = scores.picks["one_cycle"][name]
        off = [constant.off(lr) for lr in rates]
        statuses = scores.statuses.get(name, [])
        counts = ", ".join(f"{s} {statuses.count(s)}" for s in dict.fromkeys(statuses))
        yield (
            f"| {name} | {np.mean([constant.regret(lr) for lr in rates]):.3f} "
            f"| {np.median(off):+.2f} | {np.mean([cycle.regret(lr) for lr in peaks]):.3f} "
            f"| {np.std(np.log10(rates), ddof=1):.2f} | {counts} |"
        )


def speed() -> Iterator[str]:
    """Milliseconds for one suggestion, the best of 30: other programs only ever add to it."""
    yield "| suggester | 100 points | 1,000 points | 10,000 points |"
    yield "|---|---|---|---|"
    for name in SUGGESTERS:
        cells = []
        for points in (100, 1_000, 10_000):
            lr = np.geomspace(1e-6, 10, points)
            noise = 0.05 * np.random.default_rng(0).standard_normal(points)
            curve = LossCurve(lr, 1 / (1 + lr / 1e-2) + lr + noise, StopReason.DIVERGED)
            times = []
            for _ in range(30):
                started = time.perf_counter()
                suggest(curve, name, optimizer="Adam")
                times.append(time.perf_counter() - started)
            cells.append(f"{1000 * min(times):.2f} ms")
        yield f"| {name} | {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--half", default=["dev"], choices=HALVES, nargs="+")
    parser.add_argument("--fast", action="store_true", help="only 300 steps")
    parser.add_argument("--speed", action="store_true", help="only time the suggesters")
    args = parser.parse_args()
    if args.speed:
        print(*speed(), sep="\n")
        return
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    truth: Table = {}
    for half in args.half:
        truth |= load(PATHS[half])
    chosen = [task for half in args.half for task in scored(half, truth)]
    name = ", ".join(args.half)
    started = time.perf_counter()
    for budget in (300,) if args.fast else BUDGETS[::-1]:
        methods = ours(chosen, budget) | default(chosen) | theirs(chosen, budget)
        for schedule, rate in PICKS.items():
            print(f"\n## {budget} steps, {schedule} (result.{rate}), {name}\n")
            print(*rows(methods, truth, schedule), sep="\n")
        mine = methods["lrtool auto"]
        print(f"\nsteps spent: median {np.median(mine.steps):.0f}, most {max(mine.steps)}")
        print(coverage(mine, truth))
        print(*per_task(mine, truth), sep="\n", flush=True)
    print(f"\n{time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
