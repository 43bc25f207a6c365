"""The one-line entry points, on top of everything."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lrtool.errors import ArgumentError
from lrtool.result import RangeTestResult

if TYPE_CHECKING:
    from lrtool.callbacks._lightning import LightningModule

__all__ = ["range_test"]


def range_test(
    model: "LightningModule",
    data: Any,
    *,
    trainer_kwargs: Mapping[str, Any] | None = None,
    **options: Any,
) -> RangeTestResult:
    """Run one LR range test on `model` and leave it as it was.

    The Trainer is made here: one device, no logger, no checkpoints, no file.

    Args:
        model: a LightningModule; its `configure_optimizers` names the optimizer to sweep.
        data: a LightningDataModule, a training loader, or a pair (training, validation) of loaders.
        trainer_kwargs: arguments for the Trainer, for example `{"precision": "bf16-mixed"}`.
        **options: arguments of `lrtool.callbacks.LRRangeTest`, for example `num_steps=200`.

    Returns:
        What was measured and what it suggests. Nothing is applied to the model.

    Raises:
        ArgumentError: when an option breaks its rule.
        UnsupportedError: when the model cannot be swept, before the first step.
    """
    from lrtool.callbacks._lightning import namespace_of
    from lrtool.callbacks.range_test import LRRangeTest
    from lrtool.snapshot import RandomState

    if "then" in options or "apply" in options:
        raise ArgumentError(
            "lrtool.range_test only measures, got apply= or then=; "
            "put LRRangeTest among the callbacks of your own Trainer to train on"
        )
    finder = LRRangeTest(apply=False, then="stop", **options)
    lightning = namespace_of(model)
    trainer = lightning.Trainer(**{**_QUIET, **(trainer_kwargs or {})}, callbacks=[finder])
    random_state = RandomState()
    try:
        if isinstance(data, lightning.LightningDataModule):
            trainer.fit(model, datamodule=data)
        elif isinstance(data, tuple):
            trainer.fit(model, *data)
        else:
            trainer.fit(model, data)
    finally:
        random_state.restore()
    if finder.result is None:
        raise ArgumentError("the training data must hold at least one batch, got none")
    return finder.result


_QUIET: dict[str, Any] = {
    "devices": 1,
    "max_epochs": 1,
    "num_sanity_val_steps": 0,
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
}
