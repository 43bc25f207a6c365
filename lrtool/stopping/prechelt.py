"""Prechelt's stopping criteria: generalization loss, progress quotient, successive rises."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from math import inf, isfinite
from typing import ClassVar

from lrtool._check import integer, positive, require
from lrtool.stopping.vocabulary import StoppingReason

__all__ = ["Criterion", "GeneralizationLoss", "ProgressQuotient", "UpStrips"]

Memory = tuple[float, ...]


class Criterion(ABC):
    """A stopping criterion with a memory of plain numbers.

    Its metric is an error: lower is better, and ratios of it mean something. It is fed once a
    check; one check an epoch is what the paper has.
    """

    reason: ClassVar[StoppingReason]

    @property
    def train_monitor(self) -> str | None:
        """The training metric it needs besides the monitored one, if any."""
        return None

    @abstractmethod
    def absorb(self, memory: Memory, value: float, train: float | None) -> Memory:
        """The memory after one more check; `()` before the first."""

    @abstractmethod
    def exceeded(self, memory: Memory) -> str | None:
        """A sentence when the training should stop now, else None."""


def _generalization_loss(lowest: float, value: float) -> float:
    # The ratio says nothing about errors at or below zero: then it never stops a training.
    return 100.0 * (value / lowest - 1.0) if lowest > 0 else 0.0


def _check_error(memory: Memory, value: float) -> None:
    require(
        bool(memory) or value > 0,
        "a metric judged by GL or PQ > 0",
        "the criterion is a ratio of errors; for a metric that can be negative use patience",
        value=value,
    )


@dataclass(frozen=True)
class GeneralizationLoss(Criterion):
    r"""Stop when the validation error is more than `alpha` percent above its lowest.

        GL(t) = 100 · (E_va(t) / min_{t' ≤ t} E_va(t') - 1) > alpha

    Args:
        alpha: percent, above zero; the paper uses 1 to 5.

    References:
        Prechelt, "Early Stopping - But When?", 1998, section 2.1.

    >>> rule = GeneralizationLoss(alpha=5)
    >>> memory = rule.absorb(rule.absorb((), 1.0, None), 1.06, None)
    >>> rule.exceeded(memory)
    'the generalization loss is 6%, above alpha=5%'
    """

    alpha: float = 5.0
    reason: ClassVar[StoppingReason] = StoppingReason.GENERALIZATION_LOSS

    def __post_init__(self) -> None:
        positive(alpha=self.alpha)

    def absorb(self, memory: Memory, value: float, train: float | None) -> Memory:
        """Memory: (lowest error, latest error)."""
        _check_error(memory, value)
        return (min(memory[0] if memory else inf, value), value)

    def exceeded(self, memory: Memory) -> str | None:
        """Compare the latest error with the lowest."""
        loss = _generalization_loss(*memory) if memory else 0.0
        if loss > self.alpha:
            return f"the generalization loss is {loss:.4g}%, above alpha={self.alpha:g}%"
        return None


@dataclass(frozen=True)
class ProgressQuotient(Criterion):
    r"""Stop when generalization loss outweighs training progress, at the end of a strip.

        P_k(t) = 1000 · (sum of E_tr over the strip / (k · min of E_tr over the strip) - 1)
        PQ(t)  = GL(t) / P_k(t) > alpha

    where a strip is `strip` checks in a row (k), the first starting with the training, and GL is
    that of `GeneralizationLoss`.

    Args:
        alpha: above zero; the paper uses 0.5 to 3.
        strip: k, checks in a strip; the paper uses 5.
        train_monitor: name of the training error E_tr.

    References:
        Prechelt, "Early Stopping - But When?", 1998, section 2.1.
    """

    alpha: float = 0.75
    strip: int = 5
    train_monitor: str = "train_loss"
    reason: ClassVar[StoppingReason] = StoppingReason.PROGRESS_QUOTIENT

    def __post_init__(self) -> None:
        positive(alpha=self.alpha)
        integer(1, strip=self.strip)

    def absorb(self, memory: Memory, value: float, train: float | None) -> Memory:
        """Memory: (lowest error, latest error, training errors of the strip so far...)."""
        _check_error(memory, value)
        good = train is not None and isfinite(train) and train > 0
        require(
            good,
            f"the training error {self.train_monitor!r} > 0",
            "PQ needs it, logged with on_epoch=True, at every check",
            value=train,
        )
        assert train is not None
        strip = memory[2:] if len(memory) < 2 + self.strip else ()
        return (min(memory[0] if memory else inf, value), value, *strip, train)

    def exceeded(self, memory: Memory) -> str | None:
        """Compare loss with progress, at the end of a strip only."""
        strip = memory[2:]
        if len(strip) < self.strip:
            return None
        progress = 1000.0 * (sum(strip) / (self.strip * min(strip)) - 1.0)
        loss = _generalization_loss(memory[0], memory[1])
        if loss > self.alpha * progress:  # GL / P_k > alpha, right at P_k = 0 too
            return (
                f"the generalization loss is {loss:.4g}%, more than alpha={self.alpha:g} times the "
                f"training progress of {progress:.4g}‰ over the last {self.strip} checks"
            )
        return None


@dataclass(frozen=True)
class UpStrips(Criterion):
    r"""Stop when the validation error rose in `strips` successive strips.

        UP_1: E_va(t) > E_va(t - k) at the end t of a strip
        UP_s: UP_(s-1) held at t - k, and E_va(t) > E_va(t - k)

    Args:
        strips: s, rises in a row.
        strip: k, checks in a strip; the paper uses 5.

    References:
        Prechelt, "Early Stopping - But When?", 1998, section 2.1.
    """

    strips: int = 3
    strip: int = 5
    reason: ClassVar[StoppingReason] = StoppingReason.UP_STRIPS

    def __post_init__(self) -> None:
        integer(1, strips=self.strips, strip=self.strip)

    def absorb(self, memory: Memory, value: float, train: float | None) -> Memory:
        """Memory: (checks in this strip, error at the last strip's end, rises in a row)."""
        count, last_end, rises = memory or (0.0, inf, 0.0)
        count = count % self.strip + 1
        if count < self.strip:
            return (count, last_end, rises)
        return (count, value, rises + 1 if value > last_end else 0.0)

    def exceeded(self, memory: Memory) -> str | None:
        """Count the rises, at the end of a strip only."""
        if memory and memory[0] == self.strip and memory[2] >= self.strips:
            return (
                f"the error rose over {memory[2]:g} successive strips of {self.strip} checks, "
                f"to {memory[1]:.6g}"
            )
        return None
