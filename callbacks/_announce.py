"""Tell the module's hyperparameters and the loggers which rate is in force."""

import warnings
from typing import Any

from lrtool.callbacks._lightning import Trainer

__all__ = ["announce"]

_NAMES = ("lr", "learning_rate")


def announce(trainer: Trainer, lr: float) -> None:
    """Write `lr` wherever the module keeps its rate, and log the hyperparameters again.

    Args:
        trainer: fitting; its module's `lr` or `learning_rate`, as an attribute or in `hparams`, is
            set to the applied rate. A module without either is left alone.
        lr: the applied rate of the largest group.
    """
    module: Any = trainer.lightning_module
    hparams = module.hparams
    in_hparams = [name for name in _NAMES if _is_rate(hparams.get(name))]
    for name in in_hparams:
        hparams[name] = lr
    for name in _NAMES:
        if _is_rate(vars(module).get(name)):
            setattr(module, name, lr)
    logs = getattr(trainer, "enable_autolog_hparams", True)  # older Trainers cannot leave it
    if in_hparams and module._log_hyperparams and logs:
        _log(trainer, dict.fromkeys(in_hparams, lr))


def _log(trainer: Trainer, changed: dict[str, float]) -> None:
    """Log what the Trainer logged at its start, with the rates of today."""
    logged: dict[str, Any] = {}
    owners: list[Any] = [trainer.lightning_module, getattr(trainer, "datamodule", None)]
    for owner in owners:
        if owner is not None and owner._log_hyperparams:
            logged |= dict(owner.hparams_initial)
    logged.pop("_class_path", None)
    for logger in trainer.loggers:
        try:
            logger.log_hyperparams({**logged, **changed})
        except Exception as error:  # each maker raises its own kind; MLflow's values never change
            warnings.warn(
                f"{type(logger).__name__} keeps the rate it was given first "
                f"({type(error).__name__}); the applied one is its metric lrtool/lr",
                stacklevel=2,
            )
        logger.save()


def _is_rate(value: object) -> bool:
    return isinstance(value, float | int) and not isinstance(value, bool)
