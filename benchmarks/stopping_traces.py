"""Validation traces of full trainings, recorded once; rules of stopping are judged on them offline.

    python benchmarks/stopping_traces.py            # adds what benchmarks/data/... does not have
    python benchmarks/stopping_traces.py --fast     # one task, nothing written

Each half has five real tasks, five seeds, 100 epochs, and three schedules at the rate that is best
for the task (the truth table's): constant, one-cycle, and SGDR with cycles of 10, 20 and 40 epochs
and one of 30 to end with. After every epoch two losses are noted, on two halves of the validation
rows: "watch", which a rule may look at, and "score", which tells what the weights were worth.
"""

import argparse
import json
import platform
import time
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from batched import Lanes
from pick_truth import GRID
from pick_truth import PATH as TRUTH
from tasks import Task, task

from lrtool.schedules import Schedule, constant, one_cycle, sgdr

PATH = Path(__file__).parent / "data" / "stopping_traces.json"
EPOCHS = 100
SEEDS = [0, 1, 2, 3, 4]
# Named before anything was recorded: one task of each kind of data and model.
TASKS = {
    "dev": (
        "digits_cnn_adam",
        "digits_mlp_sgd",
        "text_gru_rmsprop",
        "diabetes_mlp_nesterov",
        "cancer_raw_mlp_adamw",
    ),
    "report": (
        "digits_cnn_bn_momentum",
        "digits_noisy_mlp_adam",
        "text_transformer_adamw",
        "diabetes_raw_mlp_adam",
        "cancer_logreg_nesterov",
    ),
}


def schedules(epoch: int) -> dict[str, Callable[[float], Schedule]]:
    """Schedules of EPOCHS epochs of `epoch` steps, given a rate."""
    return {
        "constant": lambda rate: constant(rate),
        "one_cycle": lambda rate: one_cycle(max_lr=rate, total_steps=EPOCHS * epoch),
        "sgdr": lambda rate: sgdr(max_lr=rate, T_0=10 * epoch, T_mult=2),
    }


def steps_per_epoch(task: Task) -> int:
    return len(task.data()[0]) // task.batch_size


def best_rate(name: str, schedule: str) -> float:
    """The grid's best rate for the task: by the mean over the truth table's own seeds."""
    entry = json.loads(TRUTH.read_text(encoding="utf-8"))["tasks"][name]
    losses = np.array(entry["constant" if schedule == "constant" else "one_cycle"], dtype=float)
    return float(GRID[int(np.argmin(np.where(np.isfinite(losses), losses, np.inf).mean(0)))])


def record(task: Task, schedule: str, epochs: int = EPOCHS) -> dict[str, Any]:
    """Losses of one task under one schedule: (seeds, epochs) for "watch", "score" and "train"."""
    rate, epoch = best_rate(task.name, schedule), steps_per_epoch(task)
    values = schedules(epoch)[schedule](rate)
    lanes = Lanes(task, SEEDS, 1)
    streams = [task.indices(seed) for seed in SEEDS]
    noted: dict[str, list[np.ndarray]] = {"watch": [], "score": [], "train": []}
    for number in range(epochs):
        train = np.zeros(len(SEEDS))
        for step in range(number * epoch, (number + 1) * epoch):
            index = np.stack([next(stream) for stream in streams])
            lr = torch.full((len(SEEDS), 1), values(step))
            train += lanes.step(index, lr)[:, 0] / epoch
        noted["train"].append(train)
        for name, rows in (("watch", slice(0, None, 2)), ("score", slice(1, None, 2))):
            noted[name].append(_validation(lanes, rows))
    return {"rate": rate, **{name: _plain(np.stack(values, 1)) for name, values in noted.items()}}


def _validation(lanes: Lanes, rows: slice) -> np.ndarray:
    everything = lanes._x_val, lanes._y_val
    lanes._x_val, lanes._y_val = (part[rows] for part in everything)
    losses = lanes.validation()[:, 0]
    lanes._x_val, lanes._y_val = everything
    return losses


def _plain(values: np.ndarray) -> list[Any]:
    return [[float(f"{v:.6g}") if np.isfinite(v) else None for v in row] for row in values]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--fast", action="store_true", help="one task, two epochs, nothing written")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    if args.fast:
        for schedule in schedules(1):
            record(task("cancer_logreg_nesterov"), schedule, epochs=2)
        return
    out: dict[str, Any] = {
        "command": "python benchmarks/stopping_traces.py",
        "versions": {"torch": torch.__version__, "python": platform.python_version()},
        "epochs": EPOCHS,
        "seeds": SEEDS,
        "traces": json.loads(PATH.read_text("utf-8"))["traces"] if PATH.exists() else {},
    }
    names = [name for half in TASKS.values() for name in half]
    for schedule, name in product(schedules(1), sorted(names, key=lambda n: "text" in n)):
        key = f"{name}/{schedule}"
        if key in out["traces"]:
            continue
        started = time.perf_counter()
        out["traces"][key] = record(task(name), schedule)
        text = json.dumps(out, separators=(",", ":")).replace("]]},", "]]},\n")
        PATH.write_text(text + "\n", encoding="utf-8")
        print(f"{key:36s} {time.perf_counter() - started:6.1f} s", flush=True)


if __name__ == "__main__":
    main()
