"""LossRecorder: the training loss of each batch."""

from collections.abc import Mapping
from typing import Any

from lrtool.callbacks._lightning import Callback, LightningModule, Trainer

__all__ = ["LossRecorder"]


class LossRecorder(Callback):  # type: ignore[misc, unused-ignore]
    """Keeps the loss of each training batch.

    Attributes:
        losses: (optimizer steps taken, loss), in order.
    """

    def __init__(self) -> None:
        super().__init__()
        self.losses: list[tuple[int, float]] = []

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, *_: Any
    ) -> None:
        """Keep the loss, if the batch had one."""
        loss = outputs.get("loss") if isinstance(outputs, Mapping) else outputs
        if loss is not None:
            self.losses.append((trainer.global_step, float(loss.detach())))
