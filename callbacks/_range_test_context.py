"""Where a range test can run, what its result holds for, and what must be said about it."""

import logging
import os
import warnings
from dataclasses import replace
from math import inf
from typing import Any

from torch.nn.parameter import is_lazy

from lrtool import optimizers
from lrtool.callbacks._lightning import Trainer, submodule
from lrtool.errors import ArgumentError, UnsupportedError
from lrtool.result import RangeTestResult
from lrtool.sweep import SweepConfig

__all__ = [
    "capped",
    "check_trainer",
    "context_of",
    "lost_between_ranks",
    "refuse_unswept",
    "stays_in_workers",
    "tell",
    "trained_along",
    "warn_if_elsewhere",
]

_log = logging.getLogger(__name__)
_STRATEGIES = ("SingleDeviceStrategy", "DDPStrategy")
_NOT_EVEN_SO = {"SingleDeviceXLAStrategy", "DeepSpeedStrategy"}  # derived from those two
_BATCH = ("batch_size", "world_size", "accumulate_grad_batches")


def check_trainer(trainer: Trainer, index: int) -> None:
    """Refuse a set-up in which a sweep cannot work or would say nothing.

    Args:
        trainer: its strategy and optimizers set up.
        index: which optimizer to sweep.

    Raises:
        UnsupportedError: for the strategy, the optimizer or the model.
        ArgumentError: when there is no such optimizer.
    """
    names = [base.__name__ for base in type(trainer.strategy).__mro__]
    if _NOT_EVEN_SO.intersection(names) or not set(_STRATEGIES).intersection(names):
        raise UnsupportedError(
            f"a range test runs under {' and '.join(_STRATEGIES)}, got {names[0]}; measure on one "
            "device (devices=1), write the rate into this run, and remove LRRangeTest from it"
        )
    if all(type(one).__name__ == "_MockOptimizer" for one in trainer.optimizers):
        raise ArgumentError(
            "a range test needs an optimizer, got None from configure_optimizers; "
            "return one, such as torch.optim.SGD(self.parameters(), lr=0.1)"
        )
    count = len(trainer.optimizers)
    if index >= count:
        raise ArgumentError(
            f"optimizer < {count} must hold, got optimizer={index}; "
            f"configure_optimizers returned {count}"
        )
    swept = trainer.optimizers[index]
    refuse_unswept(optimizers.capabilities_of(swept))
    lazy = [name for name, one in trainer.lightning_module.named_parameters() if is_lazy(one)]
    if lazy:
        raise UnsupportedError(
            f"every parameter must have its shape before a range test, got the lazy {lazy[0]!r}; "
            "run one batch through the model in setup() or configure_model()"
        )


def refuse_unswept(can: optimizers.Capabilities) -> None:
    """Refuse an optimizer whose rate no sweep can judge.

    Raises:
        UnsupportedError: with its name and the reason.
    """
    if not can.range_test:
        raise UnsupportedError(
            f"a range test says nothing about {can.name}: {can.range_test.reason}; train it at "
            f"its own rate (lr {can.default_lr:g} by default), without a range test"
        )


def capped(config: SweepConfig, trainer: Trainer, index: int) -> SweepConfig:
    """`config`, without the rates that the optimizer would cut down unseen."""
    can = optimizers.capabilities_of(trainer.optimizers[index])
    cap = can.lr_cap(trainer.global_step + config.max_steps)
    low, high = config.min_lr or 0.0, config.max_lr or inf
    return replace(config, max_lr=cap) if low < cap < high else config


def context_of(trainer: Trainer, index: int) -> dict[str, Any]:
    """What a measurement taken now holds for, as plain JSON values."""
    optimizer = trainer.optimizers[index]
    seed = os.environ.get("PL_GLOBAL_SEED")
    return {
        "optimizer": type(optimizer).__name__,
        "lr": [float(group["lr"]) for group in optimizer.param_groups],
        "batch_size": getattr(trainer.train_dataloader, "batch_size", None),
        "world_size": trainer.world_size,
        "accumulate_grad_batches": trainer.accumulate_grad_batches,
        "precision": str(trainer.precision),
        "seed": int(seed) if seed else None,
        "epoch": trainer.current_epoch,
        "global_step": trainer.global_step,
    }


def lost_between_ranks(trainer: Trainer) -> tuple[str, ...]:
    """What DDP keeps of a sweep, in words; nothing on one device or two.

    DDP sorts its gradient buckets anew after its very first step, which is now one of the sweep's.
    Two numbers have one sum in any order; three have not, to the last bit.
    """
    if trainer.world_size <= 2:
        return ()
    return (
        f"DDP over {trainer.world_size} ranks has sorted its gradient buckets in the sweep: the "
        "first step of training may differ from a run without it in the last bit",
    )


def stays_in_workers(trainer: Trainer) -> bool:
    """Whether `fit` runs in processes that end with it (ddp_spawn, ddp_fork, ddp_notebook)."""
    return hasattr(getattr(trainer.strategy, "launcher", None), "_start_method")


def tell(
    trainer: Trainer,
    result: RangeTestResult,
    wanted: bool,
    advice: tuple[str, ...] = (),
    label: str = "LRRangeTest",
) -> None:
    """Say the applied pick and why; warn of what was not given back or bends the curve.

    Args:
        trainer: its Lightning's log takes the pick, as it takes what the Trainer itself decides.
        result: the range test's.
        wanted: whether its pick was to be applied.
        advice: those of its diagnoses that are no fault of the measurement: where warnings are
            errors, they end no training.
        label: who says it.
    """
    for sentence in (*result.not_restored, *result.diagnosis):
        if sentence in advice:
            _log.warning("%s: %s", label, sentence)
        else:
            warnings.warn(f"{label}: {sentence}", stacklevel=2)
    if stays_in_workers(trainer):
        _log.warning(
            "LRRangeTest: the processes that this strategy starts keep its result, and where fit "
            "was called it is None; to read it there, use strategy='ddp' or one device"
        )
    if result.applied:
        submodule(trainer, "utilities.rank_zero").rank_zero_info(f"LR range test: {result}")
    elif wanted:
        _log.warning("LRRangeTest left the rate as it is: %s", result.suggestion.reason)


def trained_along(trainer: Trainer, result: RangeTestResult) -> tuple[str, ...]:
    """That other optimizers may have hidden what this one does, in words."""
    if len(trainer.optimizers) == 1 or result.suggestion.has_pick:
        return ()
    return (
        "other optimizers train along at their own rates in the sweep, and this loss may be their "
        "doing, as in a GAN: then it says nothing about this rate",
    )


def warn_if_elsewhere(trainer: Trainer, result: RangeTestResult) -> None:
    """Say when a result is used under another effective batch than it was measured with."""
    now = context_of(trainer, 0)
    changed = {
        name: (result.context[name], now[name])
        for name in _BATCH
        if name in result.context and result.context[name] != now[name]
    }
    if changed:
        text = ", ".join(f"{name} was {old}, is {new}" for name, (old, new) in changed.items())
        warnings.warn(
            f"LRRangeTest: the rate in force was measured for another batch ({text}); "
            "measure again with on_resume='run'",
            stacklevel=2,
        )
