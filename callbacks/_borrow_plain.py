"""Take an optimization step as the Trainer does, past hooks that nobody has overridden."""

from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.optim import Optimizer

from lrtool.callbacks._borrow_batch import overrides
from lrtool.callbacks._lightning import Trainer, submodule

__all__ = ["HOOKS", "optimization"]

Optimization: TypeAlias = Callable[[Optimizer, int, Any], dict[str, Any]]

HOOKS = (
    "optimizer_step",
    "on_before_zero_grad",
    "optimizer_zero_grad",
    "on_before_backward",
    "backward",
    "on_after_backward",
    "on_before_optimizer_step",
    "configure_gradient_clipping",
)
"""The module's hooks between two calls of `training_step`."""


def optimization(trainer: Trainer) -> Optimization:
    """The function that takes automatic optimization's step with a batch.

    With a hook of the user's own, accumulation, clipping, a strategy other than a single device or
    a precision other than the model's own, it is the Trainer's way in full; without, it is what
    that way comes to: `training_step` as ever, then torch alone.

    Args:
        trainer: a borrowed Trainer: its callbacks are silent.
    """
    loop = trainer.fit_loop.epoch_loop.automatic_optimization
    whole_way: Optimization = loop.run
    if not _is_plain(trainer):
        return whole_way
    automatic = submodule(trainer, "loops.optimization.automatic")
    module: Any = trainer.lightning_module
    attributes = vars(module)
    progress = loop.optim_progress.optimizer.step  # counts the global step

    def plain(optimizer: Any, batch_idx: int, kwargs: Any) -> dict[str, Any]:
        if loop._skip_backward:  # weight averaging has its last epoch without learning
            return whole_way(optimizer, batch_idx, kwargs)
        hook = attributes["_current_fx_name"]
        output: dict[str, Any] | None = None

        def closure() -> Tensor | None:
            nonlocal output
            with torch.enable_grad():
                attributes["_current_fx_name"] = "training_step"
                returned = module.training_step(*kwargs.values())
                attributes["_current_fx_name"] = hook
                if type(returned) is not Tensor:
                    output = learn_from(returned, optimizer)
                    return output.get("loss")
                loss = returned.detach().clone()
                output = {"loss": loss}
                optimizer.zero_grad()
                Tensor.backward(returned)  # type: ignore[no-untyped-call]
                return loss

        progress.increment_ready()
        optimizer.step(closure=closure)
        progress.increment_completed()
        if output is None:  # an optimizer that does not call it: the Trainer has the words
            automatic.Closure(closure).consume_result()
        return output or {}

    def learn_from(returned: Any, optimizer: Optimizer) -> dict[str, Any]:
        """What the Trainer makes of a dict, of None, or of what it does not take."""
        result = automatic.ClosureResult.from_training_step_output(returned)
        closure = automatic.Closure(lambda: result, Tensor.backward, optimizer.zero_grad)
        return {} if closure() is None else result.asdict()

    return plain


def _is_plain(trainer: Trainer) -> bool:
    strategy, precision = trainer.strategy, trainer.precision_plugin
    return (
        trainer.lightning_module.automatic_optimization
        and trainer.accumulate_grad_batches == 1
        and trainer.gradient_clip_val is None
        and type(strategy) is submodule(trainer, "strategies").SingleDeviceStrategy
        and strategy.model is trainer.lightning_module
        and type(precision) is submodule(trainer, "plugins.precision").Precision
        and not any(overrides(trainer, hook) for hook in HOOKS)
    )
