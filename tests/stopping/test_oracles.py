"""Against others on random traces: Keras's published rule, restated, and Lightning's own class."""

from collections.abc import Sequence
from math import inf, isfinite, isnan, nan
from typing import Any

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pytorch_lightning.callbacks import EarlyStopping as LightningEarlyStopping

from lrtool.stopping import StoppingReason, StoppingRule, StoppingState

# Few distinct values make plateaus and ties; the others are any; all signs.
NUMBERS = st.one_of(
    st.sampled_from([-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5]),
    st.floats(-3, 3),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
)
VALUES = st.one_of(NUMBERS, NUMBERS, st.sampled_from([nan, inf, -inf]))
MODES = st.sampled_from(["min", "max"])
DELTAS = st.one_of(st.just(0.0), st.sampled_from([0.1, 0.5, 1.0]), st.floats(0, 2))
ONE_THOUSAND = settings(max_examples=1000, deadline=None)


def run(rule: StoppingRule, trace: Sequence[float]) -> tuple[int | None, int | None]:
    """(index stopped at, index of the best), None where there is none."""
    state = StoppingState()
    for index, value in enumerate(trace):
        state, decision = rule.update(state, value)
        if decision.stop:
            return index, _best_index(state)
    return None, _best_index(state)


def _best_index(state: StoppingState) -> int | None:
    return None if state.best_at is None else state.best_at.check - 1


class KerasRule:
    """What Keras documents of its EarlyStopping callback (version 3), stated anew.

    Epochs before `start_from_epoch` do not exist for it. The first one after them sets the best
    and its weights. Later an epoch is better when it beats the best by more than min_delta. Each
    epoch adds one to the wait; a better one sets it back to nothing, if it beats the baseline too;
    one that is not better ends the training as soon as the wait has reached the patience.
    """

    def __init__(
        self, mode: str, min_delta: float, patience: int, baseline: float | None, start: int
    ) -> None:
        self.sign = 1.0 if mode == "max" else -1.0
        self.min_delta, self.patience = min_delta, patience
        self.baseline, self.start = baseline, start

    def beats(self, value: float, reference: float | None) -> bool:
        if reference is None:
            return True
        margin = value - self.sign * self.min_delta
        return margin > reference if self.sign > 0 else margin < reference

    def run(self, trace: Sequence[float]) -> tuple[int | None, int | None]:
        best: float | None = None
        best_epoch: int | None = None
        wait = 0
        for epoch, value in enumerate(trace):
            if epoch < self.start:
                continue
            wait += 1
            if self.beats(value, best):
                best, best_epoch = value, epoch
                if self.beats(value, self.baseline):
                    wait = 0
            elif wait >= self.patience:
                return epoch, best_epoch
        return None, best_epoch


def comparable_with_keras(trace: Sequence[float], mode: str, start: int) -> bool:
    """Keras lets NaN and infinite values become the best, which lrtool never does."""
    best_infinity = inf if mode == "max" else -inf
    judged = trace[start:]
    return best_infinity not in judged and (not judged or isfinite(judged[0]))


@ONE_THOUSAND
@given(
    trace=st.lists(VALUES, max_size=40),
    mode=MODES,
    min_delta=DELTAS,
    patience=st.integers(0, 6),
    baseline=st.one_of(st.none(), st.floats(-2, 2)),
    start=st.integers(0, 5),
)
@example([1.0, 0.5, 0.5, 0.5], "min", 0.0, 2, None, 0)
@example([1.0, 1.0, 0.2, 0.1], "min", 0.0, 2, 0.3, 0)
def test_stop_and_best_epoch_equal_keras(
    trace: list[float],
    mode: Any,
    min_delta: float,
    patience: int,
    baseline: float | None,
    start: int,
) -> None:
    if not comparable_with_keras(trace, mode, start):
        trace = [value for value in trace if isfinite(value)]
    rule = StoppingRule(
        mode=mode,
        min_delta=min_delta,
        patience=patience,
        baseline=baseline,
        start_from=start,
        check_finite=False,
    )
    assert run(rule, trace) == KerasRule(mode, min_delta, patience, baseline, start).run(trace)


def test_E10_nan_first_is_where_keras_differs() -> None:
    trace = [nan, 1.0, 0.5, 0.4, 0.3]
    assert KerasRule("min", 0.0, 2, None, 0).run(trace) == (2, 0)  # NaN is best for ever
    assert run(StoppingRule(patience=2, check_finite=False), trace) == (None, 4)


LIGHTNING_REASONS = {
    "NON_FINITE_METRIC": StoppingReason.NON_FINITE_METRIC,
    "STOPPING_THRESHOLD": StoppingReason.STOPPING_THRESHOLD,
    "DIVERGENCE_THRESHOLD": StoppingReason.DIVERGENCE_THRESHOLD,
    "PATIENCE_EXHAUSTED": StoppingReason.PATIENCE_EXHAUSTED,
}


@ONE_THOUSAND
@given(
    trace=st.lists(VALUES, max_size=40),
    mode=MODES,
    min_delta=DELTAS,
    patience=st.integers(0, 6),
    check_finite=st.booleans(),
    stopping_threshold=st.one_of(st.none(), st.floats(-2, 2)),
    divergence_threshold=st.one_of(st.none(), st.floats(-2, 2)),
)
def test_every_check_equals_lightnings_own_class(
    trace: list[float],
    mode: Any,
    min_delta: float,
    patience: int,
    check_finite: bool,
    stopping_threshold: float | None,
    divergence_threshold: float | None,
) -> None:
    arguments: dict[str, Any] = {
        "mode": mode,
        "min_delta": min_delta,
        "patience": patience,
        "check_finite": check_finite,
        "stopping_threshold": stopping_threshold,
        "divergence_threshold": divergence_threshold,
    }
    theirs = LightningEarlyStopping("metric", **arguments)
    # It starts from a float32 tensor; its comparisons are then made in the metric's own type.
    theirs.best_score = theirs.best_score.double()
    rule, state = StoppingRule(**arguments), StoppingState()
    for value in trace:
        if not check_finite and value == (inf if mode == "max" else -inf):
            continue  # Lightning takes it as the best
        stop, _ = theirs._evaluate_stopping_criteria(torch.tensor(value, dtype=torch.float64))
        state, decision = rule.update(state, value)
        assert decision.stop == stop
        if stop:
            assert decision.reason is LIGHTNING_REASONS[theirs.stopping_reason.name]
            return
        assert state.checks - state.since.check == theirs.wait_count
        best = float(theirs.best_score)
        assert state.best == best or (state.best is None and not isfinite(best))


@settings(max_examples=300, deadline=None)
@given(trace=st.lists(st.sampled_from([nan, 0.5, 1.0]), min_size=1, max_size=12), mode=MODES)
def test_E10_nan_is_never_the_best(trace: list[float], mode: Any) -> None:
    rule, state = StoppingRule(mode=mode, patience=100, check_finite=False), StoppingState()
    for value in trace:
        state, _ = rule.update(state, value)
    finite = [value for value in trace if not isnan(value)]
    pick = min if mode == "min" else max
    assert state.best == (pick(finite) if finite else None)


@settings(max_examples=300, deadline=None)
@given(
    trace=st.lists(st.floats(-3, 3), min_size=1, max_size=30),
    min_delta=st.floats(0, 0.5),
    patience=st.integers(1, 5),
)
def test_relative_min_delta_keeps_the_lowest_and_stops_where_large_steps_end(
    trace: list[float], min_delta: float, patience: int
) -> None:
    """Stated anew: a list of large steps, each by a share of the one before; then the minimum."""
    steps = [0]
    for index, value in enumerate(trace):
        last = trace[steps[-1]]
        if value < last - min_delta * abs(last) - 1e-12:
            steps.append(index)
        elif value < last - min_delta * abs(last) + 1e-12:
            return  # within rounding of the border
    ends = [*steps[1:], len(trace)]
    late = [
        start + patience for start, end in zip(steps, ends, strict=True) if start + patience < end
    ]
    seen = trace[: late[0] + 1] if late else trace
    rule = StoppingRule(min_delta=min_delta, min_delta_mode="rel", patience=patience)
    assert run(rule, trace) == (late[0] if late else None, seen.index(min(seen)))


MIRROR: tuple[tuple[Any, float], ...] = (("min", 1.0), ("max", -1.0))


@settings(max_examples=300, deadline=None)
@given(
    trace=st.lists(st.floats(-3, 3), max_size=30),
    min_delta=DELTAS,
    min_delta_mode=st.sampled_from(["abs", "rel"]),
    patience=st.integers(1, 5),
    smoothing=st.integers(1, 4),
)
def test_min_and_max_are_mirror_images(
    trace: list[float], min_delta: float, min_delta_mode: Any, patience: int, smoothing: int
) -> None:
    """Of the metric and its negative: holds for negative metrics, relative deltas, smoothing."""
    results = [
        run(
            StoppingRule(
                mode=mode,
                min_delta=min_delta,
                min_delta_mode=min_delta_mode,
                patience=patience,
                smoothing=smoothing,
            ),
            [sign * value for value in trace],
        )
        for mode, sign in MIRROR
    ]
    assert results[0] == results[1]


@pytest.mark.parametrize("cut", [0, 1, 3, 7])
def test_E5_a_saved_state_continues_as_if_never_saved(cut: int) -> None:
    trace = [1.0, 0.9, 0.95, 0.8, 0.85, 0.82, 0.9, 0.81, 0.7]
    rule = StoppingRule(patience=4, smoothing=2)
    straight = resumed = StoppingState()
    for index, value in enumerate(trace):
        straight, one = rule.update(straight, value)
        if index == cut:
            resumed = StoppingState.from_dict(resumed.to_dict())
        resumed, two = rule.update(resumed, value)
        assert (straight, one) == (resumed, two)
