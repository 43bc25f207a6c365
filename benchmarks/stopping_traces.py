"""Validation traces of full trainings, recorded once; rules of stopping are judged on them offline.

    python benchmarks/stopping_traces.py            # adds what benchmarks/data/... does not have
    python benchmarks/stopping_traces.py --fast     # one task, nothing written

Real tasks, five seeds, 100 epochs, at the rate that is best for the task (the truth table's). After
every epoch two losses are noted, on two halves of the validation rows: "watch", which a rule may
look at, and "score", which tells what the weights were worth; "before" is the score of the
untrained weights. Schedules: constant; one-cycle; SGDR with cycles of 10, 20 and 40 epochs and the
first 30 of the next, of 80; and three decays to zero.
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
from pick_truth import GRID, PATHS
from tasks import Task, task

from lrtool.schedules import Schedule, constant, cosine, linear, one_cycle, sgdr, wsd

PATH = Path(__file__).parent / "data" / "stopping_traces.json"
EPOCHS = 100
SEEDS = [0, 1, 2, 3, 4]
WATCH, SCORE = slice(0, None, 2), slice(1, None, 2)  # of the validation rows
# Each half was named before anything of it was recorded. "report" is one task of each kind of data
# and model; "rest", the rest of the suite's report half, was recorded when "report" had been seen,
# and "last" when both had been. "more" is more of the suite to develop on, at a constant rate.
TASKS = {
    "dev": (
        "digits_cnn_adam",
        "digits_mlp_sgd",
        "text_gru_rmsprop",
        "diabetes_mlp_nesterov",
        "cancer_raw_mlp_adamw",
    ),
    "more": (
        "digits_raw_mlp_momentum",
        "digits_cnn_bn_sgd",
        "wine_logreg_sgd",
        "digits_autoencoder_nadam",
        "pixels_factors_adagrad",
        "adding_lstm_adam",
        "digits_dim_deep_sgd",
        "cancer_raw_momentum_8",
        "wine_logreg_adam_8",
        "diabetes_mlp_sgd_64",
        "digits_autoencoder_rmsprop_64",
        "digits_dim_deep_adam_64",
    ),
    "report": (
        "digits_cnn_bn_momentum",
        "digits_noisy_mlp_adam",
        "text_transformer_adamw",
        "diabetes_raw_mlp_adam",
        "cancer_logreg_nesterov",
    ),
    "rest": (
        "digits_dim_mlp_sgd",
        "wine_raw_mlp_rmsprop",
        "text_bag_adagrad",
        "recall_gru_nadam",
        "digits_fine_tune_momentum",
        "digits_rows_gru_sgd",
        "digits_autoencoder_adamw",
    ),
    "last": (
        "iris_raw_logreg_momentum",
        "wine_noisy_deep_nesterov",
        "cancer_hundredth_mlp_adam",
        "digits_noisy_bn_mlp_adamw",
        "diabetes_uneven_mlp_rmsprop",
    ),
}
CYCLES = ("one_cycle", "sgdr")
DECAYS = ("cosine", "linear", "wsd")
# Under cycles, where a hundred epochs of it would take hours.
SHORT = {"text_transformer_adamw": 30}


def schedules(epoch: int, epochs: int = EPOCHS) -> dict[str, Callable[[float], Schedule]]:
    """Schedules of `epochs` epochs of `epoch` steps, given a rate."""
    total = epochs * epoch
    return {
        "constant": lambda rate: constant(rate),
        "one_cycle": lambda rate: one_cycle(max_lr=rate, total_steps=total),
        "sgdr": lambda rate: sgdr(max_lr=rate, T_0=total // 10, T_mult=2),
        "cosine": lambda rate: cosine(rate, total_steps=total),
        "linear": lambda rate: linear(rate, total_steps=total),
        "wsd": lambda rate: wsd(rate, total_steps=total),
    }


def wanted() -> list[tuple[str, str]]:
    """(task, schedule) of every trace."""
    judged = TASKS["dev"] + TASKS["report"]
    return [
        *product((name for half in TASKS.values() for name in half), ("constant",)),
        *product((*judged, *filter(_is_quick, TASKS["rest"])), CYCLES),
        *product(filter(_is_quick, judged), DECAYS),
    ]


def _is_quick(name: str) -> bool:
    """Whether it takes seconds, not minutes."""
    return not any(kind in name for kind in ("text", "gru", "cnn"))


def steps_per_epoch(task: Task) -> int:
    return len(task.data()[0]) // task.batch_size


def best_rate(name: str, schedule: str) -> float:
    """The grid's best rate for the task: by the mean over the truth table's own seeds."""
    table = json.loads(PATHS[task(name).half].read_text(encoding="utf-8"))["tasks"]
    entry = table[name]
    losses = np.array(entry["one_cycle" if schedule in CYCLES else "constant"], dtype=float)
    return float(GRID[int(np.argmin(np.where(np.isfinite(losses), losses, np.inf).mean(0)))])


def record(task: Task, schedule: str, epochs: int = EPOCHS) -> dict[str, Any]:
    """Losses of one task under one schedule: (seeds, epochs) for "watch", "score" and "train"."""
    rate, epoch = best_rate(task.name, schedule), steps_per_epoch(task)
    values = schedules(epoch, epochs)[schedule](rate)
    lanes = Lanes(task, SEEDS, 1)
    before = validation_of(lanes, SCORE)
    streams = [task.indices(seed) for seed in SEEDS]
    noted: dict[str, list[np.ndarray]] = {"watch": [], "score": [], "train": []}
    for number in range(epochs):
        train = np.zeros(len(SEEDS))
        for step in range(number * epoch, (number + 1) * epoch):
            index = np.stack([next(stream) for stream in streams])
            lr = torch.full((len(SEEDS), 1), values(step))
            train += lanes.step(index, lr)[:, 0] / epoch
        noted["train"].append(train)
        for name, rows in (("watch", WATCH), ("score", SCORE)):
            noted[name].append(validation_of(lanes, rows))
    losses = {name: _plain(np.stack(values, 1)) for name, values in noted.items()}
    return {"rate": rate, "epochs": epochs, "before": _plain(before[None])[0], **losses}


def validation_of(lanes: Lanes, rows: slice) -> np.ndarray:
    """The loss of each seed on some of the validation rows."""
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
        "seeds": SEEDS,
        "traces": json.loads(PATH.read_text("utf-8"))["traces"] if PATH.exists() else {},
    }
    for name, schedule in wanted():
        key = f"{name}/{schedule}"
        if key in out["traces"]:
            continue
        started = time.perf_counter()
        out["traces"][key] = record(
            task(name), schedule, EPOCHS if schedule == "constant" else SHORT.get(name, EPOCHS)
        )
        text = json.dumps(out, separators=(",", ":")).replace("]]},", "]]},\n")
        PATH.write_text(text + "\n", encoding="utf-8")
        print(f"{key:36s} {time.perf_counter() - started:6.1f} s", flush=True)


if __name__ == "__main__":
    main()
