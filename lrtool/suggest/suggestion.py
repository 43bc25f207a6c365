"""Suggestion: the rates read off a curve, how sure they are, and why."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite, nan
from typing import Any

from lrtool.types import Status

__all__ = ["Suggestion"]


@dataclass(frozen=True)
class Suggestion:
    """Learning rates read off a LossCurve, with how sure they are and why.

    Args:
        lr: rate for constant or slowly decaying training; NaN when there is no pick.
        min_lr: base of a cycle. `min_lr <= lr <= max_lr`.
        max_lr: peak of a cycle.
        interval: (low, high) rates between which the best constant rate lies in 80% of cases.
        method: the suggester's name.
        status: how far to trust it.
        reason: the status as a sentence, with its numbers and what to do next.
    """

    lr: float
    min_lr: float
    max_lr: float
    interval: tuple[float, float]
    method: str
    status: Status
    reason: str

    @classmethod
    def none(cls, method: str, status: Status, reason: str) -> "Suggestion":
        """Make a suggestion without a pick: every rate NaN."""
        return cls(nan, nan, nan, (nan, nan), method, status, reason)

    @property
    def has_pick(self) -> bool:
        """Whether there is a rate to use."""
        return self.status.has_pick

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; NaN becomes null."""
        low, high = self.interval
        rates = {"lr": self.lr, "min_lr": self.min_lr, "max_lr": self.max_lr}
        return {
            **{name: _null(rate) for name, rate in rates.items()},
            "interval": [_null(low), _null(high)],
            "method": self.method,
            "status": self.status.value,
            "reason": self.reason,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Suggestion":
        """Invert `to_dict`."""
        low, high = data["interval"]
        return cls(
            lr=_float(data["lr"]),
            min_lr=_float(data["min_lr"]),
            max_lr=_float(data["max_lr"]),
            interval=(_float(low), _float(high)),
            method=data["method"],
            status=Status(data["status"]),
            reason=data["reason"],
        )

    def _repr_html_(self) -> str:
        from lrtool.report import suggestion_html

        return suggestion_html(self)

    def __str__(self) -> str:
        if not self.has_pick:
            return f"no pick [{self.status.value}]: {self.reason}"
        low, high = self.interval
        return (
            f"lr {self.lr:.3g} (80% {low:.3g}..{high:.3g}), "
            f"cycle {self.min_lr:.3g}..{self.max_lr:.3g} "
            f"[{self.status.value}, {self.method}]: {self.reason}"
        )


def _null(rate: float) -> float | None:
    return rate if isfinite(rate) else None


def _float(rate: float | None) -> float:
    return nan if rate is None else float(rate)
