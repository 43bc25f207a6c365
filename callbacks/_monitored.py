"""Reading metrics: each new value once, and the same one on every rank."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from lrtool._check import require
from lrtool.errors import UnsupportedError

if TYPE_CHECKING:
    from lrtool.callbacks._lightning import Trainer

__all__ = ["Monitored"]


class Monitored:
    """The metrics of `trainer.callback_metrics`, told new from stale.

    Lightning keeps the last value of a metric until the next one replaces it, so a value is new
    when it lies in another tensor than the last one read. The last tensor is held on to, which
    keeps its memory from being used again.
    """

    def __init__(self) -> None:
        self._read: dict[str, tuple[Tensor, int]] = {}
        self._marked: dict[str, tuple[Tensor, int]] = {}
        self._sums: dict[str, tuple[Tensor, int]] = {}
        self._known: set[str] = set()

    def mark(self, trainer: "Trainer", names: Iterable[str]) -> None:
        """Remember what is there now, for `take(..., since_mark=True)`."""
        metrics = trainer.callback_metrics
        self._marked = {
            name: (metrics[name], _version(metrics[name])) for name in names if name in metrics
        }

    def demand(self, trainer: "Trainer", names: Iterable[str]) -> None:
        """Refuse a name that has had no value on any rank.

        Raises:
            UnsupportedError: naming the metrics there are.
        """
        there = self._known | set(trainer.callback_metrics)
        missing = [name for name in names if name not in there]
        if missing:
            known = ", ".join(sorted(trainer.callback_metrics)) or "none"
            raise UnsupportedError(
                f"early stopping needs the metric {missing[0]!r}, which was not logged (logged: "
                f"{known}); log it under that name, choose another monitor, or set strict=False"
            )

    def is_new(self, trainer: "Trainer", name: str) -> bool:
        """Whether this rank has a value of `name` that was not read yet."""
        return _differs(trainer.callback_metrics.get(name), self._read.get(name))

    def take(self, trainer: "Trainer", name: str, *, since_mark: bool = False) -> float | None:
        """The new value of `name`, agreed on by all ranks; None when there is none.

        Every rank must ask at the same time.

        Args:
            trainer: whose metrics.
            name: of the metric.
            since_mark: a value that was there at the mark does not count.
        """
        value = trainer.callback_metrics.get(name) if self.is_new(trainer, name) else None
        if since_mark and not _differs(value, self._marked.get(name)):
            value = None
        if value is not None:
            self._note(name, value)
        return self._agreed(trainer, name, value)

    def add(self, trainer: "Trainer", name: str) -> None:
        """Add the new value of `name`, if any, to the mean `take_mean` gives; no device sync."""
        if not self.is_new(trainer, name):
            return
        value = trainer.callback_metrics[name]
        self._note(name, value)
        total, count = self._sums.get(name, (torch.zeros_like(value), 0))
        self._sums[name] = (total + value, count + 1)

    def take_mean(self, trainer: "Trainer", name: str) -> float | None:
        """The mean of the values added since the last call, agreed on by all ranks."""
        total, count = self._sums.pop(name, (None, 0))
        return self._agreed(trainer, name, None if total is None else total / count)

    def _note(self, name: str, value: Tensor) -> None:
        self._read[name] = value, _version(value)

    def _agreed(self, trainer: "Trainer", name: str, value: Tensor | None) -> float | None:
        number = agreed(trainer, name, value)
        if number is not None:
            self._known.add(name)
        return number


def agreed(trainer: "Trainer", name: str, value: Tensor | None) -> float | None:
    """One number for every rank: the ranks' own where they are equal, else their mean.

    A rank without a value does not count; NaN on one rank is NaN on all.
    """
    if value is not None:
        require(value.numel() == 1, f"one number for {name!r}", shape=tuple(value.shape))
    if trainer.world_size == 1:
        return None if value is None else float(value)
    device = trainer.strategy.root_device
    mine = torch.full((2,), float("nan") if value is None else float(value), device=device)
    mine[0] = 0.0 if value is None else 1.0
    everyone = trainer.strategy.all_gather(mine)
    values = everyone[everyone[:, 0] > 0, 1]
    if len(values) == 0:
        return None
    return float(values[0]) if bool((values == values[0]).all()) else float(values.mean())


def _differs(value: Tensor | None, last: tuple[Tensor, int] | None) -> bool:
    if value is None or last is None:
        return value is not None
    return value.data_ptr() != last[0].data_ptr() or _version(value) != last[1]


def _version(value: Tensor) -> int:
    """How often it was written to in place; tensors made in inference mode do not count."""
    return 0 if value.is_inference() else value._version
