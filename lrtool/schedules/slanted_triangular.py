"""The slanted triangle of ULMFiT: a short rise, a long straight fall."""

from dataclasses import dataclass

from lrtool._check import fraction, integer, positive, require
from lrtool.schedules.base import Cycle, Schedule

__all__ = ["SlantedTriangular", "slanted_triangular"]


@dataclass(frozen=True)
class SlantedTriangular(Schedule):
    """A short straight rise to `max_lr`, a long straight fall: ``max_lr * (1 + p (R - 1)) / R``.

    With T = `total_steps`, the peak at step ``c = floor(cut_frac * T)`` and R = `ratio`, the height
    is ``p = k / c`` up to c and ``p = 1 - (k - c) / (T - c)`` from there to step T.

    Args:
        max_lr: the peak, above 0.
        total_steps: optimizer steps of the whole run, at least 1.
        cut_frac: fraction of the run spent rising, in (0, 1).
        ratio: max_lr over the first and the last value, at least 1.

    Raises:
        ArgumentError: when a value is out of its range.

    >>> slope = slanted_triangular(max_lr=0.32, total_steps=1000)
    >>> slope(0), slope(100), slope(1000)
    (0.01, 0.32, 0.01)

    References:
        Howard & Ruder 2018, https://arxiv.org/abs/1801.06146, section 3.2, eq. (3). The paper
        divides the fall by c * (1 / cut_frac - 1), which is T - c when cut_frac * T is whole.
    """

    max_lr: float
    total_steps: int
    cut_frac: float = 0.1
    ratio: float = 32.0

    def __post_init__(self) -> None:
        positive(max_lr=self.max_lr, ratio=self.ratio)
        integer(1, total_steps=self.total_steps)
        fraction(cut_frac=self.cut_frac)
        require(self.ratio >= 1, "ratio >= 1", ratio=self.ratio)

    def __call__(self, step: float) -> float:
        """The value at optimizer step `step`, counted from 0."""
        return self.max_lr * (1 + self.height(step) * (self.ratio - 1)) / self.ratio

    def height(self, step: float) -> float:
        """How far from base (0) to peak (1) the value stands at `step`."""
        cut = self._cut
        if step < cut:
            return step / cut
        return max(0.0, 1 - (step - cut) / (self.total_steps - cut))

    @property
    def length(self) -> int:
        """`total_steps`."""
        return self.total_steps

    def cycle(self, step: int) -> Cycle:
        """The one cycle."""
        return Cycle(0, 0, self._cut, self.total_steps)

    @property
    def _cut(self) -> int:
        return int(self.cut_frac * self.total_steps)


slanted_triangular = SlantedTriangular
