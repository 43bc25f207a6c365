"""The local line: exact where it must be, and equal to the dense formula where it approximates."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrtool.curve import FloatArray
from lrtool.errors import ArgumentError
from lrtool.smoothing import local_line, smooth


def dense(lr: FloatArray, loss: FloatArray, width: float) -> FloatArray:
    """The definition, weight by weight: a local least-squares line at every point."""
    x = np.log10(lr)
    out = np.empty(len(x))
    for i in range(len(x)):
        weight = np.exp(-0.5 * ((x - x[i]) / width) ** 2)
        design = np.stack([np.ones_like(x), x - x[i]], 1) * np.sqrt(weight)[:, None]
        out[i] = np.linalg.lstsq(design, loss * np.sqrt(weight), rcond=None)[0][0]
    return out


@given(level=st.floats(-1e6, 1e6), n=st.integers(1, 200))
def test_A2_a_constant_loss_smooths_to_itself(level: float, n: int) -> None:
    lr = np.geomspace(1e-8, 10, n) if n > 1 else np.array([0.1])
    assert np.array_equal(smooth(lr, np.full(n, level)), np.full(n, level))


@given(seed=st.integers(0, 1000), slope=st.floats(-100, 100), offset=st.floats(-1e3, 1e3))
def test_a_straight_line_is_unchanged(seed: int, slope: float, offset: float) -> None:
    x = np.random.default_rng(seed).uniform(-8, 1, 60)
    line = offset + slope * x
    scale = 1 + abs(offset) + 8 * abs(slope)
    np.testing.assert_allclose(smooth(10**x, line), line, atol=1e-9 * scale)


@given(seed=st.integers(0, 1000), width=st.floats(0.1, 1.0))
@settings(max_examples=30, deadline=None)
def test_it_is_the_local_least_squares_line(seed: int, width: float) -> None:
    random = np.random.default_rng(seed)
    lr = np.geomspace(1e-6, 10, 150)
    loss = 1 / (1 + (lr / 1e-2) ** 2) + 0.05 * random.standard_normal(150)
    # Weights are taken at distances rounded to a 24th of the width: far below the noise.
    np.testing.assert_allclose(smooth(lr, loss, width=width), dense(lr, loss, width), atol=0.01)


def test_there_is_no_lag() -> None:
    lr = np.geomspace(1e-8, 1, 101)
    loss = 1 / (1 + np.exp(np.log10(lr / 1e-4) / 0.3))
    half = 10 ** np.interp(-0.5, -smooth(lr, loss), np.log10(lr))
    assert abs(np.log10(half / 1e-4)) < 0.01


@given(seed=st.integers(0, 1000))
def test_the_order_of_the_points_does_not_matter(seed: int) -> None:
    random = np.random.default_rng(seed)
    lr, loss = np.geomspace(1e-6, 1, 50), random.standard_normal(50)
    order = random.permutation(50)
    np.testing.assert_allclose(smooth(lr, loss)[order], smooth(lr[order], loss[order]), atol=1e-12)


def test_nonfinite_losses_stay_out() -> None:
    lr = np.geomspace(1e-3, 1, 20)
    loss = np.full(20, 2.0)
    loss[[4, 19]] = np.nan, np.inf
    smoothed = smooth(lr, loss)
    assert np.isnan(smoothed[[4, 19]]).all()
    assert np.array_equal(np.delete(smoothed, [4, 19]), np.full(18, 2.0))
    assert np.isnan(smooth(lr, np.full(20, np.nan))).all()


@pytest.mark.parametrize("width", [0.0, -1.0, float("nan")])
def test_a_bad_width_is_refused(width: float) -> None:
    with pytest.raises(ArgumentError, match="width"):
        smooth(np.array([1.0]), np.array([1.0]), width=width)


def test_the_slope_of_a_line_is_exact_at_every_node() -> None:
    x = np.linspace(-5, 1, 77)
    fitted = local_line(x, 3 - 2 * x, width=0.25)
    np.testing.assert_allclose(fitted.slope, -2, rtol=1e-9)
    np.testing.assert_allclose(fitted.value, 3 - 2 * fitted.x, rtol=1e-9)


def test_the_cost_grows_linearly() -> None:
    def seconds(n: int) -> float:
        lr, loss = np.geomspace(1e-8, 1, n), np.random.default_rng(0).standard_normal(n)
        times = []
        for _ in range(7):
            start = time.perf_counter()
            smooth(lr, loss)
            times.append(time.perf_counter() - start)
        return min(times)

    assert seconds(40_000) < 40 * seconds(1_000)  # a dense kernel: 1,600 times


@pytest.mark.parametrize("apart", [0.0, 1e-12, 1e-9, 1e-6])
def test_rates_that_are_all_but_equal_have_a_value_and_no_slope(apart: float) -> None:
    loss = np.random.default_rng(0).standard_normal(20)
    lr: FloatArray = 0.1 * (1 + apart * np.arange(20, dtype=np.float64))
    np.testing.assert_allclose(smooth(lr, loss), np.full(20, loss.mean()), atol=1e-12)
