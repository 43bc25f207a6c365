"""A model and data small enough to train in milliseconds, and a Trainer that leaves no files."""

from types import ModuleType
from typing import Any, cast

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

Batch = tuple[Tensor, Tensor]


class TinyModel(pl.LightningModule):
    """A regression by an MLP with BatchNorm and dropout; the optimizer is given by a function."""

    def __init__(self, make_optimizer: Any = None, lr: float = 0.01) -> None:
        super().__init__()
        self.save_hyperparameters(ignore=["make_optimizer"])
        self.make_optimizer = make_optimizer
        self.net = nn.Sequential(
            nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.1), nn.Linear(8, 1)
        )

    def loss(self, batch: Batch) -> Tensor:
        x, y = batch
        return nn.functional.mse_loss(self.net(x), y)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        loss = self.loss(batch)
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        self.log("val_loss", self.loss(batch))

    def configure_optimizers(self) -> Any:
        if self.make_optimizer is not None:
            return self.make_optimizer(self)
        return torch.optim.SGD(self.parameters(), lr=self.hparams["lr"], momentum=0.9)


def tiny_data(rows: int = 64, seed: int = 0) -> TensorDataset:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, 4, generator=generator)
    y = x.sum(1, keepdim=True) + 0.1 * torch.randn(rows, 1, generator=generator)
    return TensorDataset(x, y)


def tiny_loader(rows: int = 64, batch_size: int = 8, **options: Any) -> DataLoader[Batch]:
    return DataLoader(cast(Dataset[Batch], tiny_data(rows)), batch_size=batch_size, **options)


SILENT: dict[str, Any] = {
    "accelerator": "cpu",
    "devices": 1,
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
}
"""Options of a Trainer that prints nothing and writes nothing."""


def silent_trainer(lightning: ModuleType, **options: Any) -> Any:
    """The Trainer of either Lightning."""
    return lightning.Trainer(**{**SILENT, **options})


def tiny_trainer(**options: Any) -> pl.Trainer:
    return pl.Trainer(**{**SILENT, "max_epochs": 2, **options})


class Untouched(TinyModel):
    """What is to be refused before the first step."""

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        raise AssertionError("a step was taken")


class Rates(pl.Callback):
    """Every group's rate at every step."""

    def __init__(self) -> None:
        self.rates: list[list[float]] = []

    def on_train_batch_start(self, trainer: Any, *_: Any) -> None:
        groups = trainer.optimizers[0].param_groups
        self.rates.append([float(group["lr"]) for group in groups])
