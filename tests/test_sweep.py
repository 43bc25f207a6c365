"""The ladder and the sweep's state machine, against closed forms and noise."""

from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrtool.curve import LossCurve
from lrtool.errors import ArgumentError
from lrtool.sweep import Rung, Sweep, SweepConfig, lr_ladder
from lrtool.types import StopReason

rates = st.floats(1e-9, 1e2)


def run(config: SweepConfig, loss: Callable[[Rung], float]) -> LossCurve:
    sweep = Sweep(config)
    while (rung := sweep.next()) is not None:
        sweep.update(loss(rung))
    return sweep.curve()


class Quadratic:
    """SGD on 0.5 * curvature * x^2: a step at lr multiplies x by (1 - lr * curvature)."""

    def __init__(self, curvature: float) -> None:
        self.curvature = curvature
        self.x = 1.0

    def __call__(self, rung: Rung) -> float:
        if rung.restart:
            self.x = 1.0
        loss = 0.5 * self.curvature * self.x**2
        self.x *= 1 - rung.lr * self.curvature
        return loss


@given(low=rates, factor=st.floats(1.01, 1e9), n=st.integers(2, 500))
def test_the_ladder_has_exact_ends_and_a_constant_ratio(low: float, factor: float, n: int) -> None:
    ladder = lr_ladder(low, low * factor, n)
    assert len(ladder) == n
    assert (ladder[0], ladder[-1]) == (low, low * factor)
    np.testing.assert_allclose(ladder[1:] / ladder[:-1], factor ** (1 / (n - 1)), rtol=1e-9)


@pytest.mark.parametrize(
    ("low", "high"), [(1.0, 1e-8), (0.0, 1.0), (-1.0, 1.0), (np.nan, 1.0), (1e-3, np.inf)]
)
def test_bad_bounds_are_refused_with_rule_and_value(low: float, high: float) -> None:
    with pytest.raises(ArgumentError, match="min_lr"):
        lr_ladder(low, high, 10)
    with pytest.raises(ArgumentError, match="_lr"):
        SweepConfig(min_lr=low, max_lr=high)


@pytest.mark.parametrize("field", ["num_steps", "max_steps", "repeats"])
@pytest.mark.parametrize("value", [0, -1, float("nan")])
def test_bad_counts_are_refused(field: str, value: float) -> None:
    with pytest.raises(ArgumentError, match=field):
        SweepConfig(**{field: value})  # type: ignore[arg-type]


@given(low=rates, factor=st.floats(1.1, 1e6), n=st.integers(2, 120), seed=st.integers(0, 9))
def test_given_both_ends_exactly_that_range_in_exactly_that_many_steps(
    low: float, factor: float, n: int, seed: int
) -> None:
    noise = np.random.default_rng(seed).standard_normal(n)
    config = SweepConfig(min_lr=low, max_lr=low * factor, num_steps=n)
    curve = run(config, lambda rung: float(noise[rung.index]))
    assert np.array_equal(curve.lr, lr_ladder(low, low * factor, n))
    assert np.array_equal(curve.loss, noise)
    assert curve.stop_reason is StopReason.COMPLETED


@given(curvature=st.floats(1e-2, 1e2))
@settings(max_examples=30)
def test_every_loss_of_sgd_on_a_quadratic_is_the_closed_form(curvature: float) -> None:
    config = SweepConfig(min_lr=1e-4 / curvature, max_lr=1 / curvature, num_steps=80)
    curve = run(config, Quadratic(curvature))
    factors = np.concatenate([[1.0], np.cumprod(1 - curve.lr[:-1] * curvature)])
    np.testing.assert_allclose(curve.loss, 0.5 * curvature * factors**2, rtol=1e-9)


# At the very rate 1 / curvature one step lands on the minimum and stays there: keep off it.
@given(
    curvature=st.floats(1e-2, 1e3).filter(
        lambda c: bool(np.all(np.abs(1 - c * lr_ladder(1e-6, 100, 100)) > 1e-3))
    )
)
@settings(max_examples=30, deadline=None)
def test_sgd_on_a_quadratic_diverges_just_past_two_over_the_curvature(curvature: float) -> None:
    curve = run(SweepConfig(), Quadratic(curvature))
    assert curve.stop_reason in {StopReason.DIVERGED, StopReason.NONFINITE}
    assert 2 / curvature < curve.lr.max() < 2 / curvature * 10**1.6


def test_the_sweep_goes_past_its_end_until_the_loss_diverges() -> None:
    curve = run(SweepConfig(), Quadratic(1e-4))  # diverges at 20,000, far past the default 100
    assert curve.stop_reason is StopReason.DIVERGED
    assert 2e4 < curve.lr.max() < 2e4 * 10**1.5


def test_the_sweep_starts_lower_when_its_first_rates_already_diverge() -> None:
    curve = run(SweepConfig(), Quadratic(1e10))  # diverges at 2e-10, far below the default start
    assert curve.lr.min() < 1e-10
    assert curve.stop_reason in {StopReason.DIVERGED, StopReason.NONFINITE}
    last = curve.passes == curve.passes.max()  # type: ignore[union-attr]
    assert curve.lr[last].max() < 1e-8


def test_a_given_end_is_never_passed() -> None:
    curve = run(SweepConfig(max_lr=0.1), Quadratic(1e-4))
    assert curve.lr.max() == 0.1
    for curvature in (1e10, 1e3, 700.0, 1.0):
        curve = run(SweepConfig(min_lr=1e-3), Quadratic(curvature))
        assert curve.lr.min() == 1e-3
        curve = run(SweepConfig(max_lr=1e-3), Quadratic(curvature))
        assert curve.lr.max() <= 1e-3


@pytest.mark.parametrize("end", [50.0, 0.3, 7e-5])
def test_the_slow_pass_stays_within_a_given_end_to_the_last_bit(end: float) -> None:
    """10**log10(50) is 49.99999999999999."""
    low = run(SweepConfig(min_lr=end), Quadratic(0.3 / end))
    assert low.passes is not None
    assert low.passes.max() > 0
    assert low.lr.min() == end
    assert run(SweepConfig(max_lr=end), Quadratic(0.01 / end)).lr.max() == end


@given(seed=st.integers(0, 200), curvature=st.floats(1e-3, 1e3))
@settings(max_examples=40, deadline=None)
def test_never_more_than_max_steps_and_every_later_pass_restarts(
    seed: int, curvature: float
) -> None:
    random = np.random.default_rng(seed)
    quadratic, rungs = Quadratic(curvature), []

    def loss(rung: Rung) -> float:
        rungs.append(rung)
        return quadratic(rung) + 0.01 * curvature * random.standard_normal()

    curve = run(SweepConfig(), loss)
    assert len(curve) <= 300
    assert [r.index for r in rungs] == list(range(len(rungs)))
    assert [r.lr for r in rungs] == curve.lr.tolist()
    assert not rungs[0].restart
    assert all(b.restart == (b.pass_index != a.pass_index) for a, b in pairwise(rungs))


def test_A5_a_completed_sweep_says_so_and_an_interrupted_one_too() -> None:
    config = SweepConfig(min_lr=1e-5, max_lr=1e-2, num_steps=40)
    assert run(config, lambda rung: 1.0).stop_reason is StopReason.COMPLETED
    sweep = Sweep(config)
    for _ in range(7):
        assert sweep.next() is not None
        sweep.update(1.0)
    sweep.interrupt()
    assert sweep.next() is None
    assert sweep.curve().stop_reason is StopReason.INTERRUPTED
    assert len(sweep.curve()) == 7


def noises() -> Iterator[Callable[[np.random.Generator, int], np.ndarray]]:
    yield lambda r, n: r.standard_normal(n)
    yield lambda r, n: r.lognormal(0.0, 0.7, n)
    yield lambda r, n: r.exponential(1.0, n)
    yield lambda r, n: r.standard_t(3, n)


@pytest.mark.parametrize("noise", list(noises()))
def test_A7_a_flat_noisy_start_never_counts_as_divergence(
    noise: Callable[[np.random.Generator, int], np.ndarray],
) -> None:
    config = SweepConfig(min_lr=1e-8, max_lr=1.0, num_steps=100)
    for seed in range(150):
        losses = noise(np.random.default_rng(seed), 100)
        curve = run(config, lambda rung, losses=losses: float(losses[rung.index]))  # type: ignore[misc]
        assert curve.stop_reason is StopReason.COMPLETED, seed


@pytest.mark.parametrize("early_stop", [None, False])
def test_A7_without_early_stop_every_step_is_taken(early_stop: bool | None) -> None:
    config = SweepConfig(min_lr=1e-3, max_lr=10.0, num_steps=60, early_stop=early_stop)
    assert len(run(config, Quadratic(10.0))) == 60
    config = SweepConfig(min_lr=1e-3, max_lr=10.0, num_steps=60)
    assert len(run(config, Quadratic(10.0))) < 60
    config = SweepConfig(num_steps=60, max_steps=60, early_stop=early_stop)
    assert np.array_equal(run(config, Quadratic(1.0)).lr, lr_ladder(1e-6, 100, 60))


@pytest.mark.parametrize("shift", [0.0, -100.0, 1e4])
@pytest.mark.parametrize("scale", [1.0, 2.0**-20, 2.0**20])
def test_A8_divergence_ignores_the_offset_and_scale_of_the_loss(shift: float, scale: float) -> None:
    def losses(shift: float, scale: float) -> LossCurve:
        random, quadratic = np.random.default_rng(0), Quadratic(1.0)
        return run(
            SweepConfig(),
            lambda rung: scale * (quadratic(rung) + 0.01 * random.standard_normal() + shift),
        )

    reference, moved = losses(0.0, 1.0), losses(shift, scale)
    assert np.array_equal(reference.lr, moved.lr)
    assert moved.stop_reason is reference.stop_reason is StopReason.DIVERGED


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_A9_the_first_nonfinite_loss_ends_the_pass_aligned_with_its_rate(bad: float) -> None:
    config = SweepConfig(min_lr=1e-3, max_lr=1.0, num_steps=50)
    curve = run(config, lambda rung: bad if rung.index == 20 else 1.0)
    assert curve.stop_reason is StopReason.NONFINITE
    assert len(curve) == 21
    assert not np.isfinite(curve.loss[-1])
    assert np.isfinite(curve.loss[:-1]).all()
    assert "nan" in curve.message or "inf" in curve.message


def test_A12_each_recorded_rate_is_the_one_handed_out() -> None:
    handed = []

    def loss(rung: Rung) -> float:
        handed.append(rung.lr)
        return 1.0

    curve = run(SweepConfig(), loss)
    assert curve.lr.tolist() == handed


def test_A13_the_same_losses_give_the_same_sweep() -> None:
    def sweep() -> LossCurve:
        random, quadratic = np.random.default_rng(4), Quadratic(3.0)
        return run(SweepConfig(), lambda rung: quadratic(rung) + 0.1 * random.standard_normal())

    assert sweep() == sweep()


class Basin:
    """A loss that falls while the rate is useful and blows up past it; restarts forget."""

    def __init__(self, seed: int, best: float = 1e-2, noise: float = 0.05) -> None:
        self.random = np.random.default_rng(seed)
        self.best, self.noise, self.progress = best, noise, 0.0

    def __call__(self, rung: Rung) -> float:
        if rung.restart:
            self.progress = 0.0
        loss = 2.3 * np.exp(-self.progress) + self.noise * self.random.standard_normal()
        self.progress += 0.1 * rung.lr / self.best * (1 - rung.lr / (4 * self.best))
        return float(loss)


@pytest.mark.parametrize("seed", range(5))
def test_the_slow_pass_spans_the_descent_with_several_times_the_resolution(seed: int) -> None:
    curve = run(SweepConfig(), Basin(seed))
    assert curve.passes is not None
    slow, wide = curve.lr[curve.passes == 1], curve.lr[curve.passes == 0]
    assert slow.min() < 1e-3 < 4e-2 < slow.max()
    assert np.log10(slow[1] / slow[0]) < np.log10(wide[1] / wide[0]) / 2
    assert len(curve) <= 300


def test_the_slow_pass_stays_below_an_explosion_that_the_loss_came_back_from() -> None:
    """Rates above it leave a dead network, at a lower loss than the start's."""
    random = np.random.default_rng(0)

    def loss(rung: Rung) -> float:
        if rung.lr > 10:
            return 1e6
        if rung.lr > 1:
            return 0.5
        if rung.lr > 0.1:
            return 200.0 if rung.index % 2 else 1.0
        return 2.3 - 1.2 / (1 + (0.003 / rung.lr) ** 4) + 0.02 * random.standard_normal()

    curve = run(SweepConfig(), loss)
    assert curve.passes is not None
    slow = curve.lr[curve.passes == 1]
    assert slow.min() < 0.001
    assert 0.03 < slow.max() < 1


def test_repeats_of_an_adaptive_sweep_repeat_its_slow_pass() -> None:
    sweep, basin = Sweep(SweepConfig(repeats=3)), Basin(0)
    assert sweep.num_steps == 900
    while (rung := sweep.next()) is not None:
        sweep.update(basin(rung))
    curve = sweep.curve()
    assert curve.passes is not None
    starts = [float(curve.lr[curve.passes == k][0]) for k in np.unique(curve.passes)]
    assert len(starts) >= 4
    assert len(set(starts[1:])) == 1
    assert sweep.num_steps == len(curve) <= 900


def test_repeats_walk_one_range_again_from_the_start() -> None:
    config = SweepConfig(min_lr=1e-3, max_lr=0.1, num_steps=20, repeats=3)
    sweep, restarts = Sweep(config), []
    assert sweep.num_steps == 60
    while (rung := sweep.next()) is not None:
        restarts.append(rung.restart)
        sweep.update(1.0)
    curve = sweep.curve()
    assert np.array_equal(curve.lr, np.tile(lr_ladder(1e-3, 0.1, 20), 3))
    assert np.flatnonzero(restarts).tolist() == [20, 40]
