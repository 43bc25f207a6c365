"""LossCurve: raw, immutable, the same after a file, smoothed range by range."""

import copy
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrtool.curve import LossCurve, _without_explosion
from lrtool.errors import ArgumentError, FileFormatError
from lrtool.smoothing import smooth
from lrtool.types import StopReason
from support.curves import curve_with

losses = st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=40)


@given(values=losses, reason=st.sampled_from(list(StopReason)))
def test_json_and_csv_keep_every_bit(
    values: list[float], reason: StopReason, tmp_path_factory: pytest.TempPathFactory
) -> None:
    n = len(values)
    random = np.random.default_rng(n)
    curve = LossCurve(10 ** random.uniform(-8, 1, n), np.array(values), reason,
                      random.integers(0, 3, n), "why")  # fmt: skip
    folder = tmp_path_factory.mktemp("curve")
    curve.to_json(folder / "curve.json")
    assert LossCurve.from_json(folder / "curve.json") == curve
    assert LossCurve.from_json(folder / "curve.json").message == "why"
    curve.to_csv(folder / "curve.csv")
    assert LossCurve.from_csv(folder / "curve.csv", reason) == curve


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"lr": [0], "loss": [1]}', "pass,lr,loss\n0,x,1\n", "\xff"]
)
def test_a_file_of_another_kind_is_named(text: str, tmp_path: Path) -> None:
    path = tmp_path / "other"
    path.write_text(text, encoding="latin-1")
    for read in (LossCurve.from_json, LossCurve.from_csv):
        for name in (path, tmp_path / "absent"):
            with pytest.raises(
                FileFormatError, match=re.escape(f"{name} must be a file written by")
            ):
                read(name)


def test_the_arrays_cannot_be_written_and_are_not_the_callers() -> None:
    lr, loss = np.array([0.1, 0.2]), np.array([1.0, 2.0])
    curve = LossCurve(lr, loss)
    loss[0] = 99.0
    assert curve.loss[0] == 1.0
    for one in (curve, copy.deepcopy(curve), pickle.loads(pickle.dumps(curve))):
        assert one == curve
        for name in ("lr", "loss", "passes", "smoothed", "range_index"):
            with pytest.raises(ValueError, match="read-only"):
                getattr(one, name)[0] = 5


@pytest.mark.parametrize("lr", [[0.1], [0.1, 0.0], [0.1, -1.0], [0.1, np.nan], [0.1, np.inf]])
def test_A10_lengths_and_rates_are_checked(lr: list[float]) -> None:
    with pytest.raises(ArgumentError):
        LossCurve(np.array(lr), np.array([1.0, 2.0]))


def test_A2_a_constant_loss_has_a_constant_smoothed_curve_in_every_pass() -> None:
    lr = np.geomspace(1e-6, 1, 60)
    passes = np.repeat([0, 1], 30)
    assert np.array_equal(LossCurve(lr, np.full(60, 7.5), passes=passes).smoothed, np.full(60, 7.5))


def test_an_explosion_does_not_swell_what_lies_before_it() -> None:
    curve = curve_with(high=-0.5)
    blown = curve.loss.copy()
    blown[-3:] = 1e3, 1e6, 1e9
    smoothed = LossCurve(curve.lr, blown).smoothed
    before = curve.lr < curve.lr[-1] / 30
    np.testing.assert_allclose(smoothed[before], curve.smoothed[before], atol=0.02)
    assert smoothed.max() < 20


@pytest.mark.parametrize(
    ("loss", "level"),
    [
        ([2.0] * 10 + [1.0] * 10, 3.0),  # as far above the start as the lowest is below it
        ([2.1, 1.9] * 20, 2.1 + 0.2 + 6 * 0.2 / (1.1503 * 2**0.5)),  # and six times the noise
    ],
)
def test_where_an_explosion_is_cut(loss: list[float], level: float) -> None:
    cut = _without_explosion(np.array([*loss, 1e3, np.inf, 1e6]))
    assert cut[: len(loss)].tolist() == loss
    assert cut[len(loss) :].tolist() == pytest.approx([level, np.inf, level])


def test_passes_over_one_range_are_smoothed_together_and_other_ranges_apart() -> None:
    wide, slow = np.geomspace(1e-6, 1, 50), np.geomspace(1e-3, 1e-1, 50)
    loss = np.concatenate([np.zeros(50), np.full(50, 3.0), np.ones(50)])
    curve = LossCurve(np.concatenate([wide, slow, slow]), loss, passes=np.repeat([0, 1, 2], 50))
    assert np.array_equal(curve.smoothed[:50], np.zeros(50))
    np.testing.assert_allclose(curve.smoothed[50:], 2.0)


def test_passes_that_start_at_one_rate_sweep_one_range() -> None:
    lr = np.array([1.0, 2.0, 0.5, 0.7, 1.0, 3.0, 0.5])
    curve = LossCurve(lr, np.ones(7), passes=np.array([0, 0, 1, 1, 2, 2, 3]))
    assert curve.range_index.tolist() == [0, 0, 1, 1, 0, 0, 1]


def test_without_explosion_it_is_plain_smoothing() -> None:
    curve = curve_with(noise=0.05, high=-1.5)
    assert np.array_equal(curve.smoothed, smooth(curve.lr, curve.loss))


def test_files_are_utf8_text(tmp_path: Path) -> None:
    curve_with(12).to_csv(tmp_path / "c.csv")
    header = (tmp_path / "c.csv").read_text(encoding="utf-8").splitlines()[0]
    assert header == "pass,lr,loss,smoothed"


def test_its_ending_is_the_reason_with_its_sentence() -> None:
    one, lr = np.array([1.0]), np.array([0.1])
    assert LossCurve(lr, one, StopReason.DIVERGED, message="it rose to 5").ending == (
        "diverged: it rose to 5"
    )
    assert LossCurve(lr, one).ending == "completed"
