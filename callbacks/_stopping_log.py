"""One line in Lightning's log."""

import logging

from lrtool.callbacks._lightning import Trainer, namespace_of

__all__ = ["log_info"]


def log_info(trainer: Trainer, message: str) -> None:
    """Log `message` where Lightning logs, with the rank where there are several."""
    prefix = f"[rank {trainer.global_rank}] " if trainer.world_size > 1 else ""
    logging.getLogger(namespace_of(trainer).__name__).info(prefix + message)
