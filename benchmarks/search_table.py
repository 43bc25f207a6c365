"""Real trainings over the search space, many lanes at once, for `search.py` to look up.

    python benchmarks/search_table.py                # benchmarks/data/search_table.npz
    python benchmarks/search_table.py --half drawn --count 500    # data/search_table_drawn.npz
    python benchmarks/search_table.py --half extra --count 800    # eleven to develop on, not kept

For every task: configurations drawn over the whole space (LR from 1e-7 to 10), and as many around
the rates that train; each is trained three times, for a ninth, a third and all of the task's steps,
every time under its own complete one-cycle ("drawn" for all of them only). Beside them 20 range
tests a task.
"""

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from drawn_tasks import DRAWN
from pick_truth import PATHS as TRUTH_PATHS
from pick_truth import load as load_truth
from sweeps import range_tests
from tasks import OPTIMIZERS, Task, task
from torch import Tensor
from torch.func import functional_call, vmap

from lrtool.optimizers import capabilities_of
from lrtool.schedules import Horizon, opposed
from lrtool.search.measured import Knobs
from lrtool.search.plan import lr_plan, momentum_plan
from lrtool.suggest import suggest
from lrtool.sweep import SweepConfig

_DATA = Path(__file__).parent / "data"
_TRAINED = ("sgd", "momentum", "nesterov", "adam", "adamw")  # the update rules of `Lanes` below
DEV = (
    "digits_mlp_sgd", "digits_raw_mlp_momentum", "cancer_raw_mlp_adamw",
    "diabetes_mlp_nesterov", "digits_dim_deep_sgd", "wine_logreg_sgd",
)  # fmt: skip
REPORT = (
    "digits_dim_mlp_sgd", "digits_noisy_mlp_adam", "cancer_logreg_nesterov",
    "diabetes_raw_mlp_adam", "digits_fine_tune_momentum", "digits_autoencoder_adamw",
)  # fmt: skip
# More to develop on; their table is made on demand (`--half extra`) and not kept.
EXTRA = (
    "wine_logreg_adam_8", "wine_logreg_nesterov_32", "cancer_raw_sgd_32", "diabetes_mlp_adam_8",
    "diabetes_mlp_sgd_64", "cancer_raw_momentum_8", "digits_mlp_adam_8", "pixels_factors_adamw_128",
    "digits_autoencoder_nesterov_32", "digits_sigmoid_mlp_momentum", "digits_noisy_mlp_sgd",
)  # fmt: skip
# A second half to report on, set apart before any search was run on it: six of the drawn tasks that
# can be trained here, by one draw of one seed. All of them learn (data/pick_truth_drawn.json).
_CAN = [task.name for task in DRAWN if task.optimizer in _TRAINED]
DRAWN_REPORT = tuple(
    _CAN[i] for i in sorted(np.random.default_rng(2028).choice(len(_CAN), 6, replace=False))
)
HALVES = {"dev": DEV, "report": REPORT, "extra": EXTRA, "drawn": DRAWN_REPORT}
PATHS = {
    half: _DATA / f"search_table{'' if half in ('dev', 'report') else '_' + half}.npz"
    for half in HALVES
}
NAMES = ("max_lr", "momentum", "weight_decay", "pct_start", "div_factor", "final_div_factor",
         "momentum_dip")  # fmt: skip
SHARES = (1 / 9, 1 / 3, 1.0)
BATCH = 250  # lanes at once
SWEEPS = 20


def knobs(task: Task) -> Knobs:
    optimizer = task.make_optimizer(task.make_model(0).parameters(), 0.01)
    group = optimizer.param_groups[0]
    sgd, can = "momentum" in group, capabilities_of(optimizer)
    assert can.momentum_prior is not None
    return Knobs(
        lr=OPTIMIZERS[task.optimizer][0](task.make_model(0).parameters()).param_groups[0]["lr"],
        momentum=group["momentum"] if sgd else group["betas"][0],
        weight_decay=group["weight_decay"],
        accumulates=sgd,
        optimizer=type(optimizer).__name__,
        momentum_prior=can.momentum_prior,
        weight_decay_prior=can.weight_decay_prior,
    )


def configurations(task: Task, count: int, seed: int) -> np.ndarray:
    """(count, 7) natural parameters, in the order of NAMES."""
    random = np.random.default_rng([seed, 11])
    held = knobs(task)
    truth = load_truth(TRUTH_PATHS[task.half])[task.name]["one_cycle"]
    best = truth.x[np.argmin(truth.regrets)] - np.log10(1 - held.momentum) * held.accumulates
    one_minus = 10 ** random.uniform(np.log10(0.005), 0, count)
    lr = 10 ** random.uniform(-7, 1, count)
    near = np.arange(count) % 4 != 0
    effective = 10 ** (best + random.uniform(-1.5, 1.2, count))
    lr = np.where(near, effective * (one_minus if held.accumulates else 1), lr)
    decay = (held.weight_decay or 1e-4) * 10 ** random.uniform(-3, 2, count)
    dip = random.uniform(0, 0.7, count) if held.accumulates else np.zeros(count)
    return np.stack(
        [
            lr, 1 - one_minus, decay, random.uniform(0.05, 0.5, count),
            10 ** random.uniform(np.log10(2), 2, count), 10 ** random.uniform(1, 5, count), dip,
        ],
        1,
    )  # fmt: skip


def curves(rows: np.ndarray, steps: int) -> tuple[Tensor, Tensor]:
    """(steps, lanes) rates and momenta."""
    rates, momenta = [], []
    for row in rows:
        params = {"schedule": "one_cycle", **dict(zip(NAMES, row.tolist(), strict=True))}
        horizon = Horizon(total_steps=steps)
        schedule = lr_plan(params).build(horizon)
        rate = np.array([schedule(step) for step in range(steps)])
        plan = momentum_plan(params)
        if isinstance(plan, tuple):
            against = opposed(schedule, low=plan[0], high=plan[1])
            momenta.append(np.array([against(step) for step in range(steps)]))
        else:
            momenta.append(np.full(steps, plan))
        rates.append(rate)
    as_tensor = lambda parts: torch.tensor(np.stack(parts, 1), dtype=torch.float32)  # noqa: E731
    return as_tensor(rates), as_tensor(momenta)


class Lanes:
    """One model a configuration, all from one seed, with torch's update rules lane by lane."""

    def __init__(self, task: Task, rows: np.ndarray, seed: int) -> None:
        self.task, self.skeleton = task, task.make_model(seed)
        lanes = len(rows)
        self.state = {
            name: value.unsqueeze(0).repeat(lanes, *[1] * value.dim())
            for name, value in self.skeleton.state_dict().items()
        }
        self.params = [
            self.state[name].requires_grad_() for name, _ in self.skeleton.named_parameters()
        ]
        self.first = [torch.zeros_like(p) for p in self.params]
        self.second = [torch.zeros_like(p) for p in self.params]
        self.decay = torch.tensor(rows[:, NAMES.index("weight_decay")], dtype=torch.float32)
        kind, options = OPTIMIZERS[task.optimizer]
        self.sgd, self.nesterov = kind is torch.optim.SGD, options.get("nesterov", False)
        self.decoupled = kind is torch.optim.AdamW
        self.product = torch.ones(lanes)
        self.steps = 0

    def _losses(self, x: Tensor, y: Tensor) -> Tensor:
        def one(state: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
            return self.task.loss(functional_call(self.skeleton, state, (x,)), y)

        return vmap(one, (0, None, None))(self.state, x, y)

    def step(self, x: Tensor, y: Tensor, lr: Tensor, momentum: Tensor) -> None:
        self._losses(x, y).sum().backward()
        self.steps += 1
        self.product = self.product * momentum
        with torch.no_grad():
            for p, first, second in zip(self.params, self.first, self.second, strict=True):
                shape = (-1,) + (1,) * (p.dim() - 1)
                rate, m, decay = (v.reshape(shape) for v in (lr, momentum, self.decay))
                gradient = p.grad
                assert gradient is not None
                if self.decoupled:
                    p.mul_(1 - rate * decay)
                else:
                    gradient = gradient.addcmul(decay, p)
                if self.sgd:
                    first.mul_(m).add_(gradient)
                    update = gradient + m * first if self.nesterov else first
                else:
                    first.mul_(m).add_((1 - m) * gradient)
                    second.mul_(0.999).addcmul_(gradient, gradient, value=0.001)
                    root = (second / (1 - 0.999**self.steps)).sqrt_().add_(1e-8)
                    update = first / root / (1 - self.product.reshape(shape))
                p.sub_(rate * update)
                p.grad = None

    def validation(self) -> np.ndarray:
        _, _, x, y = self.task.data()
        self.skeleton.eval()
        with torch.no_grad():
            return self._losses(x, y).numpy().astype(np.float64)


def train(task: Task, rows: np.ndarray, steps: int, seed: int = 0) -> np.ndarray:
    """(lanes,) validation losses after one complete schedule of `steps`."""
    out = []
    for start in range(0, len(rows), BATCH):
        part = rows[start : start + BATCH]
        lanes = Lanes(task, part, seed)
        lr, momentum = curves(part, steps)
        for step, (x, y) in zip(range(steps), task.batches(seed), strict=False):
            lanes.step(x, y, lr[step], momentum[step])
        out.append(lanes.validation())
    return np.concatenate(out)


def measured(task: Task, seeds: Sequence[int]) -> list[dict[str, Any]]:
    """Range tests with lrtool's defaults: suggestion, cost and stop reason."""
    found = []
    for curve in range_tests(task, list(seeds), SweepConfig()):
        suggestion = suggest(curve, optimizer=knobs(task).optimizer)
        found.append({"curve": curve.to_dict(), "suggestion": suggestion.to_dict()})
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--fast", action="store_true", help="one task, few lanes, nothing written")
    parser.add_argument("--half", choices=("first", "extra", "drawn"), default="first")
    parser.add_argument("--count", type=int, default=1000, help="configurations a task (1000)")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    out: dict[str, np.ndarray] = {}
    path = PATHS["dev" if args.half == "first" else args.half]
    names = DEV + REPORT if args.half == "first" else HALVES[args.half]
    for name in ("wine_logreg_sgd",) if args.fast else names:
        started, job = time.perf_counter(), task(name)
        rows = configurations(job, 50 if args.fast else args.count, seed=5)
        shares = SHARES[-1:] if args.half == "drawn" else SHARES
        losses = [train(job, rows, max(1, round(share * job.num_steps))) for share in shares]
        out[f"{name}/rows"] = rows.astype(np.float32)
        out[f"{name}/losses"] = np.stack(losses, 1).astype(np.float32)
        out[f"{name}/before"] = np.float32(job.validation_loss(job.make_model(0)))
        out[f"{name}/sweeps"] = np.array(json.dumps(measured(job, range(SWEEPS))))
        print(f"{name:28s} {time.perf_counter() - started:6.1f} s", flush=True)
        if not args.fast:
            np.savez_compressed(path, **out)


if __name__ == "__main__":
    main()
