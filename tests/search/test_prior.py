from math import exp, inf, log10

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrtool.errors import ArgumentError, FileFormatError
from lrtool.search.design import design_point
from lrtool.search.prior import CategoricalPrior, LogNormal, LogUniform, Prior, prior_from_dict

PRIORS = [
    Prior(low=-2.0, high=3.0),
    Prior(low=-2.0, high=3.0, center=0.5, scale=0.3),
    Prior(low=1e-5, high=10.0, center=1e-3, scale=0.4, log=True),
    Prior(low=-1.0, high=1.0, center=-5.0, scale=0.2, uniform=0.0),
]


@pytest.mark.parametrize("prior", PRIORS)
def test_density_integrates_to_one(prior: Prior) -> None:
    x = np.linspace(prior.x(prior.low), prior.x(prior.high), 20_001)
    density = np.exp([prior.log_density(prior.value(float(v))) for v in x])
    assert np.trapezoid(density, x) == pytest.approx(1, rel=2e-3)


@pytest.mark.parametrize("prior", PRIORS)
@given(q=st.floats(0.001, 0.999))
def test_quantile_inverts_cdf(prior: Prior, q: float) -> None:
    value = prior.quantile(q)
    assert prior.low <= value <= prior.high
    assert prior.cdf(value) == pytest.approx(q, abs=1e-6)


def test_density_against_students_t() -> None:
    """An independent oracle: scipy's t, mixed with the uniform share, far from the bounds."""
    stats = pytest.importorskip("scipy.stats", reason="scipy is not installed")
    prior = Prior(low=-50.0, high=50.0, center=1.0, scale=0.5, df=3.0, uniform=0.2)
    for x in (-3.0, 0.5, 1.0, 4.0):
        expected = 0.8 * stats.t.pdf(x, 3, 1.0, 0.5) + 0.2 / 100
        assert exp(prior.log_density(x)) == pytest.approx(expected, rel=2e-2)


def test_widened_is_flatter_at_the_centre_and_heavier_far_out() -> None:
    prior = Prior(low=-3.0, high=3.0, center=0.0, scale=0.2)
    wide = prior.widened(3.0)
    assert wide.log_density(0.0) < prior.log_density(0.0)
    assert wide.log_density(2.0) > prior.log_density(2.0)


def test_uniform_share_keeps_everything_possible() -> None:
    prior = Prior(low=-3.0, high=3.0, center=0.0, scale=0.01, uniform=0.15)
    assert exp(prior.log_density(2.9)) >= 0.15 / 6
    assert prior.log_density(3.1) == -inf


@pytest.mark.parametrize("prior", [*PRIORS, CategoricalPrior(("a", "b"), (1, 3))])
def test_round_trip(prior: Prior | CategoricalPrior) -> None:
    assert prior_from_dict(prior.to_dict()) == prior


def test_categorical_quantiles_follow_the_weights() -> None:
    prior = CategoricalPrior((1, 2, 4), (0.5, 0.3, 0.2))
    drawn = [prior.quantile(q) for q in np.linspace(0.0005, 0.9995, 1000)]
    assert [drawn.count(choice) for choice in (1, 2, 4)] == [500, 300, 200]


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (lambda: Prior(low=2.0, high=1.0), "low=2.0, high=1.0; did you swap them"),
        (lambda: Prior(low=float("nan"), high=1.0), "low=nan"),
        (lambda: Prior(low=0.0, high=1.0, log=True), "0 < low < high"),
        (lambda: Prior(low=0.0, high=1.0, scale=0.0), "scale > 0 must hold, got scale=0.0"),
        (lambda: Prior(low=0.0, high=1.0, uniform=1.5), "uniform=1.5"),
        (lambda: LogNormal(-1e-3), "median=-0.001"),
        (lambda: LogNormal(1e-3, factor=1.0), "factor=1.0"),
        (lambda: LogUniform(1.0, 0.1), "low=1.0, high=0.1"),
        (lambda: CategoricalPrior(()), "at least one choice"),
        (lambda: CategoricalPrior(("a", "b"), (1.0,)), "one weight above zero"),
    ],
)
def test_refuses(bad: object, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        bad()  # type: ignore[operator]


def test_refuses_what_is_no_prior() -> None:
    with pytest.raises(FileFormatError, match="'gauss'"):
        prior_from_dict({"kind": "gauss"})


def test_design_is_stratified_and_needs_no_history() -> None:
    points = np.stack([design_point(i, 3, seed=5) for i in range(16)])
    for column in points.T:  # one point in each sixteenth
        assert sorted((column * 16).astype(int)) == list(range(16))
    assert np.array_equal(design_point(11, 3, seed=5), points[11])
    assert not np.array_equal(design_point(11, 3, seed=6), points[11])


def test_log_prior_is_in_decades() -> None:
    prior = Prior(low=1e-5, high=10.0, center=1e-3, scale=0.4, log=True, uniform=0.0)
    assert prior.z(1e-2) == pytest.approx(1 / 0.4)
    assert prior.x(1e-2) == log10(1e-2)
