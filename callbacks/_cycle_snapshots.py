"""The best weights of each of the last cycles of a schedule."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from lrtool._check import integer
from lrtool.types import Mode
from lrtool.weights import Weights, copy_weights

__all__ = ["CycleSnapshot", "CycleSnapshots"]


@dataclass(frozen=True)
class CycleSnapshot:
    """The weights of the best check of one cycle.

    Args:
        cycle: which, counted from 1.
        value: the monitored value.
        step: optimizer steps done.
        weights: parameters and buffers, in host memory.
    """

    cycle: int
    value: float
    step: int
    weights: Weights


class CycleSnapshots:
    """At most `limit` snapshots, one a cycle; the oldest goes first.

    Args:
        limit: cycles to keep; 0 keeps none.
        mode: whether the lowest or the highest value is a cycle's best.
    """

    def __init__(self, limit: int, mode: Mode) -> None:
        integer(0, snapshots=limit)
        self.limit = limit
        self._mode = mode
        self._kept: dict[int, CycleSnapshot] = {}

    def __iter__(self) -> Iterator[CycleSnapshot]:
        return iter(self._kept[cycle] for cycle in sorted(self._kept))

    def clear(self) -> None:
        """Forget them all."""
        self._kept = {}

    def offer(self, module: nn.Module, cycle: int, value: float, step: int) -> None:
        """Keep the weights of `module` if `value` is its cycle's best so far."""
        kept = self._kept.get(cycle)
        if not self.limit or (kept is not None and not self._better(value, kept.value)):
            return
        self._kept[cycle] = CycleSnapshot(cycle, value, step, copy_weights(module, "cpu"))
        while len(self._kept) > self.limit:
            del self._kept[min(self._kept)]

    def state(self) -> list[dict[str, Any]]:
        """Plain numbers and tensors."""
        return [dict(vars(snapshot)) for snapshot in self]

    def load(self, state: Sequence[Mapping[str, Any]]) -> None:
        """Take over what `state` gave."""
        snapshots = [CycleSnapshot(**entry) for entry in state]
        self._kept = {snapshot.cycle: snapshot for snapshot in snapshots}

    def _better(self, value: float, reference: float) -> bool:
        return value < reference if self._mode == "min" else value > reference
