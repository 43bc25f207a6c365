"""A straight line between two values."""

from dataclasses import dataclass

from lrtool._check import integer, non_negative
from lrtool.schedules.base import Schedule

__all__ = ["Linear", "linear"]


@dataclass(frozen=True)
class Linear(Schedule):
    """A straight line from `lr` to `end_lr`, falling or rising.

    ``value(k) = lr + (end_lr - lr) * min(k, T) / T`` with ``T = total_steps``.

    Linear decay to zero is a strong default for the learning rate; a rise from 0.5 to 0.9 over the
    first epochs suits momentum: small while the first gradients are large, large once they are not.

    Args:
        lr: value at step 0, at least 0.
        total_steps: optimizer steps after which `end_lr` holds, at least 1.
        end_lr: value from `total_steps` on, at least 0.

    Raises:
        ArgumentError: when a value is out of its range.

    >>> decay = linear(0.5, total_steps=100)
    >>> decay(0), decay(50), decay(100)
    (0.5, 0.25, 0.0)
    >>> momentum = linear(0.5, total_steps=100, end_lr=0.9)
    >>> momentum(0), momentum(50), momentum(10**12)
    (0.5, 0.7, 0.9)

    References:
        Defazio et al. 2023, https://arxiv.org/abs/2310.07831 (linear decay to zero);
        Bergsma et al. 2025, https://arxiv.org/abs/2502.15938;
        Hinton 2012, https://www.cs.toronto.edu/~hinton/absps/guideTR.pdf, section 9 (momentum).
    """

    lr: float
    total_steps: int
    end_lr: float = 0.0

    def __post_init__(self) -> None:
        non_negative(lr=self.lr, end_lr=self.end_lr)
        integer(1, total_steps=self.total_steps)

    def __call__(self, step: float) -> float:
        """The value at optimizer step `step`, counted from 0."""
        if step >= self.total_steps:
            return self.end_lr
        return self.lr + (self.end_lr - self.lr) * (step / self.total_steps)

    @property
    def length(self) -> int:
        """`total_steps`."""
        return self.total_steps


linear = Linear
