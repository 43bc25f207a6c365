"""Early stopping as a pure state machine: update(state, value) -> state, decision."""

from dataclasses import dataclass, replace
from math import inf, isfinite
from typing import Literal

from lrtool._check import integer, non_negative, one_of, require
from lrtool.durations import Duration, Unit
from lrtool.stopping.prechelt import Criterion
from lrtool.stopping.state import StoppingState
from lrtool.stopping.vocabulary import CONTINUE, Decision, Moment, Phase, StoppingReason
from lrtool.types import Mode

__all__ = ["StoppingRule"]


@dataclass(frozen=True)
class StoppingRule:
    r"""When to stop, for one metric.

    A value v improves on b, the last one that did, when, for `mode="min"`,

        v + d < b    with d = min_delta, or min_delta · |b| for min_delta_mode="rel"

    and v - d > b for `mode="max"`. A smaller improvement does not count at all with "abs", as in
    Keras and in Lightning; with "rel" it is the best, but patience runs on. Training stops once
    `patience` has passed since the last improvement, at a check that does not improve. The rule
    holds no state and no verdict: the decision is a function of `StoppingState`, so a changed
    patience counts at once, and a verdict that could not be carried out is not remembered.

    Args:
        mode: whether "min" or "max" is better.
        patience: time without improvement; an int counts checks (cycles' ends, where the moments
            carry cycles).
        min_delta: smallest improvement that counts, zero or above.
        min_delta_mode: "abs", or "rel" as a share of the value to improve on.
        check_finite: stop at NaN or Inf; if False they count as no improvement. They are never the
            best either way.
        stopping_threshold: stop when the value is better than this.
        divergence_threshold: stop when the value is worse than this.
        start_from: values up to and including this time are ignored.
        baseline: patience starts anew only for improvements that also beat this value.
        smoothing: judge the mean of the last so many finite values, or the value itself where it is
            worse: neither a lucky value is the best, nor a bad one in good company.
        criterion: one of Prechelt's, in place of patience.
        name: the metric's name, for messages.

    References:
        Prechelt, "Early Stopping - But When?", 1998.

    >>> rule = StoppingRule(patience=2)
    >>> state = StoppingState()
    >>> for loss in (1.0, 0.5, 0.6, 0.7):
    ...     state, decision = rule.update(state, loss)
    >>> decision.stop, state.best
    (True, 0.5)
    >>> decision.message
    'value did not improve for 2 checks: best 0.5 after 2 epochs (2 steps), now 0.7'
    """

    mode: Mode = "min"
    patience: int | str | Duration = 3
    min_delta: float = 0.0
    min_delta_mode: Literal["abs", "rel"] = "abs"
    check_finite: bool = True
    stopping_threshold: float | None = None
    divergence_threshold: float | None = None
    start_from: int | str | Duration = 0
    baseline: float | None = None
    smoothing: int = 1
    criterion: Criterion | None = None
    name: str = "value"

    def __post_init__(self) -> None:
        one_of("mode", self.mode, ("min", "max"))
        one_of("min_delta_mode", self.min_delta_mode, ("abs", "rel"))
        non_negative("it is a size: the direction is mode's", min_delta=self.min_delta)
        integer(1, smoothing=self.smoothing)
        for name in ("stopping_threshold", "divergence_threshold", "baseline"):
            value = getattr(self, name)
            require(value is None or isfinite(value), f"{name} finite or None", **{name: value})
        require(
            self.criterion is None or self.mode == "min",
            "mode='min' with a criterion",
            "GL, PQ and UP are defined for errors",
            mode=self.mode,
        )
        for name in ("patience", "start_from"):
            duration = Duration.parse(getattr(self, name), default="check")
            Moment().count(duration.unit)
            object.__setattr__(self, name, duration)

    def update(
        self,
        state: StoppingState,
        value: float,
        at: Moment | None = None,
        phase: Phase = Phase.JUDGE,
        train: float | None = None,
    ) -> tuple[StoppingState, Decision]:
        """Take one value in; return the new state and what to do.

        Args:
            state: from the last call; `StoppingState()` at first.
            value: the metric, finite or not.
            at: when it was measured; by default once an epoch of one step. `at.check` is set here.
            phase: what a check may do at this moment.
            train: the training metric, for a criterion that needs one.
        """
        count = state.checks + 1
        at = Moment(count, count, count) if at is None else replace(at, check=count)
        state = replace(state, checks=count, last=value, value=None)
        if phase is Phase.IGNORE or at.count(self._start.unit) <= self._start.value:
            state = replace(state, since=at)
        elif isfinite(value):
            state = self._absorb(state, value, at, train)
        if phase is Phase.RISE:
            state = replace(state, since=at)
        return state, self.decide(state, at, phase)

    def decide(self, state: StoppingState, at: Moment, phase: Phase = Phase.JUDGE) -> Decision:
        """What `state` says at the moment `at`, which may be later than its last value."""
        if state.last is None:
            return CONTINUE
        for verdict in (self._nonfinite, self._reached, self._diverged):
            if (decision := verdict(state)).stop:
                return decision
        at = replace(at, check=state.checks)
        if phase is not Phase.JUDGE or at == state.mark_at:
            return CONTINUE
        return self._run_out(state, at) if self.criterion is None else self._exceeded(state)

    def better(self, value: float, reference: float) -> bool:
        """Whether `value` improves on `reference` by more than min_delta."""
        delta = self.min_delta * (abs(reference) if self.min_delta_mode == "rel" else 1.0)
        return value + delta < reference if self.mode == "min" else value - delta > reference

    def _is_best(self, value: float, state: StoppingState) -> bool:
        return state.best is None or _beyond(value, state.best, "<" if self.mode == "min" else ">")

    def waited(self, state: StoppingState, at: Moment) -> float:
        """The time from where patience counts to `at`, in patience's unit."""
        unit = self._unit(at)
        return at.count(unit) - state.since.count(unit)

    def _absorb(
        self, state: StoppingState, value: float, at: Moment, train: float | None
    ) -> StoppingState:
        window = (*state.window, value)[-self.smoothing :]
        mean = sum(window) / len(window)
        value = max(value, mean) if self.mode == "min" else min(value, mean)
        if self.criterion is not None:
            state = replace(state, memory=self.criterion.absorb(state.memory, value, train))
        state = replace(state, window=window, value=value)
        improves = state.mark is None or self.better(value, state.mark)
        if improves or (self.min_delta_mode == "rel" and self._is_best(value, state)):
            state = replace(state, best=value, best_at=at)
        if not improves:
            return state
        state = replace(state, mark=value, mark_at=at)
        beaten = self.baseline is None or self.better(value, self.baseline)
        return replace(state, since=at) if beaten else state

    def _nonfinite(self, state: StoppingState) -> Decision:
        assert state.last is not None
        if not self.check_finite or isfinite(state.last):
            return CONTINUE
        best = "no finite value before it" if state.best is None else f"best {_best(state)}"
        return Decision(
            True, StoppingReason.NON_FINITE_METRIC, f"{self.name} is {state.last}; {best}"
        )

    def _reached(self, state: StoppingState) -> Decision:
        limit, sign = self.stopping_threshold, "<" if self.mode == "min" else ">"
        if limit is None or state.value is None or not _beyond(state.value, limit, sign):
            return CONTINUE
        return Decision(
            True,
            StoppingReason.STOPPING_THRESHOLD,
            f"{self.name} reached its target: {state.value:.6g} {sign} {limit:.6g}",
        )

    def _diverged(self, state: StoppingState) -> Decision:
        limit, sign = self.divergence_threshold, ">" if self.mode == "min" else "<"
        assert state.last is not None
        if limit is None or not _beyond(state.last, limit, sign):
            return CONTINUE
        return Decision(
            True,
            StoppingReason.DIVERGENCE_THRESHOLD,
            f"{self.name} diverged: {state.last:.6g} {sign} {limit:.6g}",
        )

    def _run_out(self, state: StoppingState, at: Moment) -> Decision:
        waited = self.waited(state, at)
        # The margin absorbs the rounding of fractions of an epoch; waits are whole or larger.
        if not 0 < waited >= self._patience.value - 1e-9:
            return CONTINUE
        best = "it was never finite" if state.best is None else f"best {_best(state)}"
        delta = f" by more than {self._delta()}" if self.min_delta else ""
        aim = "" if self.baseline is None else f" below its baseline of {self.baseline:.6g}"
        if self.mode == "max":
            aim = aim.replace("below", "above")
        unit = _UNIT_NAMES[self._unit(at)]
        return Decision(
            True,
            StoppingReason.PATIENCE_EXHAUSTED,
            f"{self.name} did not improve{delta}{aim} for {waited:.4g} {unit}"
            f"{'' if waited == 1 else 's'}: {best}, now {state.last:.6g}",
        )

    def _exceeded(self, state: StoppingState) -> Decision:
        assert self.criterion is not None
        sentence = self.criterion.exceeded(state.memory)
        if sentence is None or state.value is None:
            return CONTINUE
        return Decision(
            True, self.criterion.reason, f"{self.name}: {sentence}; best {_best(state)}"
        )

    def _delta(self) -> str:
        if self.min_delta_mode == "rel":
            return f"{100 * self.min_delta:.6g}%"
        return f"{self.min_delta:.6g}"

    def _unit(self, at: Moment) -> Unit:
        # Where there are cycles, the checks that count are their ends.
        unit = self._patience.unit
        return "cycle" if unit == "check" and at.cycle else unit

    @property
    def _patience(self) -> Duration:
        return Duration.parse(self.patience, default="check")

    @property
    def _start(self) -> Duration:
        return Duration.parse(self.start_from, default="check")


_UNIT_NAMES: dict[Unit, str] = {
    "check": "check", "step": "step", "ep": "epoch", "cycle": "cycle",
    "batch": "batch", "dur": "duration",
}  # fmt: skip


def _beyond(value: float, limit: float, sign: str) -> bool:
    return value < limit if sign == "<" else value > limit


def _best(state: StoppingState) -> str:
    return f"{state.best if state.best is not None else inf:.6g} after {state.best_at}"
