"""The half "fresh": 26 tasks, fixed before anything was measured on them.

They were added when the report half had been looked at and could no longer judge the changes that
this had led to. No task shares its data, model, optimizer and batch size with one of another half.
One on which no rate improves the validation loss by 2% within its steps would be left out of the
tables: it has no best rate.
"""

import inspect
import re
from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from itertools import pairwise

import numpy as np
import torch
from sklearn.datasets import load_breast_cancer, load_iris, load_sample_image
from task_kit import (
    Data,
    Factors,
    Recurrent,
    Task,
    Transformer,
    classify,
    diabetes,
    digits,
    digits_as_targets,
    digits_of,
    digits_rows,
    mlp,
    regress,
    split,
    text,
    trained,
    wine,
)
from torch import Tensor, nn

_WORDS = 500


@lru_cache
def iris() -> Data:
    """Four lengths in centimetres, as published."""
    return split(*load_iris(return_X_y=True), share=0.7)


@lru_cache
def cancer_times(scale: float) -> Data:
    """Thirty features from 0.001 to 4,254, times `scale`."""
    x, y = load_breast_cancer(return_X_y=True)
    return split(x * scale, y)


@lru_cache
def wine_noisy() -> Data:
    """Every fifth training label is drawn at random."""
    x, y, x_val, y_val = wine()
    random = np.random.default_rng(4)
    wrong = torch.as_tensor(random.random(len(y)) < 0.2)
    drawn = torch.as_tensor(random.integers(0, 3, len(y)))
    return x, torch.where(wrong, drawn, y), x_val, y_val


@lru_cache
def digits_columns() -> Data:
    """Each digit as a sequence of eight columns."""
    x, y, x_val, y_val = digits_rows()
    return x.transpose(1, 2).contiguous(), y, x_val.transpose(1, 2).contiguous(), y_val


@lru_cache
def _photo() -> np.ndarray:
    """A photograph in gray, 213 by 320, between 0 and 1."""
    return np.asarray(load_sample_image("china.jpg")[:426:2, ::2].mean(-1) / 255)


@lru_cache
def noisy_patches() -> Data:
    """Patches of 8 by 8 under noise, and as they were."""
    photo = _photo()[:208]
    patches = photo.reshape(26, 8, 40, 8).transpose(0, 2, 1, 3).reshape(-1, 1, 8, 8)
    noise = 0.2 * np.random.default_rng(5).standard_normal(patches.shape)
    return split(patches + noise, patches)


@lru_cache
def photo_coordinates() -> Data:
    """(row, column) between -1 and 1 -> red, green, blue; 43 by 64 points."""
    colours = load_sample_image("flower.jpg")[::10, ::10] / 255
    rows, columns, _ = colours.shape
    grid = np.meshgrid(np.linspace(-1, 1, rows), np.linspace(-1, 1, columns), indexing="ij")
    return split(np.stack(grid, -1).reshape(-1, 2), colours.reshape(-1, 3))


@lru_cache
def photo_table() -> Data:
    """(row, column) -> gray: a dense table to factorize, 71 by 80."""
    table = _photo()[::3, ::4]
    row, column = (axis.ravel() for axis in np.indices(table.shape))
    return split(np.stack([row, column], 1), table.ravel())


@lru_cache
def lines_of_code() -> Data:
    """The words of a line of source, and which of five modules it comes from."""
    lines, labels = [], []
    for label, name in enumerate(("ast", "difflib", "statistics", "zipfile", "calendar")):
        for line in inspect.getsource(import_module(name)).splitlines()[:900]:
            words = re.findall(r"\w+", line)[:10]
            if len(words) >= 3:
                lines.append(words)
                labels.append(label)
    flat = [word for words in lines for word in words]
    common = sorted(set(flat), key=lambda word: (-flat.count(word), word))[: _WORDS - 2]
    codes = {word: code for code, word in enumerate(common, start=2)}  # 0 pads, 1 is any other
    ids = np.zeros((len(lines), 10), dtype=np.int64)
    for row, words in zip(ids, lines, strict=True):
        row[: len(words)] = [codes.get(word, 1) for word in words]
    return split(ids, np.array(labels))


@lru_cache
def parity() -> Data:
    """The product of three of ten signs: no single sign tells anything, hence a plateau."""
    x = np.random.default_rng(6).choice([-1.0, 1.0], (1600, 10))
    return split(x, (x[:, 1] * x[:, 4] * x[:, 8] > 0).astype(np.int64))


@lru_cache
def comparison(length: int = 6) -> Data:
    """Two of `length` numbers are marked: is the first the larger? A plateau, then insight."""
    random = np.random.default_rng(7)
    values = random.random((1600, length))
    marks = np.zeros_like(values)
    target = np.zeros(len(values), dtype=np.int64)
    for index, row in enumerate(marks):
        first, second = sorted(random.choice(length, 2, replace=False))
        row[[first, second]] = 1
        target[index] = values[index, first] > values[index, second]
    return split(np.stack([values, marks], 2), target)


class LSTM(nn.Module):
    """A long short-term memory, unrolled by hand; answers at the end, or after every symbol."""

    def __init__(self, inputs: int, hidden: int, outputs: int, symbols: bool) -> None:
        super().__init__()
        self.hidden, self.symbols = hidden, symbols
        self.embed = nn.Embedding(inputs, hidden) if symbols else nn.Identity()
        self.gates = nn.Linear((hidden if symbols else inputs) + hidden, 4 * hidden)
        self.head = nn.Linear(hidden, outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x)
        state = cell = torch.zeros_like(x[:, 0, :1]).expand(-1, self.hidden)
        states = []
        for step in x.unbind(1):
            i, f, g, o = self.gates(torch.cat([step, state], -1)).chunk(4, -1)
            cell = (f + 1).sigmoid() * cell + i.sigmoid() * g.tanh()
            state = o.sigmoid() * cell.tanh()
            states.append(state)
        return self.head(torch.stack(states, 1) if self.symbols else state)


class RowAttention(nn.Module):
    """One block of attention between the rows of an image, their mean, a linear head."""

    def __init__(self, width: int = 24, heads: int = 2) -> None:
        super().__init__()
        self.heads = heads
        self.embed = nn.Linear(8, width)
        self.position = nn.Parameter(0.02 * torch.randn(8, width))
        self.attend, self.merge = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, 10))

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.embed(x) + self.position
        parts = self.attend(hidden).unflatten(-1, (3, self.heads, -1))
        q, k, v = (part.transpose(1, 2) for part in parts.unbind(2))
        mixed = (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).softmax(-1) @ v
        hidden = self.norm(hidden + self.merge(mixed.transpose(1, 2).flatten(2)))
        return self.head(hidden.mean(1))


class Trigram(nn.Module):
    """The next character from the last three, each embedded alike."""

    def __init__(self, symbols: int = 64, width: int = 12) -> None:
        super().__init__()
        self.embed = nn.Embedding(symbols, width)
        self.hidden, self.head = nn.Linear(3 * width, 48), nn.Linear(48, symbols)

    def forward(self, x: Tensor) -> Tensor:
        before = torch.cat([x[:, :1], x[:, :-1]], 1)
        earlier = torch.cat([before[:, :1], before[:, :-1]], 1)
        context = torch.cat([self.embed(part) for part in (x, before, earlier)], -1)
        return self.head(self.hidden(context).relu())


class WordBag(nn.Module):
    """The mean of a line's word vectors, and a linear head."""

    def __init__(self, width: int = 16, classes: int = 5) -> None:
        super().__init__()
        self.embed, self.head = nn.Embedding(_WORDS, width), nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        there = (x > 0).unsqueeze(-1)
        return self.head((self.embed(x) * there).sum(1) / there.sum(1))


def strided_cnn() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 12, 3, stride=2, padding=1), nn.ReLU(),
        nn.Conv2d(12, 24, 3, stride=2, padding=1), nn.ReLU(),
        nn.Flatten(), nn.Linear(96, 10),
    )  # fmt: skip


def pooled_cnn() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 12, 3, padding=1), nn.BatchNorm2d(12), nn.ReLU(), nn.AvgPool2d(4),
        nn.Flatten(), nn.Linear(12, 10),
    )  # fmt: skip


def denoiser() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(),
        nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 1, 3, padding=1),
    )  # fmt: skip


def bn_mlp(*widths: int) -> Callable[[], nn.Module]:
    """An MLP with batch normalization after every linear layer but the last."""

    def build() -> nn.Module:
        layers: list[nn.Module] = []
        for fan_in, fan_out in pairwise(widths[:-1]):
            layers += [nn.Linear(fan_in, fan_out), nn.BatchNorm1d(fan_out), nn.ReLU()]
        return nn.Sequential(*layers, nn.Linear(widths[-2], widths[-1]))

    return build


@lru_cache
def _pretrained() -> dict[str, Tensor]:
    """Weights of the strided CNN trained to tell the digits 5..9 apart."""
    x, y, _, _ = digits_of((5, 6, 7, 8, 9))
    return trained(strided_cnn, x.reshape(-1, 1, 8, 8), y, seed=8, steps=120)


def fine_tuned_cnn() -> nn.Module:
    """The pretrained body under a fresh head."""
    model = strided_cnn()
    head = {name: value for name, value in model.state_dict().items() if name.startswith("5.")}
    model.load_state_dict({**_pretrained(), **head})
    return model


@lru_cache
def _few_low_digits() -> Data:
    """150 training images of the digits 0..4."""
    x, y, x_val, y_val = digits_of((0, 1, 2, 3, 4), 150)
    return x.reshape(-1, 1, 8, 8), y, x_val.reshape(-1, 1, 8, 8), y_val


@lru_cache
def _diabetes_lengthened() -> Data:
    """Standardized features but for the last two, a hundred times as large; target as published."""
    x, y, x_val, y_val = diabetes(False)
    scale = 1 / x.std(0)
    scale[-2:] *= 100
    return x * scale, y, x_val * scale, y_val


FRESH = (
    Task("digits_faint_tanh_sgd", "fresh", "deep_mlp", "sgd", 48,
         lambda: digits(0.03 / 16), mlp(64, 40, 24, 10, activation=nn.Tanh), classify),
    Task("digits_sigmoid_deep_sgd", "fresh", "deep_mlp", "sgd", 16,
         digits, mlp(64, 32, 32, 10, activation=nn.Sigmoid), classify),
    Task("digits_columns_lstm_sgd", "fresh", "recurrent", "sgd", 32,
         digits_columns, lambda: LSTM(8, 20, 10, False), classify),
    Task("lines_bag_sgd", "fresh", "embedding", "sgd", 32,
         lines_of_code, WordBag, classify),
    Task("cancer_tenth_logreg_sgd", "fresh", "logistic", "sgd", 64,
         lambda: cancer_times(0.1), mlp(30, 2), classify),
    Task("iris_raw_logreg_momentum", "fresh", "logistic", "momentum", 8,
         iris, mlp(4, 3), classify),
    Task("text_gru_momentum", "fresh", "recurrent", "momentum", 16,
         lambda: text("statistics", 12), lambda: Recurrent(64, 24, 64, True, True), classify),
    Task("digits_autoencoder_momentum", "fresh", "autoencoder", "momentum", 24,
         digits_as_targets, mlp(64, 24, 64), regress),
    Task("digits_strided_cnn_nesterov", "fresh", "cnn", "nesterov", 16,
         lambda: digits(image=True), strided_cnn, classify),
    Task("parity_mlp_nesterov", "fresh", "plateau", "nesterov", 32,
         parity, mlp(10, 64, 2), classify),
    Task("wine_noisy_deep_nesterov", "fresh", "mlp", "nesterov", 12,
         wine_noisy, mlp(13, 24, 24, 3), classify),
    Task("text_lstm_adam", "fresh", "recurrent", "adam", 32,
         lambda: text("calendar", 10), lambda: LSTM(64, 24, 64, True), classify),
    Task("photo_coordinates_mlp_adam", "fresh", "mlp", "adam", 128,
         photo_coordinates, mlp(2, 48, 48, 3), regress),
    Task("cancer_hundredth_mlp_adam", "fresh", "mlp", "adam", 24,
         lambda: cancer_times(0.01), mlp(30, 24, 2), classify),
    Task("digits_fine_tune_cnn_adam", "fresh", "fine_tune", "adam", 8,
         _few_low_digits, fine_tuned_cnn, classify),
    Task("photo_denoise_cnn_adamw", "fresh", "cnn", "adamw", 32,
         noisy_patches, denoiser, regress),
    Task("digits_noisy_bn_mlp_adamw", "fresh", "bn_mlp", "adamw", 32,
         lambda: digits(noise=0.4), bn_mlp(64, 48, 10), classify),
    Task("digits_attention_adamw", "fresh", "transformer", "adamw", 48,
         digits_rows, RowAttention, classify),
    Task("cancer_raw_deep_rmsprop", "fresh", "deep_mlp", "rmsprop", 64,
         lambda: cancer_times(1.0), mlp(30, 24, 24, 2), classify),
    Task("diabetes_uneven_mlp_rmsprop", "fresh", "mlp", "rmsprop", 32,
         _diabetes_lengthened, mlp(10, 48, 1), regress),
    Task("comparison_gru_rmsprop", "fresh", "plateau", "rmsprop", 32,
         comparison, lambda: Recurrent(2, 20, 2, False, False), classify),
    Task("text_transformer_nadam", "fresh", "transformer", "nadam", 8,
         lambda: text("difflib", 12), lambda: Transformer(64, 24, 12, heads=3, blocks=1), classify),
    Task("photo_factors_nadam", "fresh", "factorization", "nadam", 128,
         photo_table, lambda: Factors(71, 80, rank=6), regress),
    Task("diabetes_uneven_linear_adagrad", "fresh", "linear", "adagrad", 16,
         _diabetes_lengthened, mlp(10, 1), regress),
    Task("text_trigram_adagrad", "fresh", "embedding", "adagrad", 16,
         lambda: text("dis", 24), Trigram, classify),
    Task("digits_pooled_cnn_bn_adagrad", "fresh", "cnn_bn", "adagrad", 64,
         lambda: digits(image=True), pooled_cnn, classify),
)  # fmt: skip
