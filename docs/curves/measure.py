"""Measure the curves of "How to read a curve": `python docs/curves/measure.py`, about a minute.

All are of scikit-learn's 1,797 handwritten digits. The suggestions are not kept: the pages read
them off the curves anew each time they are built.
"""

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import lrtool
from lrtool.demo.data import digits
from lrtool.demo.model import DigitsNet

HERE = Path(__file__).parent


class Plain(pl.LightningModule):
    """One hidden layer without normalization, trained by SGD."""

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        self.scale = scale
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Cross entropy, of pixels multiplied by `scale`."""
        images, labels = batch
        return nn.functional.cross_entropy(self.net(self.scale * images), labels)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """SGD with momentum."""
        return torch.optim.SGD(self.parameters(), lr=0.01, momentum=0.9)


class Regression(Plain):
    """The same network told to predict the digit as a number, by its squared error."""

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Squared error of the first output."""
        images, labels = batch
        return nn.functional.mse_loss(self.net(self.scale * images)[:, 0], labels.float())


def few(count: int) -> DataLoader[tuple[Tensor, ...]]:
    """The first `count` training images, sorted by label, never shuffled: batches of 64."""
    images, labels = digits()[0].dataset[:count]
    order = labels.argsort()
    return DataLoader(TensorDataset(images[order], labels[order]), 64)


def main() -> None:
    """Measure and write all."""
    torch.set_num_threads(1)
    train, _ = digits()
    noisy, _ = digits(batch_size=4)
    cases: dict[str, tuple[type, dict[str, Any], Any, dict[str, Any]]] = {
        "clear": (DigitsNet, {}, train, {}),
        "never-diverged": (DigitsNet, {}, train, {"min_lr": 1e-6, "max_lr": 1e-3}),
        "noisy": (DigitsNet, {}, noisy, {"min_lr": 1e-5, "max_lr": 1e-1, "num_steps": 60}),
        "repeated": (
            DigitsNet, {}, noisy,
            {"min_lr": 1e-5, "max_lr": 1e-1, "num_steps": 60, "repeats": 5},
        ),
        "no-descent": (DigitsNet, {}, train, {"min_lr": 1e-9, "max_lr": 1e-6}),
        "diverged-at-start": (
            Regression, {"scale": 255.0}, train, {"min_lr": 1e-2, "max_lr": 10.0},
        ),
        "scaled": (Plain, {}, train, {}),
        "raw-pixels": (Plain, {"scale": 255.0}, train, {}),
        "periodic": (Plain, {}, few(320), {"min_lr": 1e-5, "max_lr": 10.0}),
    }  # fmt: skip
    for name, (model, arguments, loader, options) in cases.items():
        pl.seed_everything(0, verbose=False)
        result = lrtool.range_test(
            model(**arguments), loader, trainer_kwargs={"accelerator": "cpu"}, **options
        )
        result.curve.to_json(HERE / f"{name}.json")
        print(f"{name:18} {result}")


if __name__ == "__main__":
    main()
