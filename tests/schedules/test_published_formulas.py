"""Formulas of papers and of other libraries, written down again here, over random parameters."""

from math import ceil, cos, floor, pi, sqrt
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrtool import schedules
from lrtool.schedules import Schedule

RATE = st.floats(1e-4, 10.0)
STEPS = st.integers(20, 400)
OURS = settings(max_examples=60, deadline=None)


def near(value: float, scale: float) -> object:
    return pytest.approx(value, rel=1e-9, abs=1e-9 * scale)


@OURS
@given(lr=RATE, total=STEPS, cut_frac=st.floats(0.05, 0.9), ratio=st.floats(1.0, 64.0))
def test_slanted_triangular_of_ulmfit(lr: float, total: int, cut_frac: float, ratio: float) -> None:
    """Howard & Ruder 2018, eq. (3), where cut_frac * T is whole."""
    cut = floor(total * cut_frac)
    exact_frac = cut / total
    schedule = schedules.slanted_triangular(lr, total, cut_frac=cut_frac, ratio=ratio)
    for t in range(total):
        p = t / cut if t < cut else 1 - (t - cut) / (cut * (1 / exact_frac - 1))
        assert schedule(t) == near(lr * (1 + p * (ratio - 1)) / ratio, lr)


@OURS
@given(lr=RATE, total=STEPS)
def test_rex(lr: float, total: int) -> None:
    """Chen et al. 2021: eta_0 (1 - t/T) / (1/2 + 1/2 (1 - t/T))."""
    schedule = schedules.rex(lr, total)
    for t in range(total + 1):
        z = 1 - t / total
        assert schedule(t) == near(lr * z / (0.5 + 0.5 * z), lr)
        assert schedule(t) >= schedules.linear(lr, total)(t) - 1e-12 * lr


@OURS
@given(
    lr=RATE,
    total=STEPS,
    warm=st.floats(0, 0.4),
    cool=st.floats(0, 0.5),
    shape=st.sampled_from(["linear", "cosine", "1-sqrt"]),
    low=st.floats(0, 0.5),
)
def test_warmup_stable_decay_of_transformers(
    lr: float, total: int, warm: float, cool: float, shape: Any, low: float
) -> None:
    """A factor of (1 - m) * f(progress) + m in the decay, m the least factor."""
    schedule = schedules.wsd(
        lr,
        total,
        warmup_frac=warm,
        cooldown_frac=cool,
        cooldown=shape,
        end_lr=lr * low,
    )
    num_warm, num_decay = round(warm * total), round(cool * total)
    stable = total - num_decay
    for step in range(total + 5):
        if step < num_warm:
            factor = step / max(1, num_warm)
        elif step <= stable and step < total:
            factor = 1.0
        elif step < total:
            progress = (step - stable) / num_decay
            shapes = {
                "linear": 1 - progress,
                "cosine": 0.5 * (1 + cos(pi * progress)),
                "1-sqrt": 1 - sqrt(progress),
            }
            factor = (1 - low) * shapes[shape] + low
        else:
            factor = low
        assert schedule(step) == near(lr * factor, lr)


@OURS
@given(lr=RATE, warm=st.integers(1, 50))
def test_inverse_sqrt_of_transformers_and_of_the_paper(lr: float, warm: int) -> None:
    """Warm-up over W steps, then lr * sqrt(W / step): Vaswani et al. 2017, section 5.3."""
    schedule = schedules.warmup(schedules.inverse_sqrt(lr, timescale=warm), warm, start_factor=0.0)
    for step in range(400):
        expected = lr * step / warm if step < warm else lr * sqrt(warm / step)
        assert schedule(step) == near(expected, lr)


@OURS
@given(lr=RATE)
def test_inverse_sqrt_of_time(lr: float) -> None:
    """eta / sqrt(t), t = 1, 2, ..."""
    schedule = schedules.inverse_sqrt(lr)
    assert [schedule(t - 1) for t in range(1, 50)] == [near(lr / sqrt(t), lr) for t in range(1, 50)]


@OURS
@given(lr=RATE, decay=st.integers(1, 100), rate=st.floats(0.0, 3.0))
def test_inverse_time_of_keras(lr: float, decay: int, rate: float) -> None:
    schedule = schedules.inverse_time(lr, decay_steps=decay, decay_rate=rate)
    for step in range(200):
        assert schedule(step) == near(lr / (1 + rate * step / decay), lr)


@OURS
@given(peak=RATE, start=st.floats(0, 1), warm=st.integers(1, 50), decay=STEPS)
def test_warmup_cosine_of_optax(peak: float, start: float, warm: int, decay: int) -> None:
    """Linear init -> peak over W steps, then a cosine over decay_steps - W (which include W)."""
    total = warm + decay
    schedule = schedules.warmup(schedules.cosine(peak, decay), warm, start_factor=start)
    for step in range(total + 10):
        if step < warm:
            expected = peak * start + (peak - peak * start) * step / warm
        else:
            count = min(step - warm, decay)
            expected = peak * 0.5 * (1 + cos(pi * count / decay))
        assert schedule(step) == near(expected, peak)


@OURS
@given(peak=RATE, total=STEPS, div=st.floats(2, 50), final=st.floats(2, 1e4))
def test_linear_one_cycle_of_optax(peak: float, total: int, div: float, final: float) -> None:
    """Piecewise linear through (0, peak/div), (.3 T, peak), (.85 T, peak/div), (T, end)."""
    low, end = peak / div, peak / div / final
    up, down = int(0.3 * total), int(0.85 * total)
    schedule = schedules.join(
        [
            schedules.linear(low, up, end_lr=peak),
            schedules.linear(peak, down - up, end_lr=low),
            schedules.linear(low, total - down, end_lr=end),
        ],
        [up, down],
    )
    for step in range(total + 5):
        if step < up:
            expected = low + (peak - low) * step / up
        elif step < down:
            expected = peak + (low - peak) * (step - up) / (down - up)
        else:
            expected = low + (end - low) * min(1, (step - down) / (total - down))
        assert schedule(step) == near(expected, peak)


@OURS
@given(
    peak=RATE,
    first=st.integers(2, 40),
    mul=st.sampled_from([1.0, 2.0, 3.0]),
    decay=st.floats(0.1, 1.0),
    low=st.floats(0, 0.05),
)
def test_cosine_restarts_of_timm(
    peak: float, first: int, mul: float, decay: float, low: float
) -> None:
    """cycle_mul and cycle_decay: lr_min + (lr_max * decay**i - lr_min) (1 + cos(pi t/t_i)) / 2."""
    lr_min = peak * low
    schedule = schedules.sgdr(peak, first, mul, eta_min=lr_min, decay=decay)
    index, begin, length = 0, 0, first
    for step in range(300):
        if step - begin >= length:
            index, begin, length = index + 1, begin + length, round(length * mul)
        lr_max = max(peak * decay**index, lr_min)
        expected = lr_min + 0.5 * (lr_max - lr_min) * (1 + cos(pi * (step - begin) / length))
        assert schedule(step) == near(expected, peak)


@OURS
@given(
    high=RATE, low=st.floats(0.0, 0.9), up=st.integers(1, 30), mode=st.integers(0, 2),
    gamma=st.floats(0.9, 1.0),
)  # fmt: skip
def test_triangles_of_smith(high: float, low: float, up: int, mode: int, gamma: float) -> None:
    """cycle = floor(1 + t / 2s), x = |t/s - 2 cycle + 1|, base + (max - base) max(0, 1 - x) c."""
    base = low * high
    made: list[Schedule] = [
        schedules.triangular(high, base, up),
        schedules.triangular2(high, base, up),
        schedules.exp_range(high, base, up, gamma=gamma),
    ]
    for t in range(150):
        cycle = floor(1 + t / (2 * up))
        x = abs(t / up - 2 * cycle + 1)
        factor = [1.0, 1 / 2 ** (cycle - 1), gamma**t][mode]
        expected = base + (high - base) * max(0.0, 1 - x) * factor
        assert made[mode](t) == near(expected, high)


@OURS
@given(total=STEPS, low=st.floats(0.5, 0.9), high=st.floats(0.9, 0.99))
def test_momentum_that_starts_small(total: int, low: float, high: float) -> None:
    schedule = schedules.linear(low, total, end_lr=high)
    values = [schedule(k) for k in range(total + 1)]
    assert values[0] == low
    assert values[-1] == high
    assert values == sorted(values)


@OURS
@given(total=st.integers(4, 500), cycles=st.sampled_from(["triangular", "triangular2"]))
def test_left_alone_four_triangles_fill_the_run(total: int, cycles: str) -> None:
    schedule = schedules.recipe(cycles).build(
        schedules.Horizon(total_steps=total, min_lr=0.1, max_lr=1.0)
    )
    assert schedule.period == max(2, ceil(total / 4))
    assert schedule.cycle(total - 1).index <= 3
