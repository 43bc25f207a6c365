"""Does the fine-tuning recipe pay? Two transfers on real data, five seeds, the same epochs for all.

    python benchmarks/transfer.py            # ~6 min on a core
    python benchmarks/transfer.py --fast     # two seeds, two draws
    python benchmarks/transfer.py --half dev # other transfers, on which everything was chosen

digits: a small convolutional net learns the digits 0-4 (scikit-learn's images), then 5-9 from four
labels a class. Each image lies somewhere in a larger frame, a little turned and scaled: anew each
time in the pretraining, once and for all in the target. A seed's figure is the mean over five draws
of the labelled images. text: a character model learns the source code of Python's standard library,
then the prose of its own documentation (`pydoc_data.topics`) from 600 windows of 48 characters, 200
of them an epoch. The dev half goes the other way, 5-9 to 0-4 and prose to code, and from odd to
even digits. Every method starts from the same weights and sees the same batches; only the recipe
and the "measured" ones also take range-test steps, counted apart.
"""

import argparse
import inspect
import json
import logging
import pydoc_data.topics
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import BackboneFinetuning
from scipy import stats
from tasks import digits_of
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from lrtool.callbacks import LRRangeTest, OneCycleScheduler
from lrtool.callbacks.fine_tune import FineTuneRecipe
from lrtool.fine_tuning import Stage

Data = tuple[Tensor, Tensor]
LABELS = 4  # of each digit
WINDOWS = 600  # of 48 characters
FRAME = 12  # pixels a side, around images of 8
DRAWS = 5  # of the labelled images, a seed


class CharModel(nn.Module):
    """The characters before each one, embedded side by side, through two hidden layers."""

    def __init__(self, symbols: int, context: int = 8, width: int = 128) -> None:
        super().__init__()
        self.context = context
        self.embed = nn.Embedding(symbols, 16)
        self.first = nn.Sequential(nn.Linear(16 * context, width), nn.LayerNorm(width), nn.ReLU())
        self.second = nn.Sequential(nn.Linear(width, width), nn.LayerNorm(width), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        padded = nn.functional.pad(x, (self.context - 1, 0))
        seen = self.embed(padded).unfold(1, self.context, 1).flatten(2)
        return self.second(self.first(seen))


class Classifier(pl.LightningModule):
    """A backbone, a head, AdamW; `head_only` is what BackboneFinetuning asks for."""

    def __init__(
        self,
        backbone: nn.Module,
        head: nn.Module,
        head_only: bool = False,
        augment: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        super().__init__()
        self.backbone, self.head, self.head_only = backbone, head, head_only
        self.augment = augment

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.backbone(x))

    def training_step(self, batch: Data, batch_idx: int) -> Tensor:
        x, y = batch
        outputs = self(self.augment(x) if self.augment else x)
        return nn.functional.cross_entropy(outputs.flatten(0, -2), y.flatten())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        wanted = self.head if self.head_only else self
        return torch.optim.AdamW(wanted.parameters())


@dataclass(frozen=True)
class Transfer:
    """One transfer: where from, where to, and with what net.

    Args:
        name: of the table's column.
        source: training data of the pretraining.
        target: seed -> (few training rows, unseen rows) of the target.
        net: () -> (backbone, head), fresh.
        new_head: whether the target gets a new head.
        metric: "error" or "loss".
        epochs: of the fine-tuning.
        batch_size: of the fine-tuning.
        batches: an epoch has at most.
        draws: of the training rows; a seed's figure is the mean over them.
        augment: inputs -> inputs, drawn anew for each step of the pretraining.
    """

    name: str
    source: Data
    target: Callable[[int], tuple[Data, Data]]
    net: Callable[[], tuple[nn.Module, nn.Module]]
    new_head: bool
    metric: str
    epochs: int
    batch_size: int = 10
    batches: int | float = 1.0
    draws: int = 1
    augment: Callable[[Tensor], Tensor] | None = None


def conv() -> tuple[nn.Module, nn.Module]:
    """Four convolutions: too many for a few images a class to train well from scratch."""

    def block(inside: int, outside: int) -> nn.Module:
        layer = nn.Conv2d(inside, outside, 3, padding=1)
        return nn.Sequential(layer, nn.BatchNorm2d(outside), nn.ReLU())

    body = nn.Sequential(
        block(1, 16), block(16, 32), nn.MaxPool2d(2), block(32, 32), block(32, 64),
        nn.AdaptiveMaxPool2d(1), nn.Flatten(),
    )  # fmt: skip
    return body, nn.Linear(64, 5)


def placed(x: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Each image turned by up to 15 degrees, scaled by up to 10 %, somewhere in the frame."""
    turn, scale, right, down = (2 * torch.rand(4, len(x), generator=generator) - 1) * torch.tensor(
        [[0.26], [0.1], [0.5], [0.5]]
    )
    zoom = (1 + scale) * FRAME / 8
    cos, sin = zoom * turn.cos(), zoom * turn.sin()
    matrix = torch.stack([torch.stack([cos, -sin, right], 1), torch.stack([sin, cos, down], 1)], 1)
    grid = nn.functional.affine_grid(matrix, [len(x), 1, FRAME, FRAME], align_corners=False)
    return nn.functional.grid_sample(x, grid, align_corners=False)


def digits(old: Sequence[int], new: Sequence[int], name: str = "digits") -> Transfer:
    def images_of(classes: Sequence[int]) -> Data:
        x, y, x_val, y_val = digits_of(tuple(classes))
        numbered = torch.searchsorted(torch.tensor(classes) - min(classes), torch.cat([y, y_val]))
        return torch.cat([x, x_val]).view(-1, 1, 8, 8), numbered

    before, after = images_of(old), images_of(new)
    images = placed(after[0], torch.Generator().manual_seed(0))

    def few(seed: int) -> tuple[Data, Data]:
        """LABELS rows of each class; every other row is unseen."""
        order = np.random.default_rng(seed).permutation(len(after[1]))
        classes = after[1].numpy()[order]
        rows = np.concatenate([order[classes == c][:LABELS] for c in range(5)])
        rest = np.setdiff1d(order, rows)
        return (images[rows], after[1][rows]), (images[rest], after[1][rest])

    return Transfer(name, before, few, conv, True, "error", 20, draws=DRAWS, augment=placed)


_ALPHABET = [chr(code) for code in range(32, 127)] + ["\n"]


def windows(text: str, length: int = 48) -> Data:
    codes = {c: i for i, c in enumerate(_ALPHABET)}
    ids = torch.tensor([codes.get(c, 0) for c in text])
    rows = (len(ids) - 1) // length
    return ids[: rows * length].view(rows, length), ids[1 : rows * length + 1].view(rows, length)


@lru_cache
def prose() -> str:
    return "".join(text for _, text in sorted(pydoc_data.topics.topics.items()))


@lru_cache
def code() -> str:
    import argparse as a
    import ast as b
    import inspect as c
    import typing as d

    return "".join(inspect.getsource(module) for module in (a, b, c, d))


def text(old: str, new: str) -> Transfer:
    x, y = windows(new)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    unseen, rest = order[:1000], order[1000:]

    def few(seed: int) -> tuple[Data, Data]:
        """WINDOWS of the text, drawn anew each time; a thousand others are unseen."""
        shuffled = torch.randperm(len(rest), generator=torch.Generator().manual_seed(seed))
        rows = rest[shuffled[:WINDOWS]]
        return (x[rows], y[rows]), (x[unseen], y[unseen])

    return Transfer(
        "text", windows(old[:150_000]), few,
        lambda: (CharModel(len(_ALPHABET)), nn.Linear(128, len(_ALPHABET))), False, "loss", 18,
        batches=20,
    )  # fmt: skip


def halves(half: str) -> list[Transfer]:
    if half == "dev":
        odd, even = range(1, 10, 2), range(0, 10, 2)
        return [
            digits(range(5, 10), range(5)), digits(odd, even, "odd digits to even"),
            text(prose(), code()),
        ]  # fmt: skip
    return [digits(range(5), range(5, 10)), text(code(), prose())]


def trainer(epochs: int, callbacks: Sequence[Any] = (), batches: int | float = 1.0) -> pl.Trainer:
    return pl.Trainer(
        limit_train_batches=batches,
        max_epochs=epochs, callbacks=list(callbacks), accelerator="cpu", devices=1, logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip


def loader(data: Data, batch_size: int, seed: int) -> DataLoader[Any]:
    generator = torch.Generator().manual_seed(seed)
    return DataLoader(TensorDataset(*data), batch_size, shuffle=True, generator=generator)


@lru_cache
def pretrained(transfer: Transfer, seed: int) -> Classifier:
    """Trained on the source by one-cycle at a measured rate."""
    torch.manual_seed(seed)
    model = Classifier(*transfer.net(), augment=transfer.augment)
    size = 32 if transfer.metric == "error" else 64
    epochs = 40 if transfer.metric == "error" else 6
    callbacks = [LRRangeTest(), OneCycleScheduler()]
    trainer(epochs, callbacks).fit(model, loader(transfer.source, size, seed))
    return model


@torch.no_grad()
def score(transfer: Transfer, model: Classifier, unseen: Data) -> float:
    model.eval()
    x, y = unseen
    outputs = model(x)
    if transfer.metric == "error":
        return float((outputs.argmax(-1) != y).float().mean())
    return float(nn.functional.cross_entropy(outputs.flatten(0, -2), y.flatten()))


Method = Callable[[int], tuple[bool, bool, list[Any]]]
"""epochs -> (starts from the pretrained weights, optimizer holds the head only, callbacks)."""


def recipe(epochs: int, share: float = 0.1, **options: Any) -> tuple[bool, bool, list[Any]]:
    """The recipe, the head alone for a `share` of the epochs."""
    head_epochs = round(share * epochs)
    return True, False, [FineTuneRecipe(head="head", head_epochs=head_epochs, **options)]


METHODS: dict[str, Method] = {
    "recipe": recipe,
    "from scratch": lambda _: (False, False, []),
    "from scratch, measured + one-cycle": lambda _: (
        False, False, [LRRangeTest(), OneCycleScheduler()],
    ),
    "fine-tune at the default rate": lambda _: (True, False, []),
    "fine-tune, measured + one-cycle": lambda _: (
        True, False, [LRRangeTest(), OneCycleScheduler()],
    ),
    "BackboneFinetuning": lambda _: (True, True, [BackboneFinetuning()]),
}  # fmt: skip


def cycle_for_the_head(epochs: int) -> tuple[bool, bool, list[Any]]:
    """The recipe with one cycle in the head's stage as well."""
    return recipe(epochs, stages=[Stage("head", max(1, round(0.1 * epochs)), 1), Stage("all")])


VARIANTS: dict[str, Method] = {
    "recipe": recipe,
    "recipe, a cycle for the head": cycle_for_the_head,
    "recipe, long range tests": partial(recipe, range_test={"num_steps": 100, "max_steps": 300}),
    "recipe head=0": partial(recipe, share=0.0),
    "recipe head=0.2": partial(recipe, share=0.2),
    "recipe layer_decay=0.56": partial(recipe, layer_decay=0.56),
    "recipe layer_decay=1": partial(recipe, layer_decay=1.0),
    "recipe gradual": partial(recipe, unfreeze="gradual"),
}


def run(transfer: Transfer, method: Method, seed: int, epochs: int) -> tuple[float, float]:
    """The metric on unseen rows, and the optimizer steps of range tests; means over the draws."""
    draws = [once(transfer, method, seed, draw, epochs) for draw in range(transfer.draws)]
    figure, swept = np.mean(draws, axis=0)
    return float(figure), float(swept)


def once(
    transfer: Transfer, method: Method, seed: int, draw: int, epochs: int
) -> tuple[float, int]:
    transferred, head_only, callbacks = method(epochs)
    key = 100 * seed + draw
    torch.manual_seed(1000 + key)
    backbone, head = transfer.net()
    if transferred:
        source = pretrained(transfer, seed)
        backbone.load_state_dict(source.backbone.state_dict())
        if not transfer.new_head:
            head.load_state_dict(source.head.state_dict())
    model = Classifier(backbone, head, head_only)
    few, unseen = transfer.target(key)
    trainer(epochs, callbacks, transfer.batches).fit(model, loader(few, transfer.batch_size, key))
    return score(transfer, model, unseen), sum(_swept(callback) for callback in callbacks)


def paired(values: Sequence[float], recipe: Sequence[float]) -> str:
    """Mean of the differences, its 95 % interval over the seeds, the seeds the recipe wins."""
    gap = np.array(values) - np.array(recipe)
    half = stats.t.ppf(0.975, len(gap) - 1) * gap.std(ddof=1) / len(gap) ** 0.5
    low, high = gap.mean() - half, gap.mean() + half
    return f"{gap.mean():+.4f} ({low:+.4f}..{high:+.4f}; {(gap > 0).sum()}/{len(gap)})"


def _swept(callback: Any) -> int:
    records = getattr(callback, "records", [callback])
    results = [getattr(one, "result", None) for one in records]
    return sum(result.num_steps for result in results if result is not None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--half", choices=("dev", "report"), default="report")
    parser.add_argument("--variants", action="store_true", help="settings of the recipe instead")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", nargs="*", help="transfers, by their names")
    parser.add_argument("--fast", action="store_true")
    parser.add_argument("--out", help="also write every figure here, as JSON")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    torch.set_num_threads(1)
    seeds = range(2 if options.fast else options.seeds)
    methods = VARIANTS if options.variants else METHODS
    figures: dict[str, dict[str, list[float]]] = {}
    for transfer in halves(options.half):
        if options.only and transfer.name not in options.only:
            continue
        transfer = replace(transfer, draws=min(transfer.draws, 2)) if options.fast else transfer
        epochs = transfer.epochs
        print(f"\n{transfer.name}: {transfer.metric} on unseen rows, {epochs} epochs", flush=True)
        print("| method | mean | minus the recipe's (95 %; wins) | range-test steps |")
        print("|---|---|---|---|")
        rows = figures.setdefault(transfer.name, {})
        for name, method in methods.items():
            values, swept = zip(
                *(run(transfer, method, seed, epochs) for seed in seeds), strict=True
            )
            rows[name] = list(values)
            against = "" if name == "recipe" else paired(values, rows["recipe"])
            print(
                f"| {name} | {np.mean(values):.4f} | {against} | {np.mean(swept):.0f} |", flush=True
            )
    if options.out:
        with open(options.out, "w", encoding="utf-8") as file:
            json.dump(figures, file, indent=1)


if __name__ == "__main__":
    main()
