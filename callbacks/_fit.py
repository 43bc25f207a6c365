"""A Trainer's fit on whatever data a user may give, without a word and without a file."""

from typing import Any

from lrtool.callbacks._lightning import lightning_modules

__all__ = ["QUIET", "fit"]

QUIET: dict[str, Any] = {
    "devices": 1,
    "num_sanity_val_steps": 0,
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
}


def fit(trainer: Any, model: Any, data: Any) -> None:
    """Call `trainer.fit`.

    Args:
        trainer: of the same Lightning as `model`.
        model: a LightningModule.
        data: a LightningDataModule, a training loader, or a pair (training, validation).
    """
    if isinstance(data, tuple(module.LightningDataModule for module in lightning_modules())):
        trainer.fit(model, datamodule=data)
    elif isinstance(data, tuple):
        trainer.fit(model, *data)
    else:
        trainer.fit(model, data)
