"""Do the schedules work? Measured bounds against everything tuned on a grid, on small real tasks.

    python benchmarks/schedules.py run --budget 400     # then 2000, 10000; minutes a core; stored
    python benchmarks/schedules.py show --budget 400    # tables from what is stored
    python benchmarks/schedules.py cost                 # writing, against torch
    python benchmarks/schedules.py momentum             # held, or moved against it
    python benchmarks/schedules.py --fast               # two tasks, 80 steps

For each task, all at once (one lane a rate, shape and seed; see batched.py), five seeds:
- tuned: each shape at 9 peaks, a quarter of a decade apart, around the best constant rate of
  pick_truth.json (moved half a decade up for shapes with a peak); the best mean loss counts.
- measured: shapes at the rates of lrtool's own range test on the same weights, nothing tuned.
- default: shapes at the rate a user has who never touched it.
The loss is the validation loss after the last step, mean over seeds; a diverged lane counts as
untrained. One-cycle is also run at fractions of the budget, each a whole cycle of its own.
"""

import argparse
import json
import time
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from batched import Lanes
from finders import DEFAULT_LR
from pick import bootstrap
from pick_truth import PATHS
from sweeps import range_tests
from tasks import OPTIMIZERS, Task, task, tasks

from lrtool import schedules
from lrtool.schedules import Schedule
from lrtool.suggest import suggest
from lrtool.sweep import SweepConfig

SEEDS = [0, 1, 2, 3, 4]
FRACTIONS = (0.125, 0.25, 0.375, 0.5, 0.75)
DATA = Path(__file__).parent / "data"

# The cheapest tasks of the half "drawn" by what a step costs, before anything was run on them, and
# how many of them by the budget; the three left out cost 2 to 18 times as much as the dearest here.
BY_COST = (
    "linear_iris_twentieth_noise_0.2_nadam_16", "linear_iris_raw_noise_0.2_sgd_8",
    "factors_photo_4_adam_32", "mlp_cancer_raw_noise_0.5_1x28_GELU_adamw_8",
    "mlp_cancer_twentieth_noise_0.2_1x12_Tanh_momentum_64",
    "deep_diabetes_unit_noise_0.2_3x28_GELU_rmsprop_8", "factors_photo_4_rmsprop_8",
    "fine_tune_mlp_100_adagrad_8", "norm_digits_raw_noise_0.2_2x28_nadam_16",
    "autoencoder_unit_28_5_GELU_adamw_64", "cnn_raw_noise_0.0_5_adamw_8",
    "autoencoder_unit_28_5_GELU_nadam_64", "deep_iris_twentieth_noise_0.2_4x80_Tanh_sgd_8",
    "fine_tune_cnn_250_nadam_16", "norm_digits_twentieth_noise_0.5_2x52_adam_64",
    "plateau_adding_8_18_gru_nesterov_32", "gru_random_9_18_adagrad_32",
    "cnn_norm_twentieth_noise_0.2_10_sgd_16", "transformer_shlex_9_20_momentum_16",
    "lstm_shlex_9_18_rmsprop_32", "gru_configparser_14_18_nesterov_32",
    "plateau_recall_5_18_gru_nesterov_128", "lstm_random_9_18_momentum_64",
)  # fmt: skip
COUNTS = {400: 23, 2000: 13, 10_000: 6}
CHEAPEST = ("wine_logreg_sgd", "diabetes_mlp_nesterov")

Shape = Callable[[int], Schedule]
SHAPES: dict[str, Shape] = {
    "constant": lambda total: schedules.constant(1.0),
    "cosine": lambda total: schedules.cosine(1.0, total),
    "linear": lambda total: schedules.linear(1.0, total),
    "rex": lambda total: schedules.rex(1.0, total),
    "wsd": lambda total: schedules.wsd(1.0, total),
    "one_cycle": lambda total: schedules.one_cycle(1.0, total),
    "one_cycle_linear": lambda total: schedules.warmup(
        schedules.linear(1.0, total - total // 10), total // 10, start_factor=0.04
    ),
    "sgdr": lambda total: fitted("sgdr", total),
    "triangular": lambda total: fitted("triangular", total, min_lr=0.1),
}
PEAKED = {"one_cycle", "one_cycle_linear", "sgdr", "triangular", "cosine", "linear", "rex"}
THEIRS = ("cosine", "linear", "one_cycle", "sgdr", "triangular")
TUNED = ("constant", *THEIRS)


def fitted(name: str, total: int, **params: Any) -> Schedule:
    """A schedule that fills the run by lrtool's own defaults."""
    recipe = schedules.recipe(name, **params)
    built: Schedule = recipe.build(schedules.Horizon(total, lr=1.0, min_lr=0.1, max_lr=1.0))
    return built


class Plan:
    """Lanes to run: a name, a shape and its length, and one rate a seed."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.lengths: list[int] = []
        self.schedules: list[Schedule] = []
        self.rates: list[list[float]] = []

    def add(self, name: str, shape: Shape, length: int, rates: Iterable[float]) -> None:
        self.names.append(name)
        self.lengths.append(length)
        self.schedules.append(shape(length))
        self.rates.append([float(rate) for rate in rates])

    def table(self) -> np.ndarray:
        """(steps, seeds, lanes) rates; a shorter schedule's last one holds past its end."""
        steps = range(max(self.lengths))
        factors = np.array([[one(step) for one in self.schedules] for step in steps])
        return np.asarray(factors[:, None, :] * np.array(self.rates).T[None])


def best_constant(task: Task) -> float:
    """The best constant rate of the stored grid, at 400 steps."""
    data = json.loads(PATHS[task.half].read_text(encoding="utf-8"))
    if task.name not in data["tasks"]:
        raise SystemExit(f"no truth table holds {task.name}: run benchmarks/pick_truth.py")
    losses = np.array(data["tasks"][task.name]["constant"], dtype=float)
    losses = np.where(np.isfinite(losses), losses, np.inf).mean(0)
    return float(np.array(data["grid"])[np.argmin(losses)])


def measure(task: Task) -> list[Any]:
    """A range test for each seed."""
    name = OPTIMIZERS[task.optimizer][0].__name__
    return [suggest(curve, optimizer=name) for curve in range_tests(task, SEEDS, SweepConfig())]


def rate_or_default(found: Any, which: str, task: Task) -> float:
    value = getattr(found, which)
    return float(value) if np.isfinite(value) else DEFAULT_LR[task.optimizer]


def tuned_plan(one: Task, total: int) -> Plan:
    """Every shape over its grid, and at the rate nobody chose."""
    plan = Plan()
    for name in TUNED:
        for offset in np.arange(-1, 1.01, 0.25):
            rate = 10 ** (_middle(one, name, total) + offset)
            plan.add(f"tuned/{name}/{offset:+.2f}", SHAPES[name], total, [rate] * len(SEEDS))
        usual = DEFAULT_LR[one.optimizer]
        plan.add(f"default/{name}", SHAPES[name], total, [usual] * len(SEEDS))
    return plan


def measured_plan(one: Task, total: int, found: list[Any], plan: Plan) -> Plan:
    """Every shape at the measured rates, and one-cycle at fractions of the budget."""
    for which in ("lr", "max_lr"):
        rates = [rate_or_default(pick, which, one) for pick in found]
        for name, shape in SHAPES.items():
            plan.add(f"measured/{name}/{which}", shape, total, rates)
    rates = [rate_or_default(pick, "max_lr", one) for pick in found]
    for fraction in FRACTIONS:
        for name in ("one_cycle", "one_cycle_linear"):
            plan.add(f"part/{name}/{fraction}", SHAPES[name], round(fraction * total), rates)
    return plan


def parts_plan(one: Task, total: int, whole: dict[str, float]) -> Plan:
    """One-cycle at fractions of the budget, at its tuned peak and on both sides of it."""
    best = min((n for n in whole if n.startswith("tuned/one_cycle/")), key=whole.__getitem__)
    offset = float(best.rpartition("/")[2])
    plan = Plan()
    for fraction in (*FRACTIONS, 1.0):
        for extra in (-0.25, 0.0, 0.25):
            rate = 10 ** (_middle(one, "one_cycle", total) + offset + extra)
            name = f"best/one_cycle/{fraction}/{extra:+.2f}"
            plan.add(name, SHAPES["one_cycle"], round(fraction * total), [rate] * len(SEEDS))
    return plan


def _middle(one: Task, shape: str, total: int) -> float:
    """log10 of the middle of a shape's grid; best rates fell about so on development tasks."""
    return float(
        np.log10(best_constant(one))
        + (0.5 if shape in PEAKED else 0.0)
        - 0.6 * np.log10(total / 400)
    )


def play(one: Task, plan: Plan, seeds: list[int]) -> tuple[float, list[float]]:
    """Validation losses, mean over seeds: untrained, and of each lane as its schedule ends."""
    lanes = Lanes(one, seeds, len(plan.names))
    before = lanes.validation()
    after, lengths = before.copy(), np.array(plan.lengths)
    streams = [one.indices(seed) for seed in seeds]
    for step, rates in enumerate(torch.tensor(plan.table(), dtype=torch.float32)):
        lanes.step(np.stack([next(stream) for stream in streams]), rates)
        over = lengths == step + 1
        if over.any():
            after[:, over] = lanes.validation()[:, over]
    after = np.where(after < before, after, before)
    return float(before.mean()), [float(f"{loss:.5g}") for loss in after.mean(0)]


def file_of(budget: int) -> Path:
    return DATA / f"schedules_{budget}.json"


def run(budget: int) -> None:
    """Run what is not stored yet, task by task."""
    path = file_of(budget)
    stored: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    for name in BY_COST[: COUNTS[budget]]:
        if name in stored:
            continue
        begun = time.process_time()
        stored[name] = entry_of(task(name), budget)
        path.write_text(json.dumps(stored, separators=(",", ":")))
        print(f"{name}: {time.process_time() - begun:.0f} s", flush=True)


def entry_of(one: Task, budget: int) -> dict[str, Any]:
    """Everything that is run on a task."""
    found = measure(one)
    plan = measured_plan(one, budget, found, tuned_plan(one, budget))
    before, losses = play(one, plan, SEEDS)
    lanes = dict(zip(plan.names, losses, strict=True))
    parts = parts_plan(one, budget, lanes)
    lanes |= zip(parts.names, play(one, parts, SEEDS)[1], strict=True)
    picks = [[pick.lr, pick.max_lr, pick.status.value] for pick in found]
    return {"before": before, "lanes": lanes, "picks": picks}


class Stored:
    """One task's stored runs: lane -> mean validation loss over seeds."""

    def __init__(self, entry: dict[str, Any]) -> None:
        self.last: dict[str, float] = entry["lanes"]
        self.before: float = entry["before"]

    def tuned(self, shape: str) -> tuple[float, bool]:
        """Best final loss over the shape's grid, and whether it lies at the grid's end."""
        losses = self._all(f"tuned/{shape}/")
        best = int(np.argmin(losses))
        return losses[best], best in (0, len(losses) - 1)

    def _all(self, start: str) -> list[float]:
        return [loss for name, loss in self.last.items() if name.startswith(start)]

    @property
    def ours(self) -> float:
        """One-cycle at the measured peak."""
        return self.last["measured/one_cycle/max_lr"]

    @property
    def by_hand(self) -> float:
        """One-cycle at the best peak of its grid."""
        return self.tuned("one_cycle")[0]

    @property
    def champion(self) -> str:
        """The best of five shapes, each at the best peak of its grid."""
        return min(THEIRS, key=lambda shape: self.tuned(shape)[0])

    @property
    def best(self) -> float:
        """The champion's loss."""
        return self.tuned(self.champion)[0]

    @property
    def lost(self) -> float:
        """Share of the reachable improvement that the measured peak loses to the champion."""
        return (self.ours - self.best) / (self.before - self.best)

    def steps_to(self, target: float, shape: str) -> float:
        """Fraction of the budget the shortest whole run at the measured peak needs; inf if none."""
        points = [(fraction, self.last[f"part/{shape}/{fraction}"]) for fraction in FRACTIONS]
        return self._first(target, [*points, (1.0, self.last[f"measured/{shape}/max_lr"])])

    def best_steps_to(self, target: float) -> float:
        """The same for one-cycle at the best of three peaks around its tuned one."""
        fractions = (*FRACTIONS, 1.0)
        return self._first(target, [(f, min(self._all(f"best/one_cycle/{f}/"))) for f in fractions])

    def _first(self, target: float, points: list[tuple[float, float]]) -> float:
        """Where the loss first reaches `target`, linear in between the runs' lengths."""
        before = (0.0, self.before)
        for now in points:
            if now[1] <= target:
                share = (before[1] - target) / (before[1] - now[1])
                return before[0] + share * (now[0] - before[0])
            before = now
        return float("inf")


def show(budget: int) -> None:
    """Print the tables."""
    entries = json.loads(file_of(budget).read_text())
    _show_all({name: Stored(entry) for name, entry in entries.items()})


def _show_all(stored: dict[str, Stored]) -> None:
    _show_tasks(stored)
    _show_claims(list(stored.values()))
    _show_shapes(stored)


def _show_tasks(stored: dict[str, Stored]) -> None:
    columns = (
        "task", "untrained", "tuned constant", "one-cycle, measured peak",
        "share of the steps", "the same, peak by hand", "over the best tuned of five",
        "the same, peak by hand", "best is", "improvement lost", "over five at default rates",
    )  # fmt: skip
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    for name, one in stored.items():
        constant, edge = one.tuned("constant")
        cells = [
            f"{one.before:.4g}",
            f"{constant:.4g}{' (edge)' if edge else ''}",
            f"{one.ours:.4g}",
            f"{one.steps_to(constant, 'one_cycle'):.2f}",
            f"{one.best_steps_to(constant):.2f}",
            f"{one.ours / one.best:.3f}",
            f"{one.by_hand / one.best:.3f}",
            one.champion,
            f"{one.lost:.3f}",
            _range([one.ours / one.last[f"default/{shape}"] for shape in THEIRS]),
        ]
        print(f"| {name} | {' | '.join(cells)} |")
    print()


def _range(values: list[float]) -> str:
    return f"{min(values):.3f} to {max(values):.3f}"


def _show_claims(stored: list[Stored]) -> None:
    """The claims, counted and averaged over the tasks."""
    goals = [one.tuned("constant")[0] for one in stored]
    pairs = list(zip(stored, goals, strict=True))
    whole = len(stored)
    half = sum(one.steps_to(goal, "one_cycle") <= 0.5 for one, goal in pairs)
    half_linear = sum(one.steps_to(goal, "one_cycle_linear") <= 0.5 for one, goal in pairs)
    half_by_hand = sum(one.best_steps_to(goal) <= 0.5 for one, goal in pairs)
    print("| claim | |\n|---|---|")
    print(f"| half of the steps enough, measured peak | {half} of {whole} |")
    print(f"| the same, warm-up + linear | {half_linear} of {whole} |")
    print(f"| the same, one-cycle, peak by hand | {half_by_hand} of {whole} |")
    for label, ratios in (
        ("measured peak", [one.ours / one.best for one in stored]),
        ("peak by hand", [one.by_hand / one.best for one in stored]),
    ):
        within = ", ".join(
            f"{sum(r <= 1 + share for r in ratios)} within {share:.0%}" for share in (0.01, 0.05)
        )
        mean = f"mean {_mean(ratios):.3f}, worst {max(ratios):.2f}"
        print(f"| over the best tuned of five, {label} | {mean}; {within} of {whole} |")
    ends = sum(one.tuned("one_cycle")[1] for one in stored)
    print(f"| best peak by hand at an end of its grid | {ends} of {whole} |")
    lost = [one.lost for one in stored]
    print(f"| improvement lost | mean {np.mean(lost):.3f}, median {np.median(lost):.3f} |")
    for shape in THEIRS:
        logs = np.log([one.ours / one.last[f"default/{shape}"] for one in stored])
        low, high = np.exp(bootstrap(logs))
        mean = f"{np.exp(logs.mean()):.3f} ({low:.2f} to {high:.2f})"
        print(
            f"| over {shape} at the default rate | {mean}; better on {sum(logs < 0)} of {whole} |"
        )


def _show_shapes(stored: dict[str, Stored]) -> None:
    print("\n| shape | at measured lr | at measured max_lr | tuned |\n|---|---|---|---|")
    for shape in SHAPES:
        row = []
        for which in ("lr", "max_lr"):
            ratios = [o.last[f"measured/{shape}/{which}"] / o.best for o in stored.values()]
            row.append(f"{_mean(ratios):.3f} (worst {max(ratios):.2f})")
        tuned = [o.tuned(shape)[0] / o.best for o in stored.values() if shape in TUNED]
        row.append(f"{_mean(tuned):.3f}" if tuned else "")
        print(f"| {shape} | {' | '.join(row)} |")


def momentum() -> None:
    """One-cycle over a grid of peaks: momentum held at 0.9, or moved against it in two ways."""
    names = [
        "digits_raw_mlp_momentum", "diabetes_mlp_nesterov", "wine_logreg_nesterov_32",
        "cancer_raw_momentum_8", "digits_autoencoder_nesterov_32", "digits_dim_deep_momentum_32",
    ]  # fmt: skip
    ways = {"held at 0.9": (0.9, 0.9), "0.85 to 0.9": (0.85, 0.9), "0.85 to 0.95": (0.85, 0.95)}
    columns = [
        "task",
        *(f"best loss, {way}" for way in ways),
        *(f"its peak, {way}" for way in ways),
    ]
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    ratios: dict[str, list[float]] = {way: [] for way in ways}
    for one in [one for half in ("dev", "extra") for one in tasks(half) if one.name in names]:
        cycle = schedules.one_cycle(1.0, one.num_steps)
        centre = np.log10(best_constant(one)) + 0.5
        grid = 10 ** (centre + np.arange(-1, 1.01, 0.25))
        best: dict[str, tuple[float, float]] = {}
        for way, (low, high) in ways.items():
            losses = _momentum_losses(one, grid, cycle, schedules.opposed(cycle, low, high))
            best[way] = (float(losses.min()), float(grid[np.argmin(losses)]))
            ratios[way].append(best[way][0] / best["held at 0.9"][0])
        cells = [f"{loss:.4g}" for loss, _ in best.values()] + [
            f"{at:.3g}" for _, at in best.values()
        ]
        print(f"| {one.name} | {' | '.join(cells)} |", flush=True)
    means = " | ".join(f"{_mean(values):.3f}" for values in ratios.values())
    print(f"| geometric mean over held | {means} |{' |' * len(ways)}")


def _momentum_losses(
    one: Task, grid: np.ndarray, cycle: Schedule, knob: Callable[[float], float]
) -> np.ndarray:
    lanes = Lanes(one, SEEDS, len(grid))
    before = lanes.validation()
    streams = [one.indices(seed) for seed in SEEDS]
    rates = torch.tensor(np.tile(grid, (len(SEEDS), 1)), dtype=torch.float32)
    for step in range(one.num_steps):
        lanes._optimizer.param_groups[0]["momentum"] = knob(step)
        lanes.step(np.stack([next(stream) for stream in streams]), rates * cycle(step))
    now = lanes.validation()
    return np.where(now < before, now, before).mean(0)


def _mean(values: list[float]) -> float:
    return float(np.exp(np.mean(np.log(values))))


def cost() -> None:
    """Microseconds to write every group, beside torch's OneCycleLR.step(), in turns."""
    from torch.optim import SGD
    from torch.optim.lr_scheduler import OneCycleLR

    from lrtool.callbacks._writer import Writer

    warnings.simplefilter("ignore")  # scheduler.step() without optimizer.step()
    print("| groups | torch (µs) | lrtool (µs) | ratio, median of 200 pairs (middle half) |")
    print("|---|---|---|---|")
    for count in (1, 2, 200):
        rates = [0.1 / (i + 1) for i in range(count)]
        groups = [{"params": [torch.zeros(1, requires_grad=True)], "lr": rate} for rate in rates]
        mine = SGD([dict(group) for group in groups], lr=0.1, momentum=0.9)
        torchs = SGD(groups, lr=0.1, momentum=0.9)
        scheduler = OneCycleLR(torchs, rates, total_steps=10**7)
        writer = Writer({"lr": schedules.recipe("one_cycle"), "momentum": "auto"}, {}, quiet=True)
        writer.set_horizon(schedules.Horizon(10**7))
        pairs = []
        step = 0
        for _ in range(200):
            begun = time.perf_counter()
            for _ in range(20):
                scheduler.step()
            middle = time.perf_counter()
            for _ in range(20):
                writer.resolve(mine, None)
                writer.write(mine, step)
                step += 1
            pairs.append((middle - begun, time.perf_counter() - middle))
        theirs, ours = np.median(np.array(pairs) / 20 * 1e6, axis=0)
        low, mid, high = np.percentile([b / a for a, b in pairs], [25, 50, 75])
        print(f"| {count} | {theirs:.1f} | {ours:.1f} | {mid:.2f} ({low:.2f} to {high:.2f}) |")


def fast() -> None:
    """Two small tasks, 80 steps: a look at everything in a minute."""
    _show_all({name: Stored(entry_of(task(name), 80)) for name in CHEAPEST})


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "what", choices=["run", "show", "cost", "momentum"], nargs="?", default="run"
    )
    parser.add_argument("--budget", type=int, choices=list(COUNTS), default=400)
    parser.add_argument("--fast", action="store_true", help="two tasks, 80 steps")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    if arguments.fast:
        fast()
    elif arguments.what == "run":
        run(arguments.budget)
    elif arguments.what == "show":
        show(arguments.budget)
    elif arguments.what == "momentum":
        momentum()
    else:
        cost()


if __name__ == "__main__":
    main()
