"""A small convolutional network, as a LightningModule that knows nothing of lrtool."""

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

__all__ = ["DigitsNet"]

Batch = tuple[Tensor, Tensor]


class DigitsNet(pl.LightningModule):
    """Three convolutions and one linear layer, 19,000 weights.

    Args:
        lr: AdamW's rate; its default is the one that AdamW itself has.
    """

    def __init__(self, lr: float = 1e-3) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Sequential(
            *_block(1, 16), *_block(16, 32), nn.MaxPool2d(2), *_block(32, 32), nn.MaxPool2d(2),
            nn.Flatten(), nn.Dropout(0.2), nn.Linear(32 * 2 * 2, 10),
        )  # fmt: skip

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Cross entropy of a batch."""
        images, labels = batch
        return nn.functional.cross_entropy(self.net(images), labels)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Log val_loss and val_acc."""
        images, labels = batch
        scores = self.net(images)
        correct = (scores.argmax(1) == labels).float().mean()
        self.log_dict({"val_loss": nn.functional.cross_entropy(scores, labels), "val_acc": correct})

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """AdamW at the rate given."""
        return torch.optim.AdamW(self.parameters(), lr=self.hparams["lr"])


def _block(channels_in: int, channels_out: int) -> list[nn.Module]:
    return [
        nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(),
    ]
