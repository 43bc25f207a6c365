"""Optimizers that promise to need no learning rate, in place of a pick.

    python benchmarks/tuning_free.py --half report     # minutes on a core

Each trains every task for its full length with the truth's seeds. Regret is counted against the
task's own optimizer at its best one-cycle peak (pick_truth.py): below 0 would be better than that.
"""

import argparse
import math
import warnings
from collections.abc import Callable

import numpy as np
import torch
from pick import bootstrap, scored
from pick_truth import PATHS, SEEDS, load
from tasks import HALVES, Task

Make = Callable[[list[torch.nn.Parameter]], torch.optim.Optimizer]


def cosine(step: int, total: int) -> float:
    return 0.5 * (1 + math.cos(math.pi * step / total))


def steady(step: int, total: int) -> float:
    return 1.0


def contenders() -> dict[str, tuple[Make, Callable[[int, int], float]]]:
    from pytorch_optimizer import DAdaptAdam, Prodigy, ScheduleFreeAdamW

    return {
        "Prodigy, cosine": (lambda p: Prodigy(p, lr=1.0), cosine),
        "D-Adapt Adam, cosine": (lambda p: DAdaptAdam(p, lr=1.0), cosine),
        "schedule-free AdamW": (lambda p: ScheduleFreeAdamW(p, lr=2.5e-3), steady),
        "AdamW 1e-3, cosine": (lambda p: torch.optim.AdamW(p, lr=1e-3), cosine),
    }


def train(task: Task, seed: int, make: Make, factor: Callable[[int, int], float]) -> float:
    model = task.make_model(seed)
    optimizer = make(list(model.parameters()))
    base = [group["lr"] for group in optimizer.param_groups]
    switch = getattr(optimizer, "train", None)
    if switch is not None:
        switch()
    for step, (x, y) in zip(range(task.num_steps), task.batches(seed), strict=False):
        for group, lr in zip(optimizer.param_groups, base, strict=True):
            group["lr"] = lr * factor(step, task.num_steps)
        optimizer.zero_grad()
        task.loss(model(x), y).backward()
        optimizer.step()
    if switch is not None:
        optimizer.eval()  # type: ignore[attr-defined]
    return task.validation_loss(model)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--half", default="dev", choices=HALVES)
    parser.add_argument("--fast", action="store_true", help="three tasks, one seed")
    args = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    truth = load(PATHS[args.half])
    chosen = scored(args.half, truth)[: 3 if args.fast else None]
    seeds = SEEDS[:1] if args.fast else SEEDS
    print("| optimizer | mean regret (95%) | median | p90 | > 0.1 | worst task |")
    print("|---|---|---|---|---|---|")
    for name, (make, factor) in contenders().items():
        rows = []
        for task in chosen:
            table = truth[task.name]["one_cycle"]
            losses = [train(task, seed, make, factor) for seed in seeds]
            rows.append(np.mean([table.regret_of_loss(loss) for loss in losses]))
        regrets = np.array(rows)
        low, high = bootstrap(regrets)
        worst = chosen[int(regrets.argmax())].name
        print(
            f"| {name} | {regrets.mean():.3f} ({low:.3f}–{high:.3f}) | {np.median(regrets):.3f} "
            f"| {np.quantile(regrets, 0.9):.2f} | {np.mean(regrets > 0.1):.0%} "
            f"| {worst} {regrets.max():.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
