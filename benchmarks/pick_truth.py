"""The truth the picks are scored against: final validation losses over a grid of learning rates.

    python benchmarks/pick_truth.py               # data/pick_truth.json, 10 minutes on a core
    python benchmarks/pick_truth.py --half extra  # data/pick_truth_extra.json, as long
    python benchmarks/pick_truth.py --half fresh  # data/pick_truth_fresh.json, as long
    python benchmarks/pick_truth.py --half drawn_again  # data/pick_truth_drawn_again.json, as long

For every task, every quarter of a decade from 1e-5 to 316 and three seeds: the validation loss
after a full training at a constant rate, and under one-cycle with that peak (of the rate only;
momentum stays). Tasks already in the file are kept: delete it to start anew.
"""

import argparse
import json
import platform
import time
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from batched import one_cycle_factor, train
from tasks import HALVES, Task, tasks

_DATA = Path(__file__).parent / "data"
PATH = _DATA / "pick_truth.json"
PATHS: dict[str | None, Path] = {
    None: PATH,
    **{half: _DATA / f"pick_truth_{half}.json" for half in HALVES},
    "dev": PATH,
    "report": PATH,
}
GRID = 10 ** np.arange(-5, 2.51, 0.25)
SEEDS = [100, 101, 102]
SCHEDULES = {"constant": lambda step, total: 1.0, "one_cycle": one_cycle_factor}
FLAT = 0.05  # regret up to which a rate counts as the optimum's flat


class Truth:
    """One task's table, for one schedule: what a rate costs.

    Regret = (loss - best) / (untrained - best), between 0 (the grid's best) and 1 (no better than
    untrained), linear in log LR between grid points, on the mean of the seeds; a diverged training
    counts as untrained.
    """

    def __init__(self, entry: dict[str, Any], schedule: str, grid: np.ndarray) -> None:
        before = float(np.mean(entry["before"]))
        losses = np.array(entry[schedule], dtype=float)  # (seeds, rates), None -> nan
        losses = np.where(np.isfinite(losses), np.minimum(losses, before), before)
        self.x = np.log10(grid)
        mean = losses.mean(0)
        self.best = float(mean.min())
        self.before = before
        self.regrets = np.clip((mean - self.best) / (before - self.best), 0, 1)

    @property
    def learns(self) -> bool:
        """Whether any rate improves the loss by 2%: without, there is no best rate to miss."""
        return self.before - self.best > 0.02 * self.before

    def regret(self, lr: float) -> float:
        """Cost of training at `lr`; 1 outside the grid and for NaN."""
        if not np.isfinite(lr) or lr <= 0:
            return 1.0
        return float(np.interp(np.log10(lr), self.x, self.regrets, left=1.0, right=1.0))

    def regret_of_loss(self, loss: float) -> float:
        """Cost of a training that ended at `loss`: below 0 when it beats the grid's best."""
        loss = min(loss, self.before) if np.isfinite(loss) else self.before
        return (loss - self.best) / (self.before - self.best)

    @cached_property
    def flat(self) -> tuple[float, float]:
        """log10 ends of the stretch around the best rate that costs at most `FLAT`."""
        fine = np.linspace(self.x[0], self.x[-1], 3001)
        good = np.interp(fine, self.x, self.regrets) <= FLAT
        low = high = int(np.argmin(np.abs(fine - self.x[np.argmin(self.regrets)])))
        while low > 0 and good[low - 1]:
            low -= 1
        while high < len(fine) - 1 and good[high + 1]:
            high += 1
        return float(fine[low]), float(fine[high])

    def off(self, lr: float) -> float:
        """Decades outside the flat: negative below it, positive above, 0 within."""
        if not np.isfinite(lr):
            return np.nan
        low, high = self.flat
        x = np.log10(lr)
        return float(min(x - low, 0.0) + max(x - high, 0.0))


def load(path: Path = PATH) -> dict[str, dict[str, Truth]]:
    """Task name -> schedule -> Truth."""
    data = json.loads(path.read_text(encoding="utf-8"))
    grid = np.array(data["grid"])
    return {
        name: {schedule: Truth(entry, schedule, grid) for schedule in SCHEDULES}
        for name, entry in data["tasks"].items()
    }


def _plain(values: np.ndarray) -> list[Any]:
    return [[float(f"{v:.5g}") if np.isfinite(v) else None for v in row] for row in values]


def _measured(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["tasks"]
    return kept


def _write(path: Path, half: str | None, entries: dict[str, Any]) -> None:
    out = {
        "command": "python benchmarks/pick_truth.py" + (f" --half {half}" if half else ""),
        "versions": {"torch": torch.__version__, "python": platform.python_version()},
        "grid": [float(f"{g:.6g}") for g in GRID],
        "seeds": SEEDS,
        "tasks": entries,
    }
    path.parent.mkdir(exist_ok=True)
    text = json.dumps(out, separators=(",", ":")).replace('"tasks":{', '"tasks":{\n')
    path.write_text(text.replace("]]},", "]]},\n") + "\n", encoding="utf-8")


def measure(task: Task) -> dict[str, Any]:
    entry: dict[str, Any] = {"num_steps": task.num_steps, "optimizer": task.optimizer}
    for schedule, factor in SCHEDULES.items():
        before, after = train(task, GRID, SEEDS, factor)
        entry["before"] = [float(f"{v:.5g}") for v in before[:, 0]]
        entry[schedule] = _plain(after)
    return entry


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--fast", action="store_true", help="two tasks, nothing written")
    parser.add_argument("--half", choices=HALVES, help="other tasks than the first 24")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    path = PATHS[args.half]
    entries = {} if args.fast else _measured(path)
    for task in tasks(args.half):
        if task.name in entries or (args.fast and task.family != "logistic"):
            continue
        started = time.perf_counter()
        entries[task.name] = measure(task)
        print(f"{task.name:28s} {time.perf_counter() - started:6.1f} s", flush=True)
        if not args.fast:
            _write(path, args.half, entries)


if __name__ == "__main__":
    main()
