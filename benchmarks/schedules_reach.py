"""What can a schedule reach at all, and would another default do better? On development tasks.

    python benchmarks/schedules_reach.py run --budget 400     # then 2000 and 10000; stored
    python benchmarks/schedules_reach.py show

Three seeds, the validation loss after the last step, mean over seeds; a diverged lane counts as
untrained. All lanes of a task run at once (batched.py):
- constant: the constant rate over a grid a quarter of a decade apart, the whole budget.
- half: shapes that fill half of the budget, each over a grid of peaks and at the measured `max_lr`.
  If the best of them all does not end below the best constant rate, then no schedule saves half of
  the steps on this task, whatever chose its peak. Not at 10,000 steps, for its cost.
- peak: one-cycle over the whole budget at the measured `max_lr` times a grid of factors.
- variant: other defaults at the measured `max_lr` and at a third of it.
- default: the shapes people copy, at the rate nobody chose.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from finders import DEFAULT_LR
from pick import bootstrap
from schedules import SHAPES, THEIRS, Plan, Shape, best_constant, play, rate_or_default
from sweeps import range_tests
from tasks import OPTIMIZERS, Task, task

from lrtool import schedules
from lrtool.suggest import suggest
from lrtool.sweep import SweepConfig

Candidate = Callable[[dict[str, Any], float], float]
"""(stored losses, epochs) -> final loss."""

SEEDS = [0, 1, 2]
FILE = Path(__file__).parent / "data" / "schedules_reach.json"

# The development tasks in the order of what a step costs; how many of them, by the budget.
COUNTS = {400: 60, 2000: 27, 10_000: 16}
NAMES = (
    "diabetes_uneven_linear_adagrad", "diabetes_small_mlp_sgd", "diabetes_wide_mlp_momentum",
    "wine_logreg_sgd", "wine_logreg_nesterov_32", "wine_logreg_adam_8", "iris_raw_logreg_momentum",
    "cancer_raw_momentum_8", "diabetes_mlp_nesterov", "digits_noisy_logreg_nesterov",
    "cancer_logreg_nesterov", "digits_noisy_mlp_sgd", "cancer_raw_sgd_32", "diabetes_mlp_adam_8",
    "diabetes_raw_mlp_adam", "diabetes_uneven_mlp_rmsprop", "pixels_factors_sgd_64",
    "cancer_raw_mlp_adamw", "digits_dimmer_mlp_sgd", "photo_factors_nadam", "wine_raw_mlp_rmsprop",
    "cancer_hundredth_mlp_adam", "pixels_factors_adagrad", "diabetes_mlp_sgd_64",
    "pixels_factors_adamw_128", "cancer_tenth_logreg_sgd", "wine_noisy_deep_nesterov",
    "digits_autoencoder_momentum", "digits_mlp_adam_8", "digits_raw_mlp_sgd_32",
    "parity_mlp_nesterov", "digits_deep_mlp_momentum", "digits_mlp_sgd", "cancer_raw_deep_rmsprop",
    "autoencoder_deep_sgd", "digits_autoencoder_nesterov_32", "digits_fine_tune_momentum",
    "digits_raw_mlp_adamw_16", "digits_sigmoid_deep_sgd", "digits_deep_mlp_sgd", "lines_bag_sgd",
    "digits_dim_deep_adagrad_16", "digits_sigmoid_mlp_momentum", "digits_sigmoid_mlp_sgd",
    "digits_raw_mlp_momentum", "digits_noisy_bn_mlp_adamw", "digits_autoencoder_rmsprop_64",
    "digits_faint_tanh_sgd", "digits_autoencoder_nadam", "digits_dim_deep_sgd",
    "digits_dim_deep_momentum_32", "digits_dim_mlp_sgd", "text_bag_adagrad",
    "digits_autoencoder_adamw", "digits_fine_tune_cnn_adam", "photo_coordinates_mlp_adam",
    "digits_mlp_adagrad_128", "digits_cnn_adam_rmsprop_16", "digits_noisy_mlp_adam",
    "digits_dim_wide_nesterov",
)  # fmt: skip

# Decades around the best constant rate of pick_truth's 400 steps: the grids of both.
CONSTANTS = {
    400: np.arange(-1, 1.01, 0.25),
    2000: np.arange(-2, 0.51, 0.25),
    10_000: np.arange(-2.5, 0.01, 0.25),
}
PEAKS = {400: np.arange(-0.5, 1.26, 0.25), 2000: np.arange(-1.5, 1.01, 0.25)}
OFFSETS = np.arange(-1.75, 0.26, 0.25)  # decades from the measured max_lr


def cycle(pct_start: float, strategy: str, final: float = 1e4) -> Shape:
    """One-cycle of height 1 with these arguments, for any length."""
    return lambda total: schedules.one_cycle(
        1.0,
        total,
        pct_start=pct_start,
        anneal_strategy=strategy,  # type: ignore[arg-type]
        final_div_factor=final,
    )


VARIANTS: dict[str, Shape] = {
    "cos 0.1": cycle(0.1, "cos"),
    "cos 0.2": cycle(0.2, "cos"),
    "linear 0.1": cycle(0.1, "linear"),
    "linear 0.3": cycle(0.3, "linear"),
    "cos 0.3 to 1/100": cycle(0.3, "cos", 4.0),
    "linear": SHAPES["linear"],
    "wsd": SHAPES["wsd"],
    "rex": SHAPES["rex"],
}
HALVES: dict[str, Shape] = {
    **{f"cos {pct}": cycle(pct, "cos") for pct in (0.05, 0.1, 0.3, 0.4)},
    **{f"linear {pct}": cycle(pct, "linear") for pct in (0.05, 0.1, 0.3)},
    "linear": SHAPES["linear"],
    "cosine": SHAPES["cosine"],
    "wsd": SHAPES["wsd"],
    "rex": SHAPES["rex"],
    "slanted": lambda total: schedules.slanted_triangular(1.0, total),
}


def run(budget: int) -> None:
    """Run what is not stored yet, task by task."""
    stored: dict[str, Any] = json.loads(FILE.read_text()) if FILE.exists() else {}
    for name in NAMES[: COUNTS[budget]]:
        entry = stored.setdefault(name, {})
        if str(budget) in entry:
            continue
        begun = time.process_time()
        one = task(name)
        if "lr" not in entry:
            entry.update(picks(one))
        entry[str(budget)] = losses_of(one, entry, budget)
        FILE.write_text(json.dumps(stored, separators=(",", ":")))
        print(f"{name}: {time.process_time() - begun:.0f} s", flush=True)


def picks(one: Task) -> dict[str, list[float]]:
    """Each seed's measured rates; the rate nobody chose where there is no pick."""
    optimizer = OPTIMIZERS[one.optimizer][0].__name__
    curves = range_tests(one, SEEDS, SweepConfig())
    found = [suggest(curve, optimizer=optimizer) for curve in curves]
    return {
        which: [float(f"{rate_or_default(each, which, one):.5g}") for each in found]
        for which in ("lr", "max_lr")
    }


def losses_of(one: Task, rates: dict[str, list[float]], total: int) -> dict[str, Any]:
    """Final validation losses: a name -> one a rate, and of the untrained model."""
    middle = np.log10(best_constant(one))
    whole = Plan()
    for offset in CONSTANTS[total]:
        whole.add("constant", SHAPES["constant"], total, [10 ** (middle + offset)] * len(SEEDS))
    for offset in OFFSETS:
        whole.add("peak", SHAPES["one_cycle"], total, _times(rates["max_lr"], 10**offset))
    for name, shape in VARIANTS.items():
        for factor in (1.0, 10**-0.5):
            whole.add(f"variant {name}", shape, total, _times(rates["max_lr"], factor))
    for name in ("one_cycle", "linear"):
        whole.add(f"at lr {name}", SHAPES[name], total, rates["lr"])
    for name in THEIRS:
        usual = DEFAULT_LR[one.optimizer]
        whole.add(f"default {name}", SHAPES[name], total, [usual] * len(SEEDS))
    found = _listed(one, whole)
    if total in PEAKS:
        half = Plan()
        for name, shape in HALVES.items():
            half.add(f"half measured {name}", shape, total // 2, rates["max_lr"])
            for offset in PEAKS[total]:
                same = [10 ** (middle + offset)] * len(SEEDS)
                half.add(f"half {name}", shape, total // 2, same)
        found |= _listed(one, half)
    return found


def _times(rates: list[float], factor: float) -> list[float]:
    return [rate * factor for rate in rates]


def _listed(one: Task, plan: Plan) -> dict[str, Any]:
    """A plan's losses, those of one name in a list."""
    before, losses = play(one, plan, SEEDS)
    found: dict[str, Any] = {"before": before}
    for name, loss in zip(plan.names, losses, strict=True):
        found.setdefault(name, []).append(loss)
    return found


def show() -> None:
    """Print the tables."""
    stored = json.loads(FILE.read_text())
    runs = {budget: _that_learn(stored, str(budget)) for budget in COUNTS}
    _show_half({budget: runs[budget] for budget in PEAKS})
    _show_enough(stored, {budget: runs[budget] for budget in PEAKS})
    _show_against_default(runs)


def _that_learn(stored: dict[str, Any], budget: str) -> dict[str, Any]:
    """The tasks on which a rate or a schedule improves the loss by 2%."""
    entries = {name: entry[budget] for name, entry in stored.items() if budget in entry}
    return {n: e for n, e in entries.items() if e["before"] - _best(e) > 0.02 * e["before"]}


def _best(entry: dict[str, Any]) -> float:
    """The best loss of the whole budget."""
    return min(min(entry[name]) for name in entry if name not in ("before", *_halves(entry)))


def _halves(entry: dict[str, Any]) -> list[str]:
    return [name for name in entry if name.startswith("half ")]


def _show_half(runs: dict[int, dict[str, Any]]) -> None:
    """On how many tasks half of the steps is enough for the best constant rate's loss."""
    columns = " | ".join(f"{b:,} steps: peak by hand | measured peak" for b in runs)
    print(f"| shape in half of the steps | {columns} |\n|{'---|' * (1 + 2 * len(runs))}")
    rows = {"the best of them all": list(HALVES)} | {name: [name] for name in HALVES}
    for label, names in rows.items():
        cells = []
        for entries in runs.values():
            for kind in ("half", "half measured"):
                losses = [min(min(e[f"{kind} {n}"]) for n in names) for e in entries.values()]
                goals = [min(e["constant"]) for e in entries.values()]
                enough = sum(loss <= goal for loss, goal in zip(losses, goals, strict=True))
                cells.append(f"{enough} of {len(goals)}")
        print(f"| {label} | {' | '.join(cells)} |")
    print()


def _show_enough(stored: dict[str, Any], runs: dict[int, dict[str, Any]]) -> None:
    """Which peaks of the default shape are enough in half of the steps, and where ours lies."""
    titles = " | ".join(f"{budget:,} steps" for budget in runs)
    print(f"| one-cycle in half of the steps | {titles} |\n|{'---|' * (1 + len(runs))}")
    columns = [_enough(stored, entries, PEAKS[budget]) for budget, entries in runs.items()]
    for label in columns[0]:
        print(f"| {label} | {' | '.join(column[label] for column in columns)} |")
    print()


def _enough(stored: dict[str, Any], entries: dict[str, Any], peaks: np.ndarray) -> dict[str, str]:
    widths, sides, factors = [], [], np.arange(-1.5, 1.01, 0.25)
    counts = np.zeros(len(factors), int)
    for name, entry in entries.items():
        goal, losses = min(entry["constant"]), np.array(entry["half cos 0.3"])
        grid = np.log10(best_constant(task(name))) + peaks
        ours = float(np.mean(np.log10(stored[name]["max_lr"])))
        counts += np.interp(ours + factors, grid, losses) <= goal
        good = grid[losses <= goal]
        widths.append(len(good))
        if entry["half measured cos 0.3"][0] <= goal:
            sides.append("enough")
        elif len(good):
            sides.append("too high" if ours > good.mean() else "too low")
    some = [width for width in widths if width]
    best = int(np.argmax(counts))
    return {
        "tasks where a peak by hand is enough": f"{len(some)} of {len(widths)}",
        "peaks that are, on a grid of 1/4 decade, median of those": f"{np.median(some):g}",
        **{f"measured peak {side}": str(sides.count(side)) for side in sorted(set(sides))},
        "enough with the best factor for all": f"{counts[best]} (times {10 ** factors[best]:.2g})",
    }


def _show_against_default(runs: dict[int, dict[str, Any]]) -> None:
    """What to put in the place of one-cycle at the measured peak, task by task against it."""
    columns = " | ".join(f"{budget:,} steps, {len(runs[budget])} tasks" for budget in runs)
    print(f"| in its place | {columns} |\n|{'---|' * (1 + len(runs))}")
    for label, loss in _candidates().items():
        cells = [_compared(entries, budget, loss) for budget, entries in runs.items()]
        print(f"| {label} | {' | '.join(cells)} |")


def _candidates() -> dict[str, Candidate]:
    found: dict[str, Candidate] = {}
    for i, offset in enumerate(OFFSETS):
        found[f"its peak at {10**offset:.2f}"] = lambda e, epochs, i=i: e["peak"][i]
    for power in (0.5, 1.0):
        for hinge in (20, 50, 100):
            found[f"its peak at ({hinge} / epochs)^{power:g}, above {hinge}"] = (
                lambda e, epochs, hinge=hinge, power=power: _at_share(
                    e, min(1.0, (hinge / epochs) ** power)
                )
            )
    for name in VARIANTS:
        found[name] = lambda e, epochs, name=name: e[f"variant {name}"][0]
        found[f"{name} at 0.32"] = lambda e, epochs, name=name: e[f"variant {name}"][1]
    for name in ("one_cycle", "linear"):
        found[f"{name} at lr"] = lambda e, epochs, name=name: e[f"at lr {name}"][0]
    return found


def _at_share(entry: dict[str, Any], share: float) -> float:
    """One-cycle's loss at a share of the measured peak, between the factors that were run."""
    return float(np.exp(np.interp(np.log10(share), OFFSETS, np.log(entry["peak"]))))


def _compared(entries: dict[str, Any], budget: int, loss: Candidate) -> str:
    """Improvement lost (95% over the tasks), ratio of losses; tasks better / worse by 0.5%."""
    lost, logs = [], []
    for name, entry in entries.items():
        one = task(name)
        ours = loss(entry, budget * one.batch_size / len(one.data()[0]))
        usual = _at_share(entry, 1.0)
        lost.append((ours - usual) / (entry["before"] - _best(entry)))
        logs.append(np.log(ours / usual))
    better, worse = (sum(sign * log > 0.005 for log in logs) for sign in (-1, 1))
    low, high = bootstrap(np.array(lost))
    below, above = np.exp(bootstrap(np.array(logs)))
    return (
        f"{np.mean(lost):+.3f} ({low:+.3f} to {high:+.3f}), "
        f"{np.exp(np.mean(logs)):.2f} ({below:.2f} to {above:.2f}), {better} / {worse}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("what", choices=["run", "show"], nargs="?", default="run")
    parser.add_argument("--budget", type=int, choices=list(COUNTS), default=400)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    if arguments.what == "run":
        run(arguments.budget)
    else:
        show()


if __name__ == "__main__":
    main()
