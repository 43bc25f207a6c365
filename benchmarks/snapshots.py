"""What cycle snapshots are worth: the best of each cycle, averaged and as an ensemble.

    python benchmarks/snapshots.py            # adds what benchmarks/data/... does not have; a table
    python benchmarks/snapshots.py --fast     # one task, five epochs, nothing written

Five cycles of cosine annealing (SGDR) of ten epochs each, five seeds, the rate that is best for
the task. As EarlyStopping(snapshots=3) does, the best weights of each of the last three cycles are
kept, by the loss on half of the validation rows ("watch"). The other half tells what the last
weights, the best single ones, the three averaged (BatchNorm's statistics measured anew) and the
three together (the mean of their probabilities, or of their outputs) are worth; beside them, the
last weights of one cycle over the same fifty epochs.
"""

import argparse
import json
import platform
from pathlib import Path
from typing import Any

import numpy as np
import torch
from batched import Lanes
from stopping_traces import SCORE, SEEDS, WATCH, best_rate, steps_per_epoch, validation_of
from tasks import Task, classify, task
from torch import Tensor, nn

from lrtool.schedules import Schedule, one_cycle, sgdr
from lrtool.weights import (
    Ensemble,
    Weights,
    average_weights,
    recompute_batch_norm,
    with_weights,
)

PATH = Path(__file__).parent / "data" / "snapshots.json"
CYCLES, EPOCHS, KEPT = 5, 50, 3
TASKS = {
    "dev": ("digits_mlp_sgd", "cancer_raw_mlp_adamw", "diabetes_mlp_nesterov"),
    "report": (
        "digits_noisy_mlp_adam",
        "wine_raw_mlp_rmsprop",
        "diabetes_raw_mlp_adam",
        "digits_cnn_bn_momentum",
    ),
}
WAYS = ("last weights", "best single", "averaged", "ensemble", "one cycle, last weights")


def measure(task: Task, epochs: int) -> dict[str, list[float]]:
    """Score losses, a seed each, of every one of `WAYS`."""
    steps, rate = epochs * steps_per_epoch(task), best_rate(task.name, "sgdr")
    kept = _train(task, sgdr(max_lr=rate, T_0=steps // CYCLES), epochs)
    whole = _train(task, one_cycle(max_lr=rate, total_steps=steps), epochs)
    out: dict[str, list[float]] = {way: [] for way in WAYS}
    for seed, cycles, single in zip(SEEDS, kept, whole, strict=True):
        model = task.make_model(seed)
        snapshots = [weights for _, weights in cycles["best"][-KEPT:]]
        best = min(cycles["best"], key=lambda entry: entry[0])[1]
        averaged = with_weights(model, average_weights(model, snapshots))
        x = task.data()[0]
        recompute_batch_norm(averaged, [x[at : at + 64] for at in range(0, len(x), 64)])
        members = [with_weights(model, weights) for weights in snapshots]
        link = (lambda out: out.softmax(-1)) if task.loss is classify else None
        models = (
            with_weights(model, cycles["last"]),
            with_weights(model, best),
            averaged,
            Ensemble(members, link),
            with_weights(model, single["last"]),
        )
        for way, one in zip(WAYS, models, strict=True):
            out[way].append(float(f"{_score(task, one):.6g}"))
    return out


def _train(task: Task, schedule: Schedule, epochs: int) -> list[dict[str, Any]]:
    """For each seed: the "last" weights, and the "best" (watch loss, weights) of each cycle."""
    lanes, epoch = Lanes(task, SEEDS, 1), steps_per_epoch(task)
    streams = [task.indices(seed) for seed in SEEDS]
    best: list[dict[int, tuple[float, Weights]]] = [{} for _ in SEEDS]
    for number in range(epochs):
        for step in range(number * epoch, (number + 1) * epoch):
            index = np.stack([next(stream) for stream in streams])
            lanes.step(index, torch.full((len(SEEDS), 1), schedule(step)))
        cycle = schedule.cycle((number + 1) * epoch - 1)
        assert cycle is not None
        for i, loss in enumerate(validation_of(lanes, WATCH)):
            if loss < best[i].get(cycle.index, (np.inf,))[0]:
                best[i][cycle.index] = float(loss), _weights(lanes, i)
    return [
        {"last": _weights(lanes, i), "best": [best[i][cycle] for cycle in sorted(best[i])]}
        for i in range(len(SEEDS))
    ]


def _weights(lanes: Lanes, seed: int) -> Weights:
    return {name: value[seed, 0].detach().clone() for name, value in lanes.state.items()}


def _score(task: Task, model: nn.Module) -> float:
    _, _, x, y = task.data()
    model.eval()
    with torch.no_grad():
        outputs: Tensor = model(x[SCORE])
        if isinstance(model, Ensemble) and model.link is not None:
            outputs = outputs.log()  # cross entropy takes logits
        return float(task.loss(outputs, y[SCORE]))


def table(results: dict[str, dict[str, list[float]]]) -> None:
    """Mean over seeds relative to the best single weights; wins over it in brackets."""
    print("| task | half | " + " | ".join(WAYS) + " |\n" + "|---" * (2 + len(WAYS)) + "|")
    for half, names in TASKS.items():
        for name in filter(results.__contains__, names):
            single = np.array(results[name]["best single"])
            cells = []
            for way in WAYS:
                values = np.array(results[name][way])
                change = f"{values.mean() / single.mean() - 1:+.1%} ({np.sum(values < single)}/5)"
                cells.append(f"{single.mean():.4g}" if way == "best single" else change)
            print(f"| {name} | {half} | " + " | ".join(cells) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--fast", action="store_true", help="one task, five epochs, nothing written"
    )
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    if args.fast:
        table({"wine_raw_mlp_rmsprop": measure(task("wine_raw_mlp_rmsprop"), CYCLES)})
        return
    results = json.loads(PATH.read_text("utf-8"))["results"] if PATH.exists() else {}
    for name in (name for half in TASKS.values() for name in half if name not in results):
        results[name] = measure(task(name), EPOCHS)
        versions = {"torch": torch.__version__, "python": platform.python_version()}
        out = {"command": "python benchmarks/snapshots.py", "versions": versions}
        text = json.dumps({**out, "results": results}, separators=(",", ":")).replace(
            "]},", "]},\n"
        )
        PATH.write_text(text + "\n", encoding="utf-8")
    table(results)


if __name__ == "__main__":
    main()
