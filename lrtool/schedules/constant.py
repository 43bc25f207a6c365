"""The constant schedule."""

from dataclasses import dataclass

from lrtool._check import non_negative
from lrtool.schedules.base import Schedule

__all__ = ["Constant", "constant"]


@dataclass(frozen=True)
class Constant(Schedule):
    """One value for ever: ``value(k) = lr``.

    Args:
        lr: the value, at least 0.

    Raises:
        ArgumentError: when `lr` is negative, infinite or NaN.

    >>> constant(0.1)(0), constant(0.1)(10**12)
    (0.1, 0.1)
    """

    lr: float

    def __post_init__(self) -> None:
        non_negative(lr=self.lr)

    def __call__(self, step: float) -> float:
        """The value at optimizer step `step`, counted from 0."""
        return self.lr

    @property
    def length(self) -> int:
        """0: it has settled from the start."""
        return 0


constant = Constant
