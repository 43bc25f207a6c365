"""Warm restarts are exact at any step, for any factor."""

from fractions import Fraction
from math import cos, pi

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrtool.errors import ArgumentError
from lrtool.schedules import Cycle, cosine, join, multi_step, product, recipe, sgdr, warmup
from lrtool.schedules.recipe import Horizon

FACTORS = [1, 2, 3, 10, 1.5, 0.5]


def exact_starts(first: int, factor: float, until: int, most: int = 100_000) -> list[int]:
    """The starts s_i of the docstring, by adding up exact fractions one by one."""
    ratio = Fraction(str(factor))
    starts, exact, length = [0], Fraction(0), Fraction(first)
    while len(starts) < most and starts[-1] <= until:
        if ratio < 1 and length * ratio < 2:
            break
        exact += length
        length *= ratio
        starts.append(int(exact + Fraction(1, 2)))
    return starts


@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize("first", [1, 7, 10, 1000])
def test_D8_peaks_at_every_restart_and_comes_down_before_it(first: int, factor: float) -> None:
    schedule = sgdr(max_lr=0.3, T_0=first, T_mult=factor, eta_min=0.01)
    starts = exact_starts(first, factor, 10**12, most=2000)
    for index, start in enumerate(starts):
        cycle = schedule.cycle(start)
        assert (cycle.index, cycle.start) == (index, start)
        assert schedule(start) == 0.3
        if start > 0:
            assert schedule.cycle(start - 1) == Cycle(
                index - 1, starts[index - 1], starts[index - 1], start
            )
        if start > 10:
            assert schedule(start - 1) < 0.3 or start - 1 in starts


@pytest.mark.parametrize("factor", [1, 2, 3, 10, 1.5, 1.1])
@settings(max_examples=50, deadline=None)
@given(first=st.integers(1, 1000), step=st.integers(0, 10**12))
def test_D8_any_step_is_a_closed_form(factor: float, first: int, step: int) -> None:
    schedule = sgdr(max_lr=0.3, T_0=first, T_mult=factor)
    if factor == 1:
        start, end = step - step % first, step - step % first + first
    else:
        starts = exact_starts(first, factor, step)
        start, end = starts[-2], starts[-1]
    expected = 0.3 * (1 + cos(pi * (step - start) / (end - start))) / 2
    assert schedule(step) == pytest.approx(expected, rel=1e-12, abs=1e-15)


def test_D17_shrinking_cycles_end_when_nothing_is_left_of_them() -> None:
    schedule = sgdr(max_lr=0.3, T_0=16, T_mult=0.5, eta_min=0.01)
    assert [schedule.cycle(k).start for k in (0, 16, 24, 28)] == [0, 16, 24, 28]
    assert schedule.length == 30
    assert schedule(29) == pytest.approx(0.155)
    assert schedule(30) == schedule(10**12) == 0.01


def test_D17_fractional_factors_and_wrong_ones() -> None:
    schedule = sgdr(max_lr=0.3, T_0=10, T_mult=1.5)
    assert [schedule.cycle(k).start for k in (0, 10, 25, 48, 81)] == [0, 10, 25, 48, 81]
    for wrong in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ArgumentError, match="0 < T_mult < inf"):
            sgdr(max_lr=0.3, T_0=10, T_mult=wrong)


@pytest.mark.parametrize("factor", [1.0, 2.0, 0.5])
def test_peaks_decay_and_each_cycle_warms_up(factor: float) -> None:
    schedule = sgdr(max_lr=0.8, T_0=20, T_mult=factor, eta_min=0.1, decay=0.5, warmup_steps=4)
    for index, start in enumerate(exact_starts(20, factor, 70)[:3]):
        peak = max(0.8 * 0.5**index, 0.1)
        assert schedule.cycle(start).peak == start + 4
        rise = [schedule(start + t) for t in range(5)]
        assert rise == [pytest.approx(0.1 + (peak - 0.1) * t / 4) for t in range(5)]


def test_D9_warm_up_then_restarts_times_steps_is_continuous_at_the_join() -> None:
    """torch's chain of warm restarts and MultiStepLR gives 1, .1, .1, .1, .9998."""
    waves = sgdr(max_lr=0.5, T_0=100, T_mult=2)
    schedule = warmup(product([waves, multi_step(1.0, [100], gamma=0.1)]), warmup_steps=50)
    assert schedule(50) == 0.5
    assert abs(schedule(50) - schedule(49)) < 0.011
    assert schedule(149) == pytest.approx(waves(99))
    assert schedule(150) == pytest.approx(0.05)
    assert [schedule(50 + k) for k in range(500)] == [
        waves(k) * (1.0 if k < 100 else 0.1) for k in range(500)
    ]


def test_D9_sequences_keep_each_part_whole() -> None:
    one, two = cosine(0.5, 100, eta_min=0.25), cosine(0.25, 50)
    schedule = join([one, two], [100])
    assert schedule(99) == one(99)
    assert schedule(100) == two(0) == one(100)
    assert schedule(120) == two(20)


@given(total=st.integers(1, 10**6))
@settings(deadline=None)
def test_left_alone_three_cycles_fill_the_run(total: int) -> None:
    schedule = recipe("sgdr").build(Horizon(total_steps=total, max_lr=0.1))
    if total >= 14:
        assert schedule.cycle(total - 1).index == 2
        assert schedule.cycle(total - 1).end == total
        assert 1.7 < schedule.T_mult < 2.4
