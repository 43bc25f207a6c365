"""What a page's reader already has: a model, data, a study to come back to."""

from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

import lrtool
from support.tiny import Batch, TinyModel, tiny_loader

__all__ = ["session"]


class Model(TinyModel):
    """A small regression, whose rate can be given."""

    def __init__(self, lr: float = 0.01) -> None:
        super().__init__(lr=lr)


class ModelWithData(Model):
    """The same with its loaders, for a command line that is given neither."""

    def train_dataloader(self) -> Any:
        return tiny_loader(512, shuffle=True)

    def val_dataloader(self) -> Any:
        return tiny_loader(64)


class Transfer(Model):
    """The same in two parts, as pretrained models come."""

    def __init__(self, lr: float = 0.01) -> None:
        super().__init__(lr=lr)
        del self.net
        self.backbone = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU())
        self.head = nn.Linear(8, 1)

    def loss(self, batch: Batch) -> Tensor:
        x, y = batch
        return nn.functional.mse_loss(self.head(self.backbone(x)), y)


class Trainer(pl.Trainer):
    """Lightning's, silent and writing no file unless asked to."""

    def __init__(self, **options: Any) -> None:
        quiet = {
            "enable_checkpointing": False,
            "enable_model_summary": False,
            "enable_progress_bar": False,
            "logger": False,
        }
        super().__init__(**{**quiet, **options})


def session() -> dict[str, Any]:
    """A new session: `Model`, `model`, `train_loader`, `val_loader`, `Trainer`, and so on."""
    torch.manual_seed(0)
    train, val = tiny_loader(512, shuffle=True), tiny_loader(64)
    return {
        "__name__": "page",
        "Model": Model,
        "ModelWithData": ModelWithData,
        "Transfer": Transfer,
        "Trainer": Trainer,
        "model": Model(),
        "lrtool": lrtool,
        "nn": nn,
        "pl": pl,
        "torch": torch,
        "train_loader": train,
        "val_loader": val,
    }
