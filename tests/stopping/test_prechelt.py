"""Prechelt's criteria against the paper's formulas, evaluated directly over whole traces."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrtool.errors import ArgumentError
from lrtool.stopping import (
    Criterion,
    GeneralizationLoss,
    ProgressQuotient,
    StoppingReason,
    StoppingRule,
    StoppingState,
    UpStrips,
)

ERRORS = st.lists(st.floats(0.01, 10), min_size=1, max_size=40)


def run(criterion: Criterion, va: Sequence[float], tr: Sequence[float] | None = None) -> int | None:
    """The epoch, from 1, the training stops after."""
    rule, state = StoppingRule(criterion=criterion), StoppingState()
    for epoch, value in enumerate(va, start=1):
        train = None if tr is None else tr[epoch - 1]
        state, decision = rule.update(state, value, train=train)
        # An epoch with the lowest error so far cannot be the one to stop after: GL is 0 there.
        if decision.stop:
            assert decision.reason is criterion.reason
            return epoch
    return None


def gl(va: Sequence[float], t: int) -> float:
    return 100 * (va[t - 1] / min(va[:t]) - 1)


def progress(tr: Sequence[float], t: int, k: int) -> float:
    strip = tr[t - k : t]
    return 1000 * (sum(strip) / (k * min(strip)) - 1)


@settings(max_examples=500, deadline=None)
@given(va=ERRORS, alpha=st.sampled_from([1.0, 2.0, 3.0, 5.0]))
def test_gl_is_the_papers(va: list[float], alpha: float) -> None:
    expected = next((t for t in range(1, len(va) + 1) if gl(va, t) > alpha), None)
    assert run(GeneralizationLoss(alpha), va) == expected


@settings(max_examples=500, deadline=None)
@given(data=st.data(), va=ERRORS, alpha=st.sampled_from([0.5, 0.75, 1.0, 2.0, 3.0]))
def test_pq_is_the_papers(data: st.DataObject, va: list[float], alpha: float) -> None:
    tr = data.draw(st.lists(st.floats(0.01, 10), min_size=len(va), max_size=len(va)))
    k = data.draw(st.integers(2, 6))
    ends = range(k, len(va) + 1, k)
    expected = None
    for t in ends:
        quotient = progress(tr, t, k)
        if (quotient > 0 and gl(va, t) / quotient > alpha) or (quotient == 0 and gl(va, t) > 0):
            expected = t
            break
    assert run(ProgressQuotient(alpha, strip=k), va, tr) == expected


@settings(max_examples=500, deadline=None)
@given(va=ERRORS, strips=st.integers(1, 4), k=st.integers(1, 6))
def test_up_is_the_papers(va: list[float], strips: int, k: int) -> None:
    def stops(s: int, t: int) -> bool:
        if t - k < 1 or va[t - 1] <= va[t - k - 1]:
            return False
        return s == 1 or stops(s - 1, t - k)

    expected = next((t for t in range(k, len(va) + 1, k) if stops(strips, t)), None)
    assert run(UpStrips(strips, strip=k), va) == expected


def test_the_sentence_has_the_numbers() -> None:
    rule, state = StoppingRule(criterion=GeneralizationLoss(2.0), name="err"), StoppingState()
    for value in (1.0, 1.03):
        state, decision = rule.update(state, value)
    assert decision.reason is StoppingReason.GENERALIZATION_LOSS
    assert decision.message == (
        "err: the generalization loss is 3%, above alpha=2%; best 1 after 1 epochs (1 steps)"
    )


def test_ratios_refuse_a_metric_that_starts_negative() -> None:
    with pytest.raises(ArgumentError, match="ratio of errors"):
        run(GeneralizationLoss(), [-1.0])


def test_pq_asks_for_the_training_error() -> None:
    with pytest.raises(ArgumentError, match="PQ needs it"):
        run(ProgressQuotient(), [1.0])


@pytest.mark.parametrize("build", [lambda: GeneralizationLoss(0.0), lambda: UpStrips(0)])
def test_bad_sizes_are_refused(build: object) -> None:
    with pytest.raises(ArgumentError):
        build()  # type: ignore[operator]


@pytest.mark.parametrize(("value", "stops"), [(1.5, False), (1.75, True)])
def test_gl_stops_above_alpha_and_not_at_it(value: float, stops: bool) -> None:
    rule = GeneralizationLoss(alpha=50)
    memory = rule.absorb(rule.absorb((), 1.0, None), value, None)
    assert (rule.exceeded(memory) is not None) is stops
