"""A flight recorder: everything a fit leaves behind, to be compared bit for bit with another fit's.

The model does what real ones do beside learning: it draws from every global generator, keeps
counters, a metric fed by hand, a buffer that no checkpoint holds, and logs all the time.
"""

import random
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import (
    DataLoader,
    Dataset,
    IterableDataset,
    TensorDataset,
    WeightedRandomSampler,
)
from torchmetrics import MeanMetric

NAMESPACES = ("pytorch_lightning", "lightning.pytorch")
ROWS, BATCH = 48, 8


def make_model(lightning: ModuleType, **options: Any) -> Any:
    """A model of the namespace `lightning` that leaves marks wherever it can.

    Options: `on_step(model, batch_idx)` is called in every training_step; `configure(model)` gives
    what configure_optimizers returns.
    """

    class Busy(lightning.LightningModule):  # type: ignore[name-defined,misc]
        def __init__(self) -> None:
            super().__init__()
            self.save_hyperparameters({"lr": 0.02, "loss": "mse"})
            self.net = nn.Sequential(
                nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 1)
            )
            self.ema: Tensor
            self.register_buffer("ema", torch.zeros(1), persistent=False)
            self.metric = MeanMetric()
            self.steps_seen = 0
            self.history: list[float] = []
            self.notes: dict[str, Any] = {"last": None}
            self.bank = torch.zeros(3)
            self.noise = np.random.default_rng(0)

        def on_train_epoch_start(self) -> None:
            self.epoch_sum = torch.zeros(())

        def training_step(self, batch: Any, batch_idx: int) -> Any:
            if "on_step" in options:
                options["on_step"](self, batch_idx)
            x, y = as_pair(batch)
            x = x + 0.01 * random.random() + 0.01 * float(np.random.rand()) + 0.01 * torch.rand(1)
            x = x + 0.01 * float(self.noise.random())
            loss = nn.functional.mse_loss(self.net(x), y)
            self.ema = 0.9 * self.ema + 0.1 * loss.detach()
            self.bank[self.steps_seen % 3] = loss.detach()
            self.metric.update(loss.detach())
            self.steps_seen += 1
            self.history.append(float(loss.detach()))
            self.notes["last"] = float(loss.detach())
            self.epoch_sum += loss.detach()
            self.log("loss", loss, on_step=True, on_epoch=True, prog_bar=True)
            self.log("metric", self.metric)
            self.notes["logged so far"] = sorted(self.trainer.callback_metrics)
            return loss

        def validation_step(self, batch: Any, batch_idx: int) -> None:
            x, y = as_pair(batch)
            self.log("val_loss", nn.functional.mse_loss(self.net(x), y))

        def configure_optimizers(self) -> Any:
            if "configure" in options:
                return options["configure"](self)
            optimizer = torch.optim.Adam(self.parameters(), lr=self.hparams["lr"])
            scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 4, 0.5)
            return {
                "optimizer": optimizer,
                "lr_scheduler": {"scheduler": scheduler, "interval": "step"},
            }

    torch.manual_seed(7)
    return Busy()


def as_pair(batch: Any) -> tuple[Tensor, Tensor]:
    if isinstance(batch, Mapping):
        return batch["x"], batch["y"]
    x, y = batch
    return x, y


# --- data ---------------------------------------------------------------------------------------


def rows(seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(ROWS, 4, generator=generator)
    return x, x.sum(1, keepdim=True)


class Drawing(Dataset[tuple[Tensor, Tensor]]):
    """Map-style, and every item is jittered by the dataset's own generator and counted."""

    def __init__(self) -> None:
        self.x, self.y = rows()
        self.rng = np.random.default_rng(3)
        self.served = 0

    def __len__(self) -> int:
        return ROWS

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        self.served += 1
        return self.x[index] + float(self.rng.normal()) + self.served, self.y[index]


class Jitter:
    """A transform, or a collate function's helper, that draws and counts by itself."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(4)
        self.calls: list[int] = []

    def __call__(self, x: Tensor) -> Tensor:
        self.calls.append(1)
        return x + float(self.rng.normal()) + 0.01 * len(self.calls)


class Transformed(Dataset[tuple[Tensor, Tensor]]):
    """What moves is not in the dataset but in the transforms that it holds."""

    def __init__(self) -> None:
        self.x, self.y = rows()
        self.transforms = {"train": [Jitter(), Jitter()]}

    def __len__(self) -> int:
        return ROWS

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        x = self.x[index]
        for transform in self.transforms["train"]:
            x = transform(x)
        return x, self.y[index]


def jittered_batches() -> Callable[[Sequence[tuple[Tensor, Tensor]]], list[Tensor]]:
    """A collate function of which the state is in a variable around it."""
    jitter = Jitter()

    def collate(items: Sequence[tuple[Tensor, Tensor]]) -> list[Tensor]:
        return [jitter(torch.stack([x for x, _ in items])), torch.stack([y for _, y in items])]

    return collate


class Stream(IterableDataset[tuple[Tensor, Tensor]]):
    """Iterable again and again, in an order that the global generator decides."""

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        x, y = rows()
        for index in torch.randperm(ROWS).tolist():
            yield x[index], y[index]


class CountingStream(IterableDataset[tuple[Tensor, Tensor]]):
    """Goes on where the last pass over it ended: its position is an attribute."""

    def __init__(self) -> None:
        self.position = 0

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        x, y = rows()
        for _ in range(ROWS):
            self.position += 1
            yield x[self.position % ROWS], y[self.position % ROWS]


class OneShot(IterableDataset[tuple[Tensor, Tensor]]):
    """A stream that is its own iterator: what is read is gone."""

    def __init__(self, length: int = 10_000) -> None:
        self.left = iter(range(length))
        self.data = rows()

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return self

    def __next__(self) -> tuple[Tensor, Tensor]:
        index = next(self.left) % ROWS
        return self.data[0][index], self.data[1][index]


class StatefulLoader:
    """Not a DataLoader: iterates batches, saves and loads its position."""

    def __init__(self) -> None:
        self.data = rows()
        self.at = 0
        self.generator = torch.Generator().manual_seed(5)

    def __len__(self) -> int:
        return ROWS // BATCH

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        x, y = self.data
        for _ in range(len(self)):
            self.at += 1
            pick = torch.randint(ROWS, (BATCH,), generator=self.generator)
            yield x[pick] + self.at, y[pick]

    def state_dict(self) -> dict[str, Any]:
        return {"at": self.at, "generator": self.generator.get_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.at = state["at"]
        self.generator.set_state(state["generator"])


class Batches:
    """Neither a DataLoader nor stateful nor of known length; shuffles by NumPy's global state."""

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        x, y = rows()
        for pick in np.random.permutation(ROWS).reshape(-1, BATCH):
            yield x[pick], y[pick]


class ShuffledBatches:
    """A batch sampler of the user's own, with a generator and an epoch counter inside."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(11)
        self.epoch = 0

    def __len__(self) -> int:
        return ROWS // BATCH

    def __iter__(self) -> Iterator[list[int]]:
        self.epoch += 1
        order = np.roll(self.rng.permutation(ROWS), self.epoch)
        yield from order.reshape(-1, BATCH).tolist()


class Uncopyable(ShuffledBatches):
    """Holds something that no one can copy."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()


def to_dict(items: Sequence[tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
    return {"x": torch.stack([x for x, _ in items]), "y": torch.stack([y for _, y in items])}


def table() -> TensorDataset:
    return TensorDataset(*rows())


LOADERS: dict[str, Callable[[], Any]] = {
    "in order": lambda: DataLoader(table(), BATCH),
    "shuffle, global seed": lambda: DataLoader(table(), BATCH, shuffle=True),
    "shuffle, own generator": lambda: DataLoader(
        table(), BATCH, shuffle=True, generator=torch.Generator().manual_seed(5)
    ),
    "weighted sampler": lambda: DataLoader(
        table(), BATCH, sampler=WeightedRandomSampler(list(range(1, ROWS + 1)), ROWS)
    ),
    "own batch sampler": lambda: DataLoader(
        table(),
        batch_sampler=ShuffledBatches(),
    ),
    "sampler that cannot be copied": lambda: DataLoader(table(), batch_sampler=Uncopyable()),
    "dataset that draws and counts": lambda: DataLoader(Drawing(), BATCH, shuffle=True),
    "transforms that draw and count": lambda: DataLoader(Transformed(), BATCH, shuffle=True),
    "collate function that draws": lambda: DataLoader(
        table(), BATCH, collate_fn=jittered_batches()
    ),
    "iterable dataset": lambda: DataLoader(Stream(), BATCH),
    "iterable dataset with a position": lambda: DataLoader(CountingStream(), BATCH),
    "stateful loader": StatefulLoader,
    "own iterable of batches": Batches,
    "dict batches": lambda: DataLoader(table(), BATCH, shuffle=True, collate_fn=to_dict),
}
WORKER_LOADERS: dict[str, Callable[[], Any]] = {
    "workers": lambda: DataLoader(
        Drawing(), BATCH, shuffle=True, num_workers=1, multiprocessing_context="fork"
    ),
    "persistent workers": lambda: DataLoader(
        Drawing(), BATCH, shuffle=True, num_workers=1, persistent_workers=True,
        multiprocessing_context="fork",
    ),
    "iterable dataset, workers": lambda: DataLoader(
        Stream(), BATCH, num_workers=1, multiprocessing_context="fork"
    ),
}  # fmt: skip


# --- recording ----------------------------------------------------------------------------------


def spy(lightning: ModuleType) -> Any:
    """A callback that writes down every hook it gets, when, and the batch that came with it."""

    class Spy(lightning.Callback):  # type: ignore[name-defined,misc]
        def __init__(self) -> None:
            self.diary: list[tuple[Any, ...]] = []
            self.seen = 0

        def state_dict(self) -> dict[str, Any]:
            return {"seen": self.seen}

        def _write(self, name: str, trainer: Any, *args: Any) -> None:
            self.seen += 1
            batch = next((as_pair(arg)[0].clone() for arg in args if is_batch(arg)), None)
            lrs = [group["lr"] for one in trainer.optimizers for group in one.param_groups]
            when = (trainer.current_epoch, trainer.global_step, sorted(trainer.callback_metrics))
            self.diary.append((name, when, lrs, batch))

    for name in dir(lightning.Callback):
        if name.startswith("on_") and not name.endswith("_checkpoint"):
            setattr(Spy, name, _hook(name))
    return Spy()


def _hook(name: str) -> Callable[..., None]:
    def hook(self: Any, trainer: Any, *args: Any, **kwargs: Any) -> None:
        self._write(name, trainer, *args, *kwargs.values())

    return hook


def is_batch(thing: object) -> bool:
    if isinstance(thing, Mapping):
        return "x" in thing
    return isinstance(thing, list | tuple) and len(thing) == 2 and isinstance(thing[0], Tensor)


def memory_logger(lightning: ModuleType) -> Any:
    base = import_module(f"{lightning.__name__}.loggers").Logger

    class MemoryLogger(base):  # type: ignore[misc,valid-type]
        def __init__(self) -> None:
            super().__init__()
            self.rows: list[Any] = []

        name = "memory"
        version = 0

        @property
        def experiment(self) -> Any:
            return self

        def add_scalar(self, *args: Any) -> None:
            self.rows.append(args)

        def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
            self.rows.append((step, dict(metrics)))

        def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
            self.rows.append(("hparams", dict(params)))

    return MemoryLogger()


def record(
    lightning: ModuleType,
    folder: Path,
    finder: Any,
    make_loader: Callable[[], Any] = LOADERS["shuffle, global seed"],
    *,
    model_options: Mapping[str, Any] | None = None,
    callbacks: Sequence[Any] = (),
    **trainer_options: Any,
) -> dict[str, Any]:
    """Fit from a fixed seed, with `finder` or with None, and return all that is left behind."""
    model = make_model(lightning, **(model_options or {}))
    watch, logger = spy(lightning), memory_logger(lightning)
    checkpoints = import_module(f"{lightning.__name__}.callbacks").ModelCheckpoint(
        dirpath=folder, save_last=True, every_n_train_steps=5, save_top_k=-1
    )
    options: dict[str, Any] = {"max_epochs": 2, "log_every_n_steps": 1, **trainer_options}
    trainer = lightning.Trainer(
        accelerator="cpu",
        devices=1,
        logger=logger,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[*([finder] if finder else []), watch, checkpoints, *callbacks],
        **options,
    )
    seed_all(1)
    trainer.fit(model, make_loader(), DataLoader(table(), BATCH))
    return {
        **left_behind(trainer, model),
        "hooks": [row[:3] for row in watch.diary],
        "batches": [row[3] for row in watch.diary if row[3] is not None],
        "logger": logger.rows,
        "spy state": watch.state_dict(),
        "files": {
            path.name: without_callbacks(torch.load(path, weights_only=False))
            for path in sorted(folder.rglob("*.ckpt"))
        },
    }


def left_behind(trainer: Any, model: Any) -> dict[str, Any]:
    """The state of a Trainer, its model and the world after a fit."""
    numpy_state: Any = np.random.get_state()
    return {
        "weights": dict(model.state_dict()),
        "buffers": dict(model.named_buffers()),
        "metric": model.metric.metric_state,
        "metric count": model.metric.update_count,
        "attributes": (model.steps_seen, model.history, model.notes, model.bank),
        "hparams": dict(model.hparams),
        "noise": model.noise.bit_generator.state,
        "optimizers": [optimizer.state_dict() for optimizer in trainer.optimizers],
        "schedulers": [config.scheduler.state_dict() for config in trainer.lr_scheduler_configs],
        "loops": trainer.fit_loop.state_dict(),
        "steps": (trainer.global_step, trainer.current_epoch, trainer.num_val_batches),
        "limits": (trainer.max_steps, trainer.max_epochs, trainer.accumulate_grad_batches),
        "logged": dict(trainer.logged_metrics),
        "monitored": dict(trainer.callback_metrics),
        "bar": dict(trainer.progress_bar_metrics),
        "random": (random.getstate(), numpy_state[1], torch.get_rng_state()),
    }


def without_callbacks(checkpoint: dict[str, Any]) -> dict[str, Any]:
    """A checkpoint without the absolute paths that ModelCheckpoint keeps in its own state."""
    states = {
        key: state for key, state in checkpoint["callbacks"].items() if "ModelCheckpoint" not in key
    }
    return {**checkpoint, "callbacks": states}


def seed_all(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def differences(one: Any, two: Any, path: str = "") -> list[str]:
    """Where two nested values differ, bit for bit; NaN equals NaN."""
    if type(one) is not type(two):
        return [f"{path}: {type(one).__name__} != {type(two).__name__}"]
    if isinstance(one, Mapping):
        if list(one) != list(two):
            return [f"{path}: keys {list(one)} != {list(two)}"]
        return [line for key in one for line in differences(one[key], two[key], f"{path}/{key}")]
    if isinstance(one, list | tuple):
        if len(one) != len(two):
            return [f"{path}: length {len(one)} != {len(two)}"]
        pairs = enumerate(zip(one, two, strict=True))
        return [line for i, (a, b) in pairs for line in differences(a, b, f"{path}[{i}]")]
    if isinstance(one, Tensor):
        same = one.dtype == two.dtype and one.shape == two.shape and _same_bits(one, two)
        return [] if same else [f"{path}: {one} != {two}"]
    if isinstance(one, np.ndarray):
        return [] if np.array_equal(one, two) else [f"{path}: arrays differ"]
    equal = one == two or (isinstance(one, float) and one != one and two != two)
    return [] if equal else [f"{path}: {one!r} != {two!r}"]


def _same_bits(one: Tensor, two: Tensor) -> bool:
    if one.is_floating_point():
        return bool(torch.equal(one.nan_to_num(nan=12345.0), two.nan_to_num(nan=12345.0)))
    return bool(torch.equal(one, two))
