"""The state machine that walks the LR ladder."""

from dataclasses import dataclass
from math import inf, isfinite, log10

import numpy as np

from lrtool.curve import FloatArray, LossCurve
from lrtool.divergence import DivergenceTest
from lrtool.ladder import SweepConfig, lr_ladder
from lrtool.suggest.reading import FEWEST, Reading, read
from lrtool.types import StopReason

__all__ = ["Rung", "Sweep", "SweepConfig", "lr_ladder"]

HIGHEST_LR = 1e6  # an open end goes no further
LOWEST_LR = 1e-14  # a lower start goes no further
FEWEST_REFINED = 80  # fewer steps than these are not worth a slow pass

# The slow pass's range, in decades; see `_slow_range`.
CLEAR_SIGNAL = 4.0  # standard deviations from which the wide pass's descent is trusted
BELOW_DESCENT = 0.5
PAST_MINIMUM = 0.8
PAST_ONSET = 0.3
WIDEST_BASIN = 2.5
LEAST, MOST = 2.0, 4.5
UNCLEAR = 3.5


@dataclass(frozen=True)
class Rung:
    """One step to take.

    Args:
        lr: the largest group's rate.
        index: how many steps were taken before this one, over all passes.
        pass_index: which pass this step belongs to.
        restart: whether the initial weights and optimizer state must be put back before this step
            (the first step of every pass but the first).
    """

    lr: float
    index: int
    pass_index: int
    restart: bool


class Sweep:
    """Decides, step by step, which rate to try next and when to stop.

    A first, wide pass climbs `num_steps` rungs. When the range is the sweep's own to choose it goes
    on past the last rung until the loss diverges, starts 4 decades lower when the first rungs
    already diverge, and spends what is left of `max_steps` on a slow pass from before the descent
    to past the minimum, where the answer lies; again if that one ends early.

    >>> sweep = Sweep(SweepConfig(min_lr=0.01, max_lr=1.0, num_steps=3))
    >>> while (rung := sweep.next()) is not None:
    ...     sweep.update(loss=1.0 - rung.lr / 2)
    >>> sweep.curve()
    LossCurve(3 steps, lr 0.01..1, completed)
    """

    def __init__(self, config: SweepConfig) -> None:
        self.config = config
        low, high = config.ends
        steps = max(config.max_steps, config.num_steps) if config.adapts else config.num_steps
        self._budget = steps * config.repeats  # of all passes together
        self._lr: list[float] = []
        self._loss: list[float] = []
        self._pass: list[int] = []
        self._reason: StopReason | None = None  # of the sweep as a whole, once it is over
        self._outcome = StopReason.COMPLETED  # of the last finished pass
        self._diverged: StopReason | None = None  # how the first pass that diverged did
        self._message = ""
        self._refined = False
        self._start_pass(
            0,
            lr_ladder(low, high, config.num_steps),
            open_ended=config.max_lr is None and bool(config.early_stop),
        )

    @property
    def num_steps(self) -> int:
        """How many steps are planned in all, as far as is known now (for progress bars)."""
        return len(self._loss) if self._reason is not None else self._budget

    def next(self) -> Rung | None:
        """The step to take next, or None when the sweep is over."""
        if self._reason is not None:
            return None
        first = self._position == 0
        return Rung(
            self._rate(), len(self._loss), self._pass_index, restart=first and self._pass_index > 0
        )

    def update(self, loss: float) -> None:
        """Record the loss that the last rung's step started from (before the step's update)."""
        if self._reason is not None:
            return
        self._lr.append(self._rate())
        self._loss.append(float(loss))
        self._pass.append(self._pass_index)
        self._position += 1
        ended = self._pass_ended(float(loss))
        if ended is not None:
            self._outcome = ended
            if ended is not StopReason.COMPLETED:
                self._diverged = self._diverged or ended
            self._plan_next_pass()
        elif len(self._loss) >= self._budget:
            self._finish(StopReason.COMPLETED)

    def interrupt(self) -> None:
        """End the sweep from outside; the curve keeps what was measured."""
        if self._reason is None:
            self._finish(StopReason.INTERRUPTED, "interrupted from outside")

    def curve(self) -> LossCurve:
        """The measurement so far."""
        return LossCurve(
            np.array(self._lr),
            np.array(self._loss),
            self._reason or StopReason.COMPLETED,
            np.array(self._pass, dtype=np.int64),
            self._message,
        )

    def _start_pass(self, index: int, ladder: FloatArray, *, open_ended: bool) -> None:
        self._pass_index = index
        self._ladder = ladder
        self._ratio = float((ladder[-1] / ladder[0]) ** (1 / (len(ladder) - 1)))
        self._open_ended = open_ended
        self._position = 0
        self._test = DivergenceTest()

    def _rate(self) -> float:
        if self._position < len(self._ladder):
            return float(self._ladder[self._position])
        beyond = self._position - len(self._ladder) + 1
        return min(float(self._ladder[-1]) * self._ratio**beyond, HIGHEST_LR)

    def _pass_ended(self, loss: float) -> StopReason | None:
        if not isfinite(loss):
            self._note(f"the loss became {loss} after a step at lr {self._previous_rate():.3g}")
            return StopReason.NONFINITE
        verdict = self._test.update(loss) if self.config.early_stop else None
        if verdict:
            self._note(f"{verdict} at lr {self._previous_rate():.3g}")
            return StopReason.DIVERGED
        if self._position < len(self._ladder):
            return None
        return None if self._open_ended and self._rate() < HIGHEST_LR else StopReason.COMPLETED

    def _previous_rate(self) -> float:
        """The rate of the step that led to the last loss."""
        return self._lr[-2] if self._position > 1 else self._lr[-1]

    def _plan_next_pass(self) -> None:
        """Start lower, refine, repeat, or finish."""
        left = self._budget - len(self._loss)
        follow = self._pass_index + 1
        if not self.config.adapts:
            if follow < self.config.repeats and left >= 2:
                self._start_pass(follow, self._ladder, open_ended=False)
            else:
                self._finish(self._outcome)
        elif self._diverged_at_start():
            low = float(self._ladder[0]) / 1e4
            if self.config.min_lr is not None or low < LOWEST_LR or left < FEWEST:
                self._finish(self._outcome)
            else:
                steps = min(left, self.config.num_steps)
                self._start_pass(follow, lr_ladder(low, low * 1e5, steps), open_ended=True)
        elif not self._refined and left >= FEWEST_REFINED:
            self._refined = True
            steps = left // self.config.repeats
            self._start_pass(follow, self._refined_ladder(steps), open_ended=False)
        elif self._refined and left >= 2 * len(self._ladder) // 3:
            self._start_pass(follow, self._ladder, open_ended=False)
        else:
            self._finish(self._outcome)

    def _diverged_at_start(self) -> bool:
        diverged = self._outcome is not StopReason.COMPLETED
        return diverged and not self._refined and self._position <= self.config.num_steps // 4

    def _refined_ladder(self, steps: int) -> FloatArray:
        """The slow pass: where the answer lies, within the bounds given."""
        start, end = _slow_range(read(self.curve()), log10(self._previous_rate()))
        low, high = self.config.min_lr, self.config.max_lr
        if high is not None:
            end = min(end, log10(high))
        start = min(start, end - 0.5)
        if low is not None:
            start = max(start, log10(low))
            end = max(end, start + 0.5)
        # 10**log10 may leave the bounds by a hair.
        return lr_ladder(max(10.0**start, low or 0.0), min(10.0**end, high or inf), steps)

    def _note(self, message: str) -> None:
        """Keep what ended the first pass that diverged."""
        if self._diverged is None:
            self._message = message

    def _finish(self, reason: StopReason, message: str = "") -> None:
        """End the sweep: it diverged if any of its passes did."""
        if reason is StopReason.COMPLETED and self._diverged is not None:
            reason = self._diverged
        self._reason = reason
        if reason is StopReason.COMPLETED:
            message = f"took all {len(self._loss)} steps"
        self._message = message or self._message


def _slow_range(reading: Reading | None, last: float) -> tuple[float, float]:
    """log10 ends of the slow pass: from before the descent to past the minimum.

    When nothing fell clearly, the decades below the rate from which the loss stays high, or below
    the `last` rate.
    """
    if reading is None:
        return last - UNCLEAR, last
    end = reading.onset + PAST_ONSET if np.isfinite(reading.onset) else last
    if reading.signal < CLEAR_SIGNAL:
        return end - UNCLEAR, end
    minimum = float(reading.x[reading.lowest])
    end = min(end, minimum + PAST_MINIMUM, reading.falls_by(0.8) + WIDEST_BASIN)
    start = min(reading.falls_by(0.1) - BELOW_DESCENT, end - LEAST)
    return max(start, end - MOST), end
