"""What the suite's tasks are made of: data, models, losses, and `Task` itself.

Data: scikit-learn's bundled tables and images, and Python's own standard-library source as text;
nothing is downloaded. All is a function of the seed.
"""

import importlib
import inspect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine
from torch import Tensor, nn

Batch = tuple[Tensor, Tensor]
Data = tuple[Tensor, Tensor, Tensor, Tensor]

OPTIMIZERS: dict[str, tuple[type[torch.optim.Optimizer], dict[str, Any]]] = {
    "sgd": (torch.optim.SGD, {}),
    "momentum": (torch.optim.SGD, {"momentum": 0.9}),
    "nesterov": (torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
    "adam": (torch.optim.Adam, {}),
    "adamw": (torch.optim.AdamW, {"weight_decay": 0.01}),
    "rmsprop": (torch.optim.RMSprop, {}),
    "nadam": (torch.optim.NAdam, {}),
    "adagrad": (torch.optim.Adagrad, {}),
}


@dataclass(frozen=True)
class Task:
    """One small learning problem.

    Args:
        name: unique name.
        half: what it may be used for; see tasks.py.
        family: the kind of model, for grouping.
        optimizer: a key of `OPTIMIZERS`.
        batch_size: rows a step.
        data: () -> (x_train, y_train, x_val, y_val); kept after the first call.
        model: () -> a fresh module, drawn from torch's global generator.
        loss: (outputs, targets) -> scalar.
        num_steps: length of a full training.
    """

    name: str
    half: str
    family: str
    optimizer: str
    batch_size: int
    data: Callable[[], Data]
    model: Callable[[], nn.Module]
    loss: Callable[[Tensor, Tensor], Tensor]
    num_steps: int = 400

    def make_model(self, seed: int) -> nn.Module:
        with torch.random.fork_rng():
            torch.manual_seed(1000 + seed)
            return self.model()

    def make_optimizer(self, params: Iterable[Any], lr: float) -> torch.optim.Optimizer:
        kind, options = OPTIMIZERS[self.optimizer]
        return kind(params, lr=lr, **options)

    def indices(self, seed: int) -> Iterator[np.ndarray]:
        """Endless shuffled batches of row numbers; a short last batch is dropped."""
        rows, random = len(self.data()[0]), np.random.default_rng(seed)
        while True:
            order = random.permutation(rows)
            for start in range(0, rows - self.batch_size + 1, self.batch_size):
                yield order[start : start + self.batch_size]

    def batches(self, seed: int) -> Iterator[Batch]:
        x, y, _, _ = self.data()
        for index in self.indices(seed):
            yield x[index], y[index]

    def validation_loss(self, model: nn.Module) -> float:
        _, _, x, y = self.data()
        was_training = model.training
        model.eval()
        with torch.no_grad():
            value = float(self.loss(model(x), y))
        model.train(was_training)
        return value

    def lightning(self, seed: int = 0, lr: float = 0.01, **options: Any) -> Any:
        """(LightningModule, train loader, validation loader) of this task; logs val_loss."""
        import pytorch_lightning as pl
        from torch.utils.data import DataLoader, TensorDataset

        task = self

        class Module(pl.LightningModule):
            def __init__(self) -> None:
                super().__init__()
                self.lr = lr
                self.net = task.make_model(seed)

            def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
                return task.loss(self.net(batch[0]), batch[1])

            def validation_step(self, batch: Batch, batch_idx: int) -> None:
                self.log("val_loss", task.loss(self.net(batch[0]), batch[1]))

            def configure_optimizers(self) -> torch.optim.Optimizer:
                return task.make_optimizer(self.parameters(), self.lr)

        x, y, x_val, y_val = self.data()
        train = DataLoader(
            TensorDataset(x, y),
            batch_size=self.batch_size,
            shuffle=True,
            drop_last=True,
            generator=torch.Generator().manual_seed(seed),
            **options,
        )
        return Module(), train, DataLoader(TensorDataset(x_val, y_val), batch_size=len(x_val))


def split(x: Any, y: Any, seed: int = 0, share: float = 0.8) -> Data:
    x, y = torch.as_tensor(x), torch.as_tensor(y)
    if x.is_floating_point():
        x = x.float()
    if y.is_floating_point():
        y = y.float()
    order = np.random.default_rng(seed).permutation(len(x))
    cut = int(share * len(x))
    return x[order[:cut]], y[order[:cut]], x[order[cut:]], y[order[cut:]]


def standardized(x: np.ndarray) -> np.ndarray:
    return (x - x.mean(0)) / (x.std(0) + 1e-12)


@lru_cache
def digits(scale: float = 1 / 16, image: bool = False, noise: float = 0.0) -> Data:
    """8x8 handwritten digits; pixels 0..16 times `scale`; a share `noise` of wrong train labels."""
    x, y = load_digits(return_X_y=True)
    x = x * scale
    x_train, y_train, x_val, y_val = split(x.reshape(-1, 1, 8, 8) if image else x, y)
    random = np.random.default_rng(1)
    wrong = random.random(len(y_train)) < noise
    y_train = torch.where(
        torch.as_tensor(wrong), torch.as_tensor(random.integers(0, 10, len(y_train))), y_train
    )
    return x_train, y_train, x_val, y_val


@lru_cache
def digits_as_targets() -> Data:
    x, _ = load_digits(return_X_y=True)
    return split(x / 16, x / 16)


@lru_cache
def digits_rows() -> Data:
    """Each digit as a sequence of eight rows."""
    x, y = load_digits(return_X_y=True)
    return split((x / 16).reshape(-1, 8, 8), y)


@lru_cache
def digits_of(classes: tuple[int, ...], rows: int | None = None) -> Data:
    """Only some classes, numbered from 0; at most `rows` training rows."""
    x, y = load_digits(return_X_y=True)
    keep = np.isin(y, classes)
    parts = split(x[keep] / 16, y[keep] - min(classes))
    return (parts[0][:rows], parts[1][:rows], parts[2], parts[3])


@lru_cache
def pixel_table() -> Data:
    """(image, pixel) -> intensity: a sparse table to factorize, 300 images by 64 pixels."""
    x, _ = load_digits(return_X_y=True)
    x = x[:300] / 16
    row, column = (axis.ravel() for axis in np.indices(x.shape))
    return split(np.stack([row, column], 1), x.ravel(), share=0.7)


@lru_cache
def wine(standard: bool = True) -> Data:
    x, y = load_wine(return_X_y=True)
    return split(standardized(x) if standard else x, y, share=0.7)


@lru_cache
def cancer(standard: bool = True) -> Data:
    x, y = load_breast_cancer(return_X_y=True)
    return split(standardized(x) if standard else x, y)


@lru_cache
def diabetes(standard: bool = True) -> Data:
    """Ten features, as published (std 0.05) or standardized; target likewise (std 77) or not."""
    x, y = load_diabetes(return_X_y=True)
    x, y = (standardized(x), standardized(y)) if standard else (x, y)
    return split(x, y[:, None])


_CHARACTERS = 64


@lru_cache
def text(source: str, length: int) -> Data:
    """Windows of `length` characters of a standard-library module, and those that follow."""
    raw = inspect.getsource(importlib.import_module(source))[:40_000]
    common = sorted(set(raw), key=lambda c: (-raw.count(c), c))[: _CHARACTERS - 1]
    codes = {c: i for i, c in enumerate(common)}
    ids = np.array([codes.get(c, _CHARACTERS - 1) for c in raw])
    starts = np.arange(0, len(ids) - length - 1, length)
    windows = np.stack([ids[s : s + length + 1] for s in starts])
    return split(windows[:, :-1], windows[:, 1:], share=0.85)


@lru_cache
def adding(length: int = 6) -> Data:
    """The adding problem: two of `length` numbers are marked, the target is their sum.

    A recurrent net sits on a plateau (the variance of the sum) before it finds out.
    """
    random = np.random.default_rng(2)
    values = random.random((1600, length))
    marks = np.zeros_like(values)
    for row in marks:
        row[random.choice(length, 2, replace=False)] = 1
    return split(np.stack([values, marks], 2), (values * marks).sum(1, keepdims=True))


@lru_cache
def recall(length: int = 6, symbols: int = 6) -> Data:
    """Name the symbol at the position that the last entry points to: a plateau, then insight."""
    random = np.random.default_rng(3)
    sequence = random.integers(0, symbols, (1600, length))
    where = random.integers(0, 2, 1600)
    target = sequence[np.arange(1600), where]
    return split(np.concatenate([sequence, where[:, None] + symbols], 1), target)


class ConvNet(nn.Module):
    def __init__(self, batch_norm: bool) -> None:
        super().__init__()
        norm = nn.BatchNorm2d if batch_norm else (lambda _: nn.Identity())
        self.body = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1), norm(8), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(8, 16, 3, padding=1), norm(16), nn.ReLU(), nn.MaxPool2d(2),
        )  # fmt: skip
        self.head = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x).flatten(1))


class Recurrent(nn.Module):
    """A gated recurrent net, unrolled by hand (so that many copies can be trained at once)."""

    def __init__(self, inputs: int, hidden: int, outputs: int, symbols: bool, every: bool) -> None:
        super().__init__()
        self.hidden, self.every = hidden, every
        self.embed = nn.Embedding(inputs, hidden) if symbols else nn.Linear(inputs, hidden)
        self.gates = nn.Linear(2 * hidden, 2 * hidden)
        self.candidate = nn.Linear(2 * hidden, hidden)
        self.head = nn.Linear(hidden, outputs)

    def forward(self, x: Tensor) -> Tensor:
        embedded = self.embed(x)
        state = torch.zeros_like(embedded[:, 0])
        states = []
        for step in embedded.unbind(1):
            update, reset = self.gates(torch.cat([step, state], -1)).sigmoid().chunk(2, -1)
            new = self.candidate(torch.cat([step, reset * state], -1)).tanh()
            state = state + update * (new - state)
            states.append(state)
        return self.head(torch.stack(states, 1) if self.every else state)


class LSTM(nn.Module):
    """A long short-term memory, unrolled by hand; answers once, at the end."""

    def __init__(self, inputs: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.gates = nn.Linear(inputs + hidden, 4 * hidden)
        self.head = nn.Linear(hidden, outputs)

    def forward(self, x: Tensor) -> Tensor:
        state = cell = torch.zeros_like(x[:, 0, :1]).expand(-1, self.hidden)
        for step in x.unbind(1):
            i, f, g, o = self.gates(torch.cat([step, state], -1)).chunk(4, -1)
            cell = (f + 1).sigmoid() * cell + i.sigmoid() * g.tanh()
            state = o.sigmoid() * cell.tanh()
        return self.head(state)


class Transformer(nn.Module):
    """Pre-norm blocks with causal attention."""

    def __init__(
        self, symbols: int, width: int, length: int, heads: int = 2, blocks: int = 2
    ) -> None:
        super().__init__()
        self.heads = heads
        self.embed = nn.Embedding(symbols, width)
        self.position = nn.Parameter(0.02 * torch.randn(length, width))
        self.blocks = nn.ModuleList(
            nn.ModuleDict(
                {
                    "norm1": nn.LayerNorm(width),
                    "attend": nn.Linear(width, 3 * width),
                    "merge": nn.Linear(width, width),
                    "norm2": nn.LayerNorm(width),
                    "mlp": nn.Sequential(
                        nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
                    ),
                }
            )
            for _ in range(blocks)
        )
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, symbols)

    def forward(self, x: Tensor) -> Tensor:
        length = x.shape[1]
        hidden = self.embed(x) + self.position[:length]
        mask = torch.full((length, length), -1e9).triu(1)
        for block in self.blocks:
            parts = block["attend"](block["norm1"](hidden)).unflatten(-1, (3, self.heads, -1))
            q, k, v = (part.transpose(1, 2) for part in parts.unbind(2))
            scores = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5 + mask
            mixed = (scores.softmax(-1) @ v).transpose(1, 2).flatten(2)
            hidden = hidden + block["merge"](mixed)
            hidden = hidden + block["mlp"](block["norm2"](hidden))
        return self.head(self.norm(hidden))


class Factors(nn.Module):
    """Matrix factorization with biases."""

    def __init__(self, rows: int, columns: int, rank: int = 8) -> None:
        super().__init__()
        self.row, self.column = nn.Embedding(rows, rank), nn.Embedding(columns, rank)
        self.row_bias, self.column_bias = nn.Embedding(rows, 1), nn.Embedding(columns, 1)
        for table in (self.row, self.column, self.row_bias, self.column_bias):
            nn.init.normal_(table.weight, std=0.1)

    def forward(self, x: Tensor) -> Tensor:
        row, column = x.unbind(1)
        product = (self.row(row) * self.column(column)).sum(1)
        return product + self.row_bias(row).squeeze(1) + self.column_bias(column).squeeze(1)


class Bag(nn.Module):
    """The next character from the two before it: two embeddings and a linear map."""

    def __init__(self, symbols: int, width: int = 24) -> None:
        super().__init__()
        self.now, self.before = nn.Embedding(symbols, width), nn.Embedding(symbols, width)
        self.head = nn.Linear(width, symbols)

    def forward(self, x: Tensor) -> Tensor:
        before = torch.cat([x[:, :1], x[:, :-1]], 1)
        return self.head((self.now(x) + self.before(before)).tanh())


def mlp(*widths: int, activation: type[nn.Module] = nn.ReLU) -> Callable[[], nn.Module]:
    def build() -> nn.Module:
        layers: list[nn.Module] = []
        for fan_in, fan_out in pairwise(widths):
            layers += [nn.Linear(fan_in, fan_out), activation()]
        return nn.Sequential(*layers[:-1])

    return build


@lru_cache
def _pretrained() -> dict[str, Tensor]:
    """Weights of an MLP trained to tell the digits 0..4 apart."""
    x, y, _, _ = digits_of((0, 1, 2, 3, 4))
    return trained(mlp(64, 64, 32, 5), x, y, seed=7, steps=150)


def trained(
    make: Callable[[], nn.Module], x: Tensor, y: Tensor, seed: int, steps: int
) -> dict[str, Tensor]:
    """Weights of a new model after some steps of Adam on the whole of a classification."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = make()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.003)
    for _ in range(steps):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    return {name: value.clone() for name, value in model.state_dict().items()}


def fine_tuned() -> nn.Module:
    """The pretrained body under a fresh head."""
    model = mlp(64, 64, 32, 5)()
    weights = _pretrained()
    model.load_state_dict({**weights, "4.weight": model[4].weight, "4.bias": model[4].bias})  # type: ignore[index]
    return model


def classify(outputs: Tensor, y: Tensor) -> Tensor:
    return nn.functional.cross_entropy(outputs.flatten(0, -2), y.flatten())


def regress(outputs: Tensor, y: Tensor) -> Tensor:
    return (outputs - y).square().mean()
