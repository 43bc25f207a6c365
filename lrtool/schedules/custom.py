"""Your own function of the step."""

from collections.abc import Callable
from dataclasses import dataclass

from lrtool._check import non_negative, require
from lrtool.schedules.base import Schedule

__all__ = ["Lambda", "lambda_"]


@dataclass(frozen=True)
class Lambda(Schedule):
    """Your own function of the step: ``value(k) = lr * fn(k)``.

    Args:
        fn: a function of the optimizer step, from 0, to a number. It should be pure: a resumed run
            asks it for later steps without having asked for earlier ones. To be pickled with the
            schedule it must have a name that can be imported: a lambda fails when pickled, never
            silently.
        lr: what it is multiplied by, at least 0.

    Raises:
        ArgumentError: when `fn` is not a function or `lr` is out of its range.

    >>> decay = lambda_(lambda step: 0.5 ** (step // 10), lr=0.8)
    >>> decay(0), decay(10), decay(20)
    (0.8, 0.4, 0.2)
    """

    fn: Callable[[float], float]
    lr: float = 1.0

    def __post_init__(self) -> None:
        non_negative(lr=self.lr)
        require(callable(self.fn), "fn is a function of the step", fn=self.fn)

    def __call__(self, step: float) -> float:
        """The value at optimizer step `step`, counted from 0."""
        return self.lr * float(self.fn(step))


lambda_ = Lambda
