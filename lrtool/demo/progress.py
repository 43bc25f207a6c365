"""Progress bars, on standard error, only where somebody watches."""

from typing import Any

import pytorch_lightning as pl
from tqdm.auto import tqdm

__all__ = ["Bar", "bar"]


def bar(name: str, total: int, unit: str) -> Any:
    """A bar of `total` units."""
    return tqdm(total=total, desc=f"  {name}", unit=unit, disable=None, leave=False, delay=0.5)


class Bar(pl.Callback):
    """One bar over all the training batches of a fit."""

    def __init__(self, name: str, total: int) -> None:
        self._name, self._total = name, total
        self._bar: Any = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Open the bar."""
        self._bar = bar(self._name, self._total, "step")

    def on_train_batch_end(self, *_: Any) -> None:
        """One batch more."""
        self._bar.update()

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Close the bar."""
        self._bar.close()

    def on_exception(self, *_: Any) -> None:
        """Close the bar."""
        if self._bar is not None:
            self._bar.close()
