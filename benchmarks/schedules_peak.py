"""Does the best shape, or the best peak, change with the length of the run? On development tasks.

    python benchmarks/schedules_peak.py run --budget 400      # then 2000 and 10000; stored
    python benchmarks/schedules_peak.py show

Each shape runs at the range test's own max_lr times factors a quarter of a decade apart:
three seeds, each with its own pick, all lanes at once (batched.py). The length of the run is what a
schedule knows of it: if the best factor fell with the length alike on most tasks, schedules could
follow. The loss is the validation loss after the last step, mean over seeds; a diverged lane counts
as untrained.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from batched import Lanes
from schedules import SHAPES, Plan, rate_or_default
from sweeps import range_tests
from tasks import OPTIMIZERS, Task, task

from lrtool.suggest import suggest
from lrtool.sweep import SweepConfig

SEEDS = [0, 1, 2]
TRIED = ("one_cycle", "one_cycle_linear", "linear", "wsd", "rex", "constant")
OFFSETS = np.arange(-2, 0.51, 0.25)  # decades from the measured max_lr
FILE = Path(__file__).parent / "data" / "schedules_peak.json"

# The development tasks whose steps are cheap; the first fourteen at 10,000 steps too.
NAMES = (
    "wine_logreg_adam_8", "wine_logreg_sgd", "wine_logreg_nesterov_32", "diabetes_mlp_nesterov",
    "pixels_factors_sgd_64", "cancer_raw_momentum_8", "cancer_raw_sgd_32", "diabetes_mlp_adam_8",
    "cancer_raw_mlp_adamw", "pixels_factors_adagrad", "diabetes_mlp_sgd_64",
    "pixels_factors_adamw_128", "digits_mlp_sgd", "digits_autoencoder_nesterov_32",
    "digits_mlp_adam_8", "digits_raw_mlp_adamw_16", "digits_raw_mlp_sgd_32",
)  # fmt: skip


def run(budget: int) -> None:
    """Run what is not stored yet, task by task."""
    stored: dict[str, Any] = json.loads(FILE.read_text()) if FILE.exists() else {}
    for name in NAMES if budget < 10_000 else NAMES[:14]:
        entry = stored.setdefault(name, {})
        if str(budget) in entry:
            continue
        begun = time.process_time()
        one = task(name)
        if "picks" not in entry:
            entry["picks"] = picks(one)
        entry[str(budget)] = losses_of(one, entry["picks"], budget)
        FILE.write_text(json.dumps(stored, separators=(",", ":")))
        print(f"{name}: {time.process_time() - begun:.0f} s", flush=True)


def picks(one: Task) -> list[float]:
    """The measured max_lr of each seed; the rate nobody chose where there is no pick."""
    optimizer = OPTIMIZERS[one.optimizer][0].__name__
    found = [
        suggest(curve, optimizer=optimizer) for curve in range_tests(one, SEEDS, SweepConfig())
    ]
    return [rate_or_default(each, "max_lr", one) for each in found]


def losses_of(one: Task, rates: list[float], total: int) -> dict[str, Any]:
    """Shape -> final validation loss at each offset, and the untrained one."""
    plan = Plan()
    for shape in TRIED:
        schedule = SHAPES[shape](total)
        for offset in OFFSETS:
            plan.add(shape, schedule, [rate * 10**offset for rate in rates])
    lanes = Lanes(one, SEEDS, len(plan.names))
    before = lanes.validation()
    streams = [one.indices(seed) for seed in SEEDS]
    table = torch.tensor(plan.table(total), dtype=torch.float32)
    for step in range(total):
        lanes.step(np.stack([next(stream) for stream in streams]), table[step])
    after = lanes.validation()
    after = np.where(after < before, after, before).mean(0).reshape(len(TRIED), len(OFFSETS))
    found = {
        shape: [float(f"{loss:.5g}") for loss in row]
        for shape, row in zip(TRIED, after, strict=True)
    }
    return {"before": float(before.mean()), **found}


def show() -> None:
    """Print the tables."""
    stored = json.loads(FILE.read_text())
    budgets = sorted({int(key) for entry in stored.values() for key in entry if key != "picks"})
    runs = {
        budget: {name: e[str(budget)] for name, e in stored.items() if str(budget) in e}
        for budget in budgets
    }
    _show_best_offsets(runs)
    for budget in budgets:
        _show_losses(budget, runs[budget])
    _show_rules(runs)


def _show_best_offsets(runs: dict[int, dict[str, Any]]) -> None:
    """Where one-cycle's best peak lies, task by task: the middle of the factors within 1%."""
    lengths = " | ".join(f"{budget:,} steps" for budget in runs)
    print(
        f"| task | training rows | epochs in 400 steps | {lengths} |\n|{'---|' * (len(runs) + 3)}"
    )
    found: dict[int, list[float]] = {budget: [] for budget in runs}
    for name in NAMES:
        cells = [f"{len(task(name).data()[0]):,}", f"{_epochs(name, 400):.0f}"]
        for budget, entries in runs.items():
            if name in entries:
                found[budget].append(_best_offset(entries[name], "one_cycle"))
            cells.append(f"{found[budget][-1]:+.2f}" if name in entries else "")
        print(f"| {name} | {' | '.join(cells)} |")
    medians = " | ".join(f"{np.median(values):+.2f}" for values in found.values())
    print(f"| median | | | {medians} |\n")


def _epochs(name: str, steps: int) -> float:
    one = task(name)
    return steps * one.batch_size / len(one.data()[0])


def _best_offset(entry: dict[str, Any], shape: str) -> float:
    losses = np.array(entry[shape])
    return float(OFFSETS[losses <= losses.min() + 0.01 * (entry["before"] - losses.min())].mean())


def _show_losses(budget: int, entries: dict[str, Any]) -> None:
    """For each shape and factor: the share of the improvement lost, mean, and ratios of losses."""
    print(
        f"{budget:,} steps, {len(entries)} tasks: mean share of the improvement lost to the best "
    )
    print("of all (geometric mean of losses over the best of all)\n")
    print(f"| shape | {' | '.join(f'{offset:+.2f}' for offset in OFFSETS)} |")
    print(f"|{'---|' * (len(OFFSETS) + 1)}")
    for shape in TRIED:
        cells = []
        for i in range(len(OFFSETS)):
            lost, ratios = [], []
            for entry in entries.values():
                best = min(min(entry[other]) for other in TRIED)
                lost.append((entry[shape][i] - best) / (entry["before"] - best))
                ratios.append(entry[shape][i] / best)
            cells.append(f"{np.mean(lost):.3f} ({np.exp(np.mean(np.log(ratios))):.2f})")
        print(f"| {shape} | {' | '.join(cells)} |")
    print()


Rule = Callable[[float, float], float]
"""(steps, epochs) -> the peak's share of the measured max_lr."""

RULES: dict[str, Rule] = {
    "measured max_lr": lambda steps, epochs: 1.0,
    **{
        f"times (400 / steps)^{power}": lambda steps, epochs, power=power: (400 / steps) ** power
        for power in (0.25, 0.5, 1.0)
    },
    **{
        f"times (20 / epochs)^{power}, above 20": lambda steps, epochs, power=power: min(
            1.0, (20 / epochs) ** power
        )
        for power in (0.5, 1.0)
    },
}


def _show_rules(runs: dict[int, dict[str, Any]]) -> None:
    """One-cycle under rules that a schedule could follow, losses interpolated between factors."""
    print("One-cycle's peak by a rule: mean share lost (mean ratio); better / worse by over 0.5%\n")
    print(f"| peak | {' | '.join(f'{budget:,} steps' for budget in runs)} |")
    print(f"|{'---|' * (len(runs) + 1)}")
    for label, rule in RULES.items():
        cells = []
        for budget, entries in runs.items():
            lost, ratios, changes = [], [], []
            for name, entry in entries.items():
                share = rule(budget, _epochs(name, budget))
                loss = _interpolated(entry, share)
                best = min(min(entry[other]) for other in TRIED)
                lost.append((loss - best) / (entry["before"] - best))
                ratios.append(loss / best)
                changes.append(loss / _interpolated(entry, 1.0))
            better = sum(change < 0.995 for change in changes)
            worse = sum(change > 1.005 for change in changes)
            mean = np.exp(np.mean(np.log(ratios)))
            cells.append(f"{np.mean(lost):.3f} ({mean:.2f}); {better} / {worse}")
        print(f"| {label} | {' | '.join(cells)} |")


def _interpolated(entry: dict[str, Any], share: float) -> float:
    return float(np.exp(np.interp(np.log10(share), OFFSETS, np.log(entry["one_cycle"]))))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("what", choices=["run", "show"], nargs="?", default="run")
    parser.add_argument("--budget", type=int, default=400)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.what == "run":
        run(arguments.budget)
    else:
        show()


if __name__ == "__main__":
    main()
