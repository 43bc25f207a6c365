"""Bring a batch to the device as the Trainer does, past hooks that nobody has overridden."""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from lrtool.callbacks._lightning import Trainer, submodule

__all__ = ["batch_mover", "overrides"]

_TRANSFER_HOOKS = (
    "on_before_batch_transfer",
    "transfer_batch_to_device",
    "on_after_batch_transfer",
)
_PAIRS = (list, tuple)


def overrides(trainer: Trainer, hook: str) -> bool:
    """Whether the module, or the datamodule where it has such a hook, brings its own `hook`."""
    is_overridden = submodule(trainer, "utilities.model_helpers").is_overridden
    data: Any = getattr(trainer, "datamodule", None)
    return is_overridden(hook, trainer.lightning_module) or bool(
        data is not None and hook in _TRANSFER_HOOKS and is_overridden(hook, data)
    )


def batch_mover(trainer: Trainer) -> Callable[[Any], Any]:
    """The function that makes a loader's batch ready for `training_step`.

    With hooks of the user's own, or a strategy's, it is the Trainer's way in full; without, it is
    what that way comes to: the precision plugin's conversion and the move to the device.
    """
    precision: Any = trainer.precision_plugin
    convert = precision.convert_input
    call = submodule(trainer, "trainer.call")
    module: Any = trainer.lightning_module
    base = submodule(trainer, "strategies").Strategy
    own_strategy = type(trainer.strategy).batch_to_device is not base.batch_to_device

    def whole_way(batch: Any) -> Any:
        batch = module._on_before_batch_transfer(convert(batch), dataloader_idx=0)
        return call._call_strategy_hook(trainer, "batch_to_device", batch, dataloader_idx=0)

    if own_strategy or any(overrides(trainer, hook) for hook in _TRANSFER_HOOKS):
        return whole_way
    move = submodule(trainer, "utilities").move_data_to_device
    device = trainer.strategy.root_device
    plain = submodule(trainer, "plugins.precision").Precision
    as_it_is = type(precision).convert_input is plain.convert_input

    def short_way(batch: Any) -> Any:
        if not (as_it_is and type(batch) in _PAIRS):
            return move(convert(batch), device)
        if all(type(part) is Tensor and part.device == device for part in batch):
            return batch[:]  # a copy, as the Trainer's way makes one: the step may write into it
        return move(batch, device)

    return short_way
