"""Families of range tests: which member is taken, and why."""

import json
from pathlib import Path

import numpy as np
import pytest

from lrtool.curve import LossCurve
from lrtool.errors import ArgumentError, FileFormatError
from lrtool.families import Family, family
from lrtool.result import RangeTestResult
from lrtool.suggest import suggest
from lrtool.types import StopReason
from support.curves import curve_with, descent


def result(curve: LossCurve) -> RangeTestResult:
    return RangeTestResult(curve, suggest(curve))


def scaled(floor: float, steepest: float = -2.5, noise: float = 0.0) -> RangeTestResult:
    """A descent from 2.3 down to `floor`, always under the same noise."""
    x = np.linspace(-7, steepest + 2, 120)
    loss = 2.3 - (2.3 - descent(x, steepest)) * (2.3 - floor) / 2.0
    loss += noise * np.random.default_rng(0).standard_normal(120)
    return result(LossCurve(10**x, loss, StopReason.DIVERGED))


def test_the_member_that_came_down_lowest_is_taken() -> None:
    chosen = family("weight_decay", {0.0: scaled(0.8), 1e-4: scaled(0.3), 1e-2: scaled(1.5)})
    assert chosen.best == 1e-4
    assert chosen.result is chosen.results[1e-4]
    assert chosen.choice.endswith(", the lowest)")


def test_among_equals_the_one_that_bears_the_highest_peak_is_taken() -> None:
    chosen = family("momentum", {0.8: scaled(0.3, -2.0), 0.9: scaled(0.3), 0.95: scaled(0.3, -3.0)})
    assert chosen.best == 0.8
    said = f"and it bears the highest peak rate, {chosen.results[0.8].max_lr:.3g})"
    assert chosen.reason.endswith(said)


def test_a_difference_within_noise_is_a_tie_and_the_larger_value_wins() -> None:
    same = result(curve_with(noise=0.1, seed=1))
    assert family("weight_decay", {1e-4: same, 1e-3: same}).best == 1e-3


@pytest.mark.parametrize(
    ("behind", "noise", "tied"),
    [(0.01, 0.0, True), (0.03, 0.0, False), (0.03, 0.1, True), (0.3, 0.1, False)],
)
def test_tied_is_who_is_behind_by_2_percent_of_the_drop_or_by_noise(
    behind: float, noise: float, tied: bool
) -> None:
    lowest, other = scaled(0.3, -2.5, noise), scaled(0.3 + 2 * behind, -2.0, noise)
    assert other.max_lr > lowest.max_lr  # so that it is taken if it is tied
    assert (family("momentum", {0.9: lowest, 0.8: other}).best == 0.8) is tied


def test_a_member_without_a_pick_is_shown_and_never_taken() -> None:
    flat = result(LossCurve(np.geomspace(1e-6, 1, 50), np.ones(50)))
    chosen = family("optimizer", {"SGD": flat, "Adam": scaled(0.5)})
    assert chosen.best == "Adam"
    assert chosen.table()[1][0] == ["SGD", "-", "-", "-", "1", "no_descent"]
    assert "SGD: the loss fell by" in str(chosen)
    nothing = family("optimizer", {"SGD": flat})
    assert nothing.best is None
    assert str(nothing).startswith("no range test has a pick")
    assert nothing.result is None


def test_an_empty_family_is_refused() -> None:
    with pytest.raises(ArgumentError, match="at least one"):
        family("momentum", {})


def test_more_examples_are_said_to_have_helped() -> None:
    chosen = family("batch_size", {16: scaled(0.5), 64: scaled(0.3)})
    assert chosen.best == 64
    assert "4 times the examples that 16 took" in chosen.reason
    assert "examples" not in family("batch_size", {16: scaled(0.3), 64: scaled(0.5)}).reason


def test_it_prints_draws_and_converts(tmp_path: Path) -> None:
    flat = result(LossCurve(np.geomspace(1e-6, 1, 50), np.ones(50)))
    chosen = family("optimizer", {"<sgd>": flat, "adam": scaled(0.5)})
    assert repr(chosen) == "Family(optimizer: <sgd>, adam; best=adam)"
    first, *_ = str(chosen).splitlines()
    assert first.startswith("take adam (the loss came down to 0.5")
    header, rows = chosen.table()
    assert header[0] == "optimizer"
    assert [row[0] for row in rows] == ["<sgd>", "adam *"]
    assert [len(row) for row in rows] == [len(header)] * 2
    page = chosen._repr_html_()
    assert "<img" in page or "<svg" in page
    assert "&lt;sgd&gt;" in page
    assert "<sgd>" not in page
    assert len([line for line in chosen.plot().lines if line.get_label() == "optimizer adam"]) == 1
    whole = chosen.report(tmp_path / "page.html").read_text(encoding="utf-8")
    assert "Range tests by optimizer" in whole
    assert "<sgd>" not in whole
    plain = json.loads(json.dumps(chosen.to_dict()))
    assert plain["best"] == "adam"
    assert RangeTestResult.from_dict(plain["results"]["adam"]).curve == chosen.results["adam"].curve


def test_it_is_saved_and_read_again_with_its_values_as_they_were(tmp_path: Path) -> None:
    chosen = family("batch_size", {16: scaled(0.5), np.int64(64): scaled(0.3)})
    chosen.save(tmp_path / "family.json")
    again = Family.load(tmp_path / "family.json")
    assert again.to_dict() == chosen.to_dict()
    assert list(again.results) == [16, 64]
    assert again.results == chosen.results
    assert str(again) == str(chosen)
    chosen.results[16].save(tmp_path / "one.json")
    for name in ("one.json", "none.json"):
        with pytest.raises(FileFormatError):
            Family.load(tmp_path / name)
