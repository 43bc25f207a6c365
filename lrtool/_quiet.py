"""Lightning's and Optuna's chatter held back, so that a command's output is its own."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["quiet"]

_LOGGERS = (
    "pytorch_lightning",
    "lightning.pytorch",
    "lightning_fabric",
    "lightning.fabric",
    "optuna",
)
_ADVICE = (
    ".*does not have many workers.*",
    ".*number of training batches.*",
    ".*You defined a `validation_step`.*",
    ".*GPU available but not used.*",
    ".*isinstance.treespec, LeafSpec.*",
    ".*tensorboardX.*",
    ".*litlogger.*",
    ".*Checkpoint directory .* exists and is not empty.*",
    ".*could not find the monitored key.*",
)


@contextmanager
def quiet() -> Iterator[None]:
    """Hold back banners, progress in words and advice on speed; errors and other warnings pass."""
    from lrtool.callbacks._lightning import lightning_modules

    loggers = [logging.getLogger(name) for name in _LOGGERS]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        for pattern in _ADVICE:
            warnings.filterwarnings("ignore", pattern)
        lightning_modules()  # their import sets the levels that are set again here
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
