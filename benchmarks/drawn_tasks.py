"""Tasks that nobody chose, in draws of 26: "drawn", "drawn_again", "drawn_thrice", and many more.

Each half was drawn before anything was measured on it, and once those before it had been seen.
"drawn_many" (two draws) is for development, "drawn_anew" (two draws) for the report.

Each of 13 kinds of model is drawn twice, each of the eight optimizers three or four times; what is
left (data set, input scale, width, depth, activation, batch size, label noise, sequence length) is
drawn evenly from what the kind allows. No width or length is one that another half has, and a
combination without either that another half has is drawn again. A task that no rate learns, by the
rule of pick_truth.py, is left out of the tables.
"""

from collections.abc import Callable
from functools import lru_cache, partial
from itertools import pairwise
from typing import TypeVar

import numpy as np
import torch
from fresh_tasks import LSTM, RowAttention, bn_mlp, comparison, fine_tuned_cnn, iris, photo_table
from task_kit import (
    OPTIMIZERS,
    Data,
    Factors,
    Recurrent,
    Task,
    Transformer,
    adding,
    cancer,
    classify,
    diabetes,
    digits,
    digits_of,
    digits_rows,
    fine_tuned,
    mlp,
    pixel_table,
    recall,
    regress,
    text,
    wine,
)
from torch import Tensor, nn

T = TypeVar("T")

_BATCHES = (8, 16, 32, 64, 128)
_TABLES: dict[str, Callable[[], Data]] = {
    "digits": lambda: digits(1.0), "cancer": lambda: cancer(False), "wine": lambda: wine(False),
    "iris": iris, "diabetes": lambda: diabetes(False),
}  # fmt: skip
_SHAPES = {
    "digits": (64, 10), "cancer": (30, 2), "wine": (13, 3), "iris": (4, 3), "diabetes": (10, 1),
}  # fmt: skip
_SCALES = ("unit", "raw", "twentieth")
_NOISES = (0.0, 0.2, 0.5)
_TEXTS = ("heapq", "csv", "configparser", "random", "shlex")
_TAKEN = {  # the other halves' linear models, which have no width to tell them apart by
    "linear_wine_unit_noise_0.0_sgd_16", "linear_wine_unit_noise_0.0_adam_8",
    "linear_wine_unit_noise_0.0_nesterov_32", "linear_cancer_unit_noise_0.0_nesterov_8",
    "linear_iris_raw_noise_0.0_momentum_8",
}  # fmt: skip


@lru_cache
def table(name: str, scale: str, noise: float) -> Data:
    """One of `_TABLES`: each feature of unit scale, as published, or a twentieth of unit scale.

    A share `noise` of the training labels is drawn at random; a target that is a number stays.
    """
    x, y, x_val, y_val = _TABLES[name]()
    if scale != "raw":
        mean, factor = x.mean(0), (1.0 if scale == "unit" else 0.05) / (x.std(0) + 1e-6)
        factor[x.std(0) == 0] = 0.0
        x, x_val = (x - mean) * factor, (x_val - mean) * factor
    return x, _mislabelled(y, noise), x_val, y_val


@lru_cache
def images(scale: str, noise: float) -> Data:
    """Digits with pixels from 0 to 1, to 16, or to 0.05."""
    factor = {"unit": 1 / 16, "raw": 1.0, "twentieth": 0.05 / 16}[scale]
    x, y, x_val, y_val = digits(factor, image=True)
    return x, _mislabelled(y, noise), x_val, y_val


@lru_cache
def images_as_targets(scale: str) -> Data:
    """A digit as one row of `images`, to be told with pixels from 0 to 1."""
    x, _, x_val, _ = images(scale, 0.0)
    y, _, y_val, _ = images("unit", 0.0)
    return x.flatten(1), y.flatten(1), x_val.flatten(1), y_val.flatten(1)


@lru_cache
def fine_tuning(low: bool, rows: int) -> Data:
    """A few digits of the classes that the pretrained body has not seen."""
    x, y, x_val, y_val = digits_of((0, 1, 2, 3, 4) if low else (5, 6, 7, 8, 9), rows)
    if low:
        x, x_val = x.reshape(-1, 1, 8, 8), x_val.reshape(-1, 1, 8, 8)
    return x, y, x_val, y_val


def _mislabelled(y: Tensor, noise: float) -> Tensor:
    if y.is_floating_point() or not noise:
        return y
    random = np.random.default_rng(9)
    wrong = torch.as_tensor(random.random(len(y)) < noise)
    return torch.where(wrong, torch.as_tensor(random.integers(0, int(y.max()) + 1, len(y))), y)


def conv_net(width: int, batch_norm: bool) -> nn.Module:
    layers: list[nn.Module] = []
    for fan_in, fan_out in pairwise((1, width, 2 * width)):
        norm = [nn.BatchNorm2d(fan_out)] if batch_norm else []
        layers += [nn.Conv2d(fan_in, fan_out, 3, padding=1), *norm, nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(8 * width, 10))


class _Draw:
    """One task of a kind: every choice is even."""

    def __init__(
        self, random: np.random.Generator, half: str, kind: str, optimizer: str, taken: set[str]
    ) -> None:
        self.random, self.half, self.kind, self.optimizer = random, half, kind, optimizer
        self.taken = taken

    def one(self, *options: T) -> T:
        return options[int(self.random.integers(len(options)))]

    def task(self) -> Task:
        make = {
            "linear": self.table, "mlp": self.table, "deep": self.table, "norm": self.table,
            "cnn": self.images, "cnn_norm": self.images, "autoencoder": self.autoencoder,
            "gru": self.text, "lstm": self.text, "transformer": self.transformer,
            "plateau": self.plateau, "factors": self.factors, "fine_tune": self.fine_tune,
        }[self.kind]  # fmt: skip
        return make()

    def made(
        self,
        what: str,
        data: Callable[[], Data],
        model: Callable[[], nn.Module],
        loss: Callable[[Tensor, Tensor], Tensor],
        batches: tuple[int, ...] = _BATCHES,
    ) -> Task:
        batch = self.one(*batches)
        name = f"{self.kind} {what} {self.optimizer} {batch}".replace(" ", "_")
        if name in self.taken:
            return self.task()
        self.taken.add(name)
        return Task(name, self.half, self.kind, self.optimizer, batch, data, model, loss)

    def table(self) -> Task:
        name, scale, noise = self.one(*_TABLES), self.one(*_SCALES), self.one(*_NOISES)
        inputs, outputs = _SHAPES[name]
        width, activation = self.one(12, 28, 52, 80), self.one(nn.ReLU, nn.Tanh, nn.GELU)
        depth = {"linear": 0, "mlp": 1, "norm": 2, "deep": self.one(3, 4)}[self.kind]
        widths = (inputs, *(width,) * depth, outputs)
        model = bn_mlp(*widths) if self.kind == "norm" else mlp(*widths, activation=activation)
        what = f"{name} {scale} noise {noise}"
        if depth:
            what += f" {depth}x{width}" + ("" if self.kind == "norm" else f" {activation.__name__}")
        batches = (
            _BATCHES[:4] if name in ("wine", "iris") else _BATCHES
        )  # they have 124 and 105 rows
        loss = regress if name == "diabetes" else classify
        return self.made(what, partial(table, name, scale, noise), model, loss, batches)

    def images(self) -> Task:
        scale, noise, width = self.one(*_SCALES), self.one(*_NOISES), self.one(5, 10)
        model = partial(conv_net, width, self.kind == "cnn_norm")
        return self.made(
            f"{scale} noise {noise} {width}", partial(images, scale, noise), model, classify
        )

    def autoencoder(self) -> Task:
        scale, width, code = self.one(*_SCALES), self.one(28, 52), self.one(5, 12)
        activation = self.one(nn.ReLU, nn.Tanh, nn.GELU)
        model = mlp(64, width, code, width, 64, activation=activation)
        what = f"{scale} {width} {code} {activation.__name__}"
        return self.made(what, partial(images_as_targets, scale), model, regress)

    def text(self) -> Task:
        source, length, width = self.one(*_TEXTS), self.one(9, 14), self.one(18, 28)
        gru = self.kind == "gru"
        model = (lambda: Recurrent(64, width, 64, True, True)) if gru else (
            lambda: LSTM(64, width, 64, True)
        )  # fmt: skip
        return self.made(
            f"{source} {length} {width}", partial(text, source, length), model, classify
        )

    def transformer(self) -> Task:
        source, length, width = self.one(*_TEXTS, "rows"), self.one(9, 14), self.one(20, 28)
        if source == "rows":
            return self.made(f"rows {width}", digits_rows, partial(RowAttention, width), classify)
        model = partial(Transformer, 64, width, length, blocks=self.one(1, 2))
        return self.made(
            f"{source} {length} {width}", partial(text, source, length), model, classify
        )

    def plateau(self) -> Task:
        problem, length, width = (
            self.one(adding, recall, comparison),
            self.one(5, 8),
            self.one(18, 28),
        )
        gru, symbols = self.one(True, False), problem is recall
        inputs, outputs = {adding: (2, 1), recall: (8, 6), comparison: (2, 2)}[problem]
        if gru or symbols:
            model: Callable[[], nn.Module] = partial(
                Recurrent, inputs, width, outputs, symbols, False
            )
        else:
            model = partial(LSTM, inputs, width, outputs, False)
        what = f"{problem.__name__} {length} {width} {'gru' if gru or symbols else 'lstm'}"
        loss = regress if problem is adding else classify
        return self.made(what, partial(problem, length), model, loss)

    def factors(self) -> Task:
        photo, rank = self.one(True, False), self.one(4, 12)
        model = partial(Factors, *((71, 80) if photo else (300, 64)), rank)
        data = photo_table if photo else pixel_table
        return self.made(f"{'photo' if photo else 'pixels'} {rank}", data, model, regress)

    def fine_tune(self) -> Task:
        cnn, rows = self.one(True, False), self.one(100, 250)
        model = fine_tuned_cnn if cnn else fine_tuned
        what = f"{'cnn' if cnn else 'mlp'} {rows}"
        return self.made(what, partial(fine_tuning, cnn, rows), model, classify, _BATCHES[:4])


_KINDS = (
    "linear", "mlp", "deep", "norm", "cnn", "cnn_norm", "autoencoder", "gru", "lstm", "transformer",
    "plateau", "factors", "fine_tune",
)  # fmt: skip


def _draw(half: str, *seeds: int) -> tuple[Task, ...]:
    """One draw a seed, without a task that was drawn before."""
    return tuple(task for seed in seeds for task in _once(half, np.random.default_rng(seed)))


def _once(half: str, random: np.random.Generator) -> list[Task]:
    optimizers = [str(o) for _ in range(4) for o in random.permutation(list(OPTIMIZERS))]
    return [
        _Draw(random, half, kind, optimizer, _TAKEN).task()
        for kind, optimizer in zip(2 * _KINDS, optimizers, strict=False)
    ]


DRAWN = _draw("drawn", 2026)
DRAWN_AGAIN = _draw("drawn_again", 2027)
DRAWN_THRICE = _draw("drawn_thrice", 2028)
# Of four and three draws, as much as there was time to measure: whole draws, in their order.
DRAWN_ANEW = _draw("drawn_anew", 2029, 2030, 2031, 2032)[:52]
DRAWN_MANY = _draw("drawn_many", 3001, 3002, 3003)[:52]
