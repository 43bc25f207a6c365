"""The suggesters: known curves, invariances, noise, and honest refusals."""

import time
from dataclasses import replace
from math import inf

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lrtool.curve import FloatArray, LossCurve
from lrtool.errors import ArgumentError
from lrtool.suggest import SUGGESTERS, Suggestion, suggest
from lrtool.suggest.auto import HABITS, UNKNOWN
from lrtool.types import Status, StopReason
from support.curves import MINIMUM, STEEPEST, curve_with

NAMES = sorted(SUGGESTERS)


def decades(a: float, b: float) -> float:
    return abs(float(np.log10(a / b)))


def test_A1_steepest_is_the_slope_against_the_log_of_the_rate() -> None:
    assert decades(suggest(curve_with(), "steepest").lr, 10**STEEPEST) < 0.1


def test_A1_steepest_stays_within_a_third_of_a_decade_under_noise() -> None:
    picks = [suggest(curve_with(noise=0.05, seed=s), "steepest").lr for s in range(200)]
    errors = np.abs(np.log10(picks) - STEEPEST)
    assert np.quantile(errors, 0.95) < 0.3


def test_each_rule_finds_its_own_point_of_a_known_curve() -> None:
    curve = curve_with(300)
    assert decades(suggest(curve, "minimum").lr, 10 ** (MINIMUM - 1)) < 0.15
    # 40% of the fall: where the logistic is at 0.4, that is log(0.4 / 0.6) widths from its middle
    assert decades(suggest(curve, "drop").lr, 10 ** (STEEPEST + 0.3 * np.log(0.4 / 0.6))) < 0.1
    assert 10**STEEPEST < suggest(curve, "slide").lr < 10**MINIMUM
    assert 10**-6 < suggest(curve, "valley").lr < 10**MINIMUM


@pytest.mark.parametrize("name", NAMES)
@given(shift=st.floats(-1e3, 1e3), scale=st.floats(1e-3, 1e3), seed=st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_A8_the_pick_ignores_the_offset_and_scale_of_the_loss(
    name: str, shift: float, scale: float, seed: int
) -> None:
    curve = curve_with(noise=0.05, seed=seed)
    moved = LossCurve(curve.lr, shift + scale * curve.loss, curve.stop_reason)
    assert decades(suggest(curve, name).lr, suggest(moved, name).lr) < 0.03
    assert suggest(curve, name).status is suggest(moved, name).status


@pytest.mark.parametrize("name", [name for name in NAMES if name != "auto"])
@given(factor=st.floats(1e-4, 1e4), seed=st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_rates_times_k_give_a_pick_times_k(name: str, factor: float, seed: int) -> None:
    curve = curve_with(noise=0.05, seed=seed)
    moved = LossCurve(curve.lr * factor, curve.loss, curve.stop_reason)
    a, b = suggest(curve, name), suggest(moved, name)
    np.testing.assert_allclose(np.log10([b.lr, b.min_lr, b.max_lr]), np.log10(
        np.array([a.lr, a.min_lr, a.max_lr]) * factor), atol=0.03)  # fmt: skip


@given(factor=st.floats(1e-4, 1e4), seed=st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_without_a_known_optimizer_auto_scales_with_the_rates_too(factor: float, seed: int) -> None:
    curve = curve_with(noise=0.05, seed=seed)
    moved = LossCurve(curve.lr * factor, curve.loss, curve.stop_reason)
    assert decades(suggest(moved).lr, suggest(curve).lr * factor) < 0.03


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("where", [0, 3, 7, 9])
def test_A3_an_early_spike_moves_the_pick_by_less_than_a_fifth_of_a_decade(
    name: str, where: int
) -> None:
    curve = curve_with(noise=0.03)
    spiked = curve.loss.copy()
    spiked[where] *= 5
    pick = suggest(LossCurve(curve.lr, spiked, curve.stop_reason), name).lr
    assert decades(pick, suggest(curve, name).lr) < 0.2


@pytest.mark.parametrize("name", NAMES)
@given(seed=st.integers(0, 10_000), noise=st.floats(0, 0.5), n=st.integers(10, 200))
@settings(max_examples=40, deadline=None)
def test_A12_rates_are_ordered_and_within_the_sweep(
    name: str, seed: int, noise: float, n: int
) -> None:
    curve = curve_with(n, noise, seed)
    found = suggest(curve, name)
    if not found.has_pick:
        assert all(map(np.isnan, (found.lr, found.min_lr, found.max_lr, *found.interval)))
        return
    low, high = found.interval
    assert curve.lr.min() <= found.min_lr <= found.lr <= found.max_lr <= curve.lr.max()
    assert low <= found.lr <= high


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("n", [50, 100, 300])
def test_A14_pure_noise_gives_no_pick(name: str, n: int) -> None:
    lr = np.geomspace(1e-7, 10, n)
    found = []
    for seed in range(100):
        loss = 2.3 + 0.3 * np.random.default_rng(seed).standard_normal(n)
        found.append(suggest(LossCurve(lr, loss), name))
    assert sum(f.has_pick for f in found) <= 3
    assert all(f.status in {Status.NO_DESCENT, Status.NOISY} for f in found)


def test_A14_a_pick_is_never_read_after_the_minimum() -> None:
    x = np.linspace(-7, 0, 140)
    loss = np.where(x < -3, 2.0 - 0.2 * (x + 7), 1.2)  # a gentle descent to 1.2
    loss = np.where(x > -2, 60.0, loss) - np.where(x > -1, 57.0, 0)  # a wall, then a fall to 3
    for name in NAMES:
        assert suggest(LossCurve(10**x, loss, StopReason.DIVERGED), name).lr < 10**-1.9, name


def test_A4_no_pick_means_nan_rates_a_status_and_a_sentence_with_a_remedy() -> None:
    few = suggest(LossCurve(np.geomspace(1e-3, 1e-2, 4), np.ones(4)))
    assert few.status is Status.TOO_FEW_POINTS
    assert "more steps" in few.reason
    flat = suggest(LossCurve(np.geomspace(1e-3, 1e-2, 50), np.ones(50)))
    assert flat.status is Status.NO_DESCENT
    blown = suggest(LossCurve(np.geomspace(1, 10, 4), np.array([1, 9, 1e9, np.inf]),
                              StopReason.NONFINITE))  # fmt: skip
    assert blown.status is Status.DIVERGED_AT_START
    assert "lower" in blown.reason
    for found in (few, flat, blown):
        assert not found.has_pick
        assert np.isnan(found.lr)


@given(
    values=st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=1, max_size=40),
    stopped=st.sampled_from(list(StopReason)),
)
@example(values=[0.0] * 7 + [8.5e307, 0.0, 8.5e307], stopped=StopReason.DIVERGED)
@settings(max_examples=150, deadline=None)
def test_any_losses_at_all_give_a_suggestion_with_rates_in_order_or_none(
    values: list[float], stopped: StopReason
) -> None:
    curve = LossCurve(np.geomspace(1e-6, 1, len(values)), np.array(values), stopped)
    readers = [(name, None) for name in NAMES] + [("auto", optimizer) for optimizer in HABITS]
    for name, optimizer in readers:
        found = suggest(curve, name, optimizer=optimizer)
        assert found.reason
        if found.has_pick:
            assert 1e-6 <= found.min_lr <= found.lr <= found.max_lr <= 1
        else:
            assert np.isnan(found.lr)


@pytest.mark.parametrize("reason", StopReason)
def test_an_empty_curve_is_too_few_points(reason: StopReason) -> None:
    assert suggest(LossCurve(np.array([]), np.array([]), reason)).status is Status.TOO_FEW_POINTS


def test_a_descent_that_goes_on_to_the_end_is_never_diverged() -> None:
    curve = curve_with(high=STEEPEST + 0.2)
    found = suggest(LossCurve(curve.lr, curve.loss, StopReason.COMPLETED))
    assert found.status is Status.NEVER_DIVERGED
    assert found.has_pick


def test_a_clear_curve_is_clear_and_a_noisy_one_noisy() -> None:
    assert suggest(curve_with(noise=0.02)).status is Status.CLEAR
    statuses = [suggest(curve_with(noise=1.4, seed=s)).status for s in range(20)]
    assert statuses.count(Status.NOISY) + statuses.count(Status.NO_DESCENT) >= 15


def test_two_descents_are_bimodal_and_one_is_not() -> None:
    x = np.linspace(-7, 0.5, 300)
    first = 1 / (1 + np.exp(-(x + 4.5) / 0.15))
    second = 1 / (1 + np.exp(-(x + 2) / 0.15))
    loss = np.asarray(3 - first - second + 10 ** (2 * (x + 0.2)), dtype=np.float64)
    found = suggest(LossCurve(10**x, loss, StopReason.DIVERGED))
    assert found.status is Status.BIMODAL
    assert 10**-2.2 < found.lr < 10**-0.5
    assert suggest(curve_with(300)).status is Status.CLEAR


def test_when_nothing_falls_but_the_loss_diverges_the_pick_hangs_below_divergence() -> None:
    x = np.linspace(-3, 0.5, 200)
    noise = 0.02 * np.random.default_rng(0).standard_normal(200)
    loss = 2.3 + noise + 0.05 * 10 ** (4 * x)
    found = suggest(LossCurve(10**x, loss, StopReason.DIVERGED))
    assert found.status is Status.NOISY
    assert "diverged" in found.reason
    assert 10**-1.5 < found.lr < 10**-0.3
    assert not suggest(LossCurve(10**x, 2.3 + noise, StopReason.COMPLETED)).has_pick


def test_a_loss_that_grows_from_the_first_rate_on_gives_no_pick() -> None:
    lr = np.geomspace(1.0, 10.0, 40)
    loss = np.geomspace(2.0, 2.0 * 1.5**39, 40)
    found = suggest(LossCurve(lr, loss, StopReason.DIVERGED))
    assert found.status is Status.DIVERGED_AT_START
    assert "lower" in found.reason


def test_a_loss_that_is_nan_before_any_step_blames_the_data_and_no_rate() -> None:
    found = suggest(LossCurve(np.array([1e-6]), np.array([np.nan]), StopReason.NONFINITE))
    assert found.status is Status.DIVERGED_AT_START
    assert "before the first step" in found.reason
    assert "lower" not in found.reason


def test_the_usual_rate_of_an_optimizer_pulls_a_near_guess_and_leaves_a_far_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    near, far = curve_with(steepest=-1.5, high=0.5), curve_with(steepest=-5.5, high=-4, wall=1)
    monkeypatch.setitem(HABITS, "Unpulled", replace(HABITS["Adam"], spread=inf))
    assert suggest(near, optimizer="Adam").lr < 0.9 * suggest(near, optimizer="Unpulled").lr
    assert decades(suggest(far, optimizer="Adam").lr, suggest(far, optimizer="Unpulled").lr) < 0.1


def exploding(high: tuple[float, float], seed: int = 0) -> LossCurve:
    """A descent at 1e-3, losses of ten times the start between two rates, and then a dead network's
    constant loss up to divergence."""
    x = np.linspace(-6, 2, 400)
    loss = np.where(x < -1, 2.3 - 1.5 / (1 + np.exp(-(x + 3) / 0.2)), 0.5)
    loss = loss + 0.02 * np.random.default_rng(seed).standard_normal(len(x))
    loss[(x > high[0]) & (x < high[1])] = 20.0
    loss[x > 1.5] = 1e3
    return LossCurve(10**x, loss, StopReason.DIVERGED)


@pytest.mark.parametrize("name", NAMES)
def test_what_comes_back_after_an_explosion_is_not_read(name: str) -> None:
    with_it, until = exploding((-1.5, -0.5)), exploding((-1.5, 2.0))
    assert suggest(with_it, name).lr < 10**-1.5
    assert decades(suggest(with_it, name).lr, suggest(until, name).lr) < 0.05


def test_the_reason_says_that_what_came_back_is_left_out() -> None:
    found = suggest(exploding((-1.5, -0.5)))
    assert found.status is Status.CLEAR
    assert "came back" in found.reason
    assert "came back" not in suggest(exploding((-1.5, 2.0))).reason


def test_an_explosion_is_a_divergence_though_the_sweep_went_on() -> None:
    curve = exploding((-1.5, -0.5))
    completed = LossCurve(curve.lr, curve.loss, StopReason.COMPLETED)
    assert suggest(completed) == suggest(curve)


def test_a_spike_is_no_explosion() -> None:
    spike = exploding((-1.02, -0.98))  # two losses
    assert (spike.loss == 20).sum() == 2
    assert decades(suggest(spike, "minimum").lr, suggest(exploding((0, 0)), "minimum").lr) < 0.05


@pytest.mark.parametrize(("optimizer", "usual"), [("SGD", -1.5), ("AdamW", -2.1)])
@given(first=st.floats(-5.0, -4.2), second=st.floats(-5.0, -4.2), seed=st.integers(0, 99))
@settings(max_examples=20, deadline=None)
def test_in_a_flat_the_pick_is_the_usual_rate_wherever_the_flat_begins(
    optimizer: str, usual: float, first: float, second: float, seed: int
) -> None:
    def pick(start: float) -> float:
        curve = curve_with(300, 0.02, seed, high=1.5, steepest=start, wall=1 - start - 1.3)
        return suggest(curve, optimizer=optimizer).lr

    assert decades(pick(first), pick(second)) < 0.05
    assert decades(pick(first), 10**usual) < 0.2


def test_a_flat_that_ends_below_the_usual_rate_is_not_left() -> None:
    curve = curve_with(300, 0.02, low=-8, high=-2, steepest=-6, wall=2.5)  # up again at -2.9
    picks = [suggest(curve, optimizer=name).lr for name in ("SGD", "AdamW")]
    assert all(10**-6 < pick < 10**-3.5 for pick in picks)
    assert max(picks) > 3 * suggest(curve).lr


def plateau(noise: float, seed: int) -> LossCurve:
    """A loss that falls by 0.05 at 1e-4, rests, and explodes at 1."""
    x = np.linspace(-5.5, 0.3, 300)
    fall = 0.05 / (1 + np.exp(-(x + 4) / 0.2))
    noises = noise * np.random.default_rng(seed).standard_normal(300)
    loss = np.asarray(2.35 - fall + noises + 10 ** (6 * (x - 0.2)), dtype=np.float64)
    return LossCurve(10**x, loss, StopReason.DIVERGED)


@pytest.mark.parametrize("seed", range(5))
def test_a_descent_that_noise_hides_is_taken_for_a_plateau_by_plain_descent_only(seed: int) -> None:
    hidden = plateau(0.05, seed)
    low, high = 10**-1.5, 10**-0.3  # below divergence
    found = suggest(hidden, optimizer="SGD")
    assert low < found.lr < high
    assert found.status is Status.NOISY
    assert low < suggest(hidden).lr < high
    assert decades(suggest(hidden, optimizer="Adam").lr, 10 ** HABITS["Adam"].usual) < 0.3
    assert suggest(plateau(0.01, seed), optimizer="SGD").lr < low


@pytest.mark.parametrize("seed", range(5))
def test_a_descent_is_clear_only_well_above_the_noise_of_a_single_loss(seed: int) -> None:
    assert suggest(plateau(0.01, seed)).status is Status.CLEAR
    assert suggest(plateau(0.022, seed)).status is Status.NOISY


def test_the_usual_rate_is_no_cap_when_nothing_falls() -> None:
    def pick(edge: float, optimizer: str | None) -> float:
        x = np.linspace(edge - 3.5, edge, 200)
        noise = 0.02 * np.random.default_rng(0).standard_normal(200)
        loss = 2.3 + noise + 0.05 * 10 ** (4 * (x - edge + 0.5))
        return suggest(LossCurve(10**x, loss, StopReason.DIVERGED), optimizer=optimizer).lr

    assert pick(0.5, "Adam") < pick(0.5, None)
    assert 10 * 10 ** HABITS["Adagrad"].usual < pick(2.5, "Adagrad") < pick(2.5, None)


def test_the_peak_of_a_cycle_stays_near_where_the_basin_is_narrow() -> None:
    def reach(spread: float) -> float:
        x = np.linspace(-5, 1, 300)
        loss = np.asarray(3 - np.exp(-0.5 * ((x + 1.5) / spread) ** 2) + 10 ** (4 * (x - 0.2)))
        found = suggest(LossCurve(10**x, loss, StopReason.DIVERGED))
        return decades(found.max_lr, found.lr)

    assert reach(0.2) < reach(0.4) < UNKNOWN.above
    assert reach(0.9) == pytest.approx(UNKNOWN.above)


def test_more_noise_makes_a_wider_interval() -> None:
    def width(noise: float) -> float:
        widths = []
        for seed in range(20):
            low, high = suggest(curve_with(noise=noise, seed=seed)).interval
            widths.append(np.log10(high / low))
        return float(np.nanmean(widths))

    assert width(0.01) <= width(0.5)


@pytest.mark.parametrize("name", NAMES)
@given(seed=st.integers(0, 99))
@settings(max_examples=10, deadline=None)
def test_a_suggestion_survives_json(name: str, seed: int) -> None:
    found = suggest(curve_with(seed=seed, noise=0.1), name)
    assert Suggestion.from_dict(found.to_dict()) == found
    lost = Suggestion.none(name, Status.NO_DESCENT, "nothing")
    assert lost.to_dict()["lr"] is None
    assert str(Suggestion.from_dict(lost.to_dict())) == str(lost)


def test_a_function_of_the_curve_is_a_suggester_too() -> None:
    def mine(curve: LossCurve) -> Suggestion:
        lr = float(np.median(curve.lr))
        return Suggestion(lr, lr, lr, (lr, lr), "mine", Status.CLEAR, "because")

    assert suggest(curve_with(), mine).method == "mine"


def test_a_function_that_returns_a_bare_rate_is_told_what_to_return() -> None:
    with pytest.raises(ArgumentError, match=r"returns a lrtool.Suggestion .*returned=0\.1"):
        suggest(curve_with(), lambda curve: 0.1)  # type: ignore[arg-type,return-value]


def test_an_unknown_name_is_refused_with_the_one_that_was_meant() -> None:
    with pytest.raises(ArgumentError, match="steepest"):
        suggest(curve_with(), "stepest")


@pytest.mark.parametrize(("n", "budget"), [(100, 2e-3), (1000, 10e-3)])
def test_auto_is_fast(n: int, budget: float) -> None:
    curve = curve_with(n, noise=0.05)
    times = []
    for _ in range(15):
        start = time.perf_counter()
        suggest(curve, optimizer="Adam")
        times.append(time.perf_counter() - start)
    assert min(times) < budget


def _reference_fall(values: FloatArray) -> int:
    length = [1] * len(values)
    for i in range(len(values)):
        for j in range(i):
            if values[i] < values[j]:
                length[i] = max(length[i], length[j] + 1)
    return max(length)


@given(st.lists(st.integers(0, 20), min_size=1, max_size=60))
def test_the_longest_fall_is_as_long_as_the_quadratic_search_says(values: list[int]) -> None:
    from lrtool.suggest.rules import longest_fall

    array = np.array(values, dtype=np.float64)
    first, last = longest_fall(array)
    assert first <= last
    # Between its ends there must be a run as long as any.
    inner = array[first : last + 1]
    assert _reference_fall(inner) == _reference_fall(array)
