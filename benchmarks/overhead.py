"""What a range test costs, beside what else could be done with the same steps.

python benchmarks/overhead.py [--fast]

Every figure is a ratio of two runs of the same round, one after the other in random order, and the
median of its rounds. Time is the process's CPU time on one thread, which other work on the machine
does not add to; wall-clock ratios are printed beside it.
"""

import argparse
import contextlib
import gc
import io
import logging
import platform
import random
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.tuner import Tuner
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from lrtool.callbacks import LRRangeTest
from lrtool.snapshot import Snapshot

STEPS = 100
LOW, HIGH = 1e-7, 1e-3
ROUNDS = {"0.3 ms": 15, "3 ms": 9, "10 ms": 7}
SIZES = {"0.3 ms": (32, 64, 16), "3 ms": (128, 256, 256), "10 ms": (256, 512, 320)}


class Model(pl.LightningModule):
    """A small network on random data; (inputs, hidden units, batch) set the length of a step."""

    def __init__(self, size: tuple[int, int, int]) -> None:
        super().__init__()
        inputs, hidden, self.batch = size
        self.net = nn.Sequential(
            nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(),
            nn.Linear(hidden, 1),
        )  # fmt: skip
        self.lr = 1e-4
        self.inputs = inputs

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)

    def loss(self, batch: Any) -> Tensor:
        return nn.functional.mse_loss(self(batch[0]), batch[1])

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        return self.loss(batch)

    def configure_optimizers(self) -> Any:
        return torch.optim.Adam(self.parameters(), lr=self.lr)

    def loader(self) -> DataLoader[Any]:
        x = torch.randn(self.batch * STEPS, self.inputs)
        return DataLoader(TensorDataset(x, torch.randn(len(x), 1)), self.batch)


class Timed(LRRangeTest):
    """Keeps the time of the sweep itself: snapshot, steps, divergence test, restore, pick."""

    spent = (0.0, 0.0)

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        start = clocks()
        super().on_train_start(trainer, pl_module)
        self.spent = since(start)


def clocks() -> tuple[float, float]:
    return time.process_time(), time.perf_counter()


def since(start: tuple[float, float]) -> tuple[float, float]:
    now = clocks()
    return now[0] - start[0], now[1] - start[1]


def trainer(*callbacks: Any, **options: Any) -> pl.Trainer:
    return pl.Trainer(
        accelerator="cpu",
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=list(callbacks),
        **options,
    )


def bare(model: Model, loader: Any) -> tuple[float, float]:
    """(a) The same steps in plain torch, the rate written before each."""
    optimizer = model.configure_optimizers()
    rates = torch.logspace(-7, -3, STEPS).tolist()
    start = clocks()
    losses = []
    for lr, batch in zip(rates, loader, strict=True):
        optimizer.param_groups[0]["lr"] = lr
        loss = model.loss(batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return since(start)


def fit(model: Model, loader: Any) -> tuple[float, float]:
    """(b) Trainer.fit of as many steps, the whole call."""
    run = trainer(max_steps=STEPS)
    start = clocks()
    run.fit(model, loader)
    return since(start)


def lightning_finder(model: Model, loader: Any) -> tuple[float, float]:
    """(c) Lightning's finder, the whole call."""
    with tempfile.TemporaryDirectory() as folder:
        run = trainer(max_steps=STEPS, default_root_dir=folder)
        start = clocks()
        Tuner(run).lr_find(
            model, loader, min_lr=LOW, max_lr=HIGH, num_training=STEPS,
            early_stop_threshold=None, update_attr=False,
        )  # fmt: skip
        return since(start)


def torch_lr_finder(model: Model, loader: Any) -> tuple[float, float]:
    """(d) torch-lr-finder: the sweep and its reset."""
    from torch_lr_finder import LRFinder

    optimizer = torch.optim.Adam(model.parameters(), lr=LOW)
    finder = LRFinder(model, optimizer, nn.MSELoss(), device="cpu")
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        start = clocks()
        finder.range_test(loader, end_lr=HIGH, num_iter=STEPS, diverge_th=1e9)
        finder.reset()
        return since(start)


def finder() -> Timed:
    return Timed(min_lr=LOW, max_lr=HIGH, num_steps=STEPS, apply=False, then="stop")


def sweep(model: Model, loader: Any) -> tuple[float, float]:
    """The sweep alone, inside a running Trainer."""
    test = finder()
    trainer(test, max_steps=STEPS).fit(model, loader)
    assert test.result is not None
    assert test.result.num_steps == STEPS
    return test.spent


def whole(model: Model, loader: Any) -> tuple[float, float]:
    """The fit that only sweeps, the whole call."""
    run = trainer(finder(), max_steps=STEPS)
    start = clocks()
    run.fit(model, loader)
    return since(start)


# What is compared with what: ours, the other, the goal (None: for information).
PAIRS: list[tuple[str, Callable[..., Any], Callable[..., Any], dict[str, float]]] = [
    ("sweep / (a) bare torch", sweep, bare, {"3 ms": 1.10, "10 ms": 1.10}),
    ("whole call / (b) Trainer.fit", whole, fit, dict.fromkeys(SIZES, 1.0)),
    ("whole call / (c) Lightning's finder", whole, lightning_finder, dict.fromkeys(SIZES, 0.9)),
    ("sweep / (d) torch-lr-finder", sweep, torch_lr_finder, {}),
    ("(a) bare torch / (c) Lightning's finder", bare, lightning_finder, {}),
]


def ratios(
    ours: Callable[..., Any], other: Callable[..., Any], size: tuple[int, int, int], rounds: int
) -> list[tuple[float, float]]:
    """(CPU, wall) ratios of `rounds` pairs, the first pair not counted."""
    found = []
    for _ in range(rounds + 1):
        pair = [ours, other]
        random.shuffle(pair)
        model = Model(size)
        loader = model.loader()
        times = {run: run(model, loader) for run in pair}
        found.append((times[ours][0] / times[other][0], times[ours][1] / times[other][1]))
    return found[1:]


def step_time(size: tuple[int, int, int]) -> float:
    """Milliseconds of CPU of a bare step."""
    model = Model(size)
    return min(bare(model, model.loader())[0] for _ in range(3)) / STEPS * 1000


def snapshot_ratio(parameters: int, rounds: int) -> list[tuple[float, float]]:
    """Snapshot and restore of a model with Adam's state, against copying its bytes twice."""
    width = int((parameters / 4) ** 0.5)
    model = nn.Sequential(*[nn.Linear(width, width, bias=False) for _ in range(4)])
    optimizer = torch.optim.Adam(model.parameters())
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    optimizer.zero_grad()
    tensors = [p.detach() for p in model.parameters()]
    tensors += [v for state in optimizer.state.values() for v in state.values()]

    def ours() -> None:
        Snapshot(model, optimizer).restore()

    def copies() -> None:
        saved = [tensor.clone() for tensor in tensors]
        for tensor, copy in zip(tensors, saved, strict=True):
            tensor.copy_(copy)

    found = []
    for _ in range(rounds + 1):
        pair = [ours, copies]
        random.shuffle(pair)
        times: dict[Any, tuple[float, float]] = {}
        for run in pair:
            start = clocks()
            run()
            times[run] = since(start)
        found.append((times[ours][0] / times[copies][0], times[ours][1] / times[copies][1]))
    return found[1:]


def show(found: list[tuple[float, float]]) -> str:
    cpu, wall = ([one[i] for one in found] for i in (0, 1))
    low, _, high = statistics.quantiles(cpu, n=4) if len(cpu) > 1 else (cpu[0],) * 3
    return f"{statistics.median(cpu):.3f} ({low:.3f} to {high:.3f}) | {statistics.median(wall):.3f}"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--fast", action="store_true", help="a few rounds, a small snapshot")
    fast = arguments.parse_args().fast
    warnings.simplefilter("ignore")
    for name in ("pytorch_lightning", "lightning.pytorch"):
        logging.getLogger(name).setLevel(logging.ERROR)
    torch.set_num_threads(1)
    gc.freeze()  # or the collector walks all of torch in the midst of some run or other
    torch.manual_seed(0)
    random.seed(0)
    print(f"{platform.machine()}, torch {torch.__version__}, one thread, {STEPS} steps\n")
    print("| comparison | step | ratio of CPU time, median (quartiles) | of wall time | goal |")
    print("| --- | --- | --- | --- | --- |")
    for size, shape in SIZES.items():
        measured = step_time(shape)
        for name, ours, other, goals in PAIRS:
            found = ratios(ours, other, shape, 3 if fast else ROUNDS[size])
            goal = f"at most {goals[size]:.2f}" if size in goals else ""
            print(f"| {name} | {measured:.2f} ms | {show(found)} | {goal} |", flush=True)
    millions = 4 if fast else 100
    found = snapshot_ratio(millions * 10**6, 3 if fast else 5)
    print(f"| snapshot and restore / copying the bytes | {millions}M parameters, Adam | "
          f"{show(found)} | at most 1.30 |")  # fmt: skip


if __name__ == "__main__":
    main()
