"""ScheduleFreeSwitch: evaluate a schedule-free optimizer at its averaged weights."""

from typing import Any

from lrtool.callbacks._lightning import Callback, LightningModule, Trainer

__all__ = ["ScheduleFreeSwitch"]


class ScheduleFreeSwitch(Callback):  # type: ignore[misc, unused-ignore]
    r"""Switch schedule-free optimizers between the weights they train and those they average.

        y = beta x + (1 - beta) z

    Gradients are taken at y, beta the momentum; what is to be evaluated is x, the average of the
    fast sequence z. Before a validation, and when training ends, the weights become x; before the
    next training batch they become y again. So a checkpoint saved at a validation holds what was
    validated, and goes on from there exactly. An optimizer without `train()` and `eval()` is left
    alone.

    References:
        Defazio et al., "The road less scheduled", NeurIPS 2024, section 2.

    >>> switch = ScheduleFreeSwitch()
    >>> # Trainer(callbacks=[switch]).fit(model, train_loader, val_loader)
    """

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """To the weights that train."""
        _switch(trainer, "train")

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """To the averaged weights."""
        _switch(trainer, "eval")

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """To the averaged weights, for good."""
        _switch(trainer, "eval")


def _switch(trainer: Trainer, mode: str) -> None:
    for optimizer in trainer.optimizers:
        inner = getattr(optimizer, "optimizer", optimizer)  # Lookahead's
        if hasattr(inner, "train") and hasattr(inner, "eval"):
            getattr(inner, mode)()
