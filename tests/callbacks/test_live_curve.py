"""The curve drawn while the sweep goes."""

import pytest

import lrtool
from lrtool.callbacks import LiveCurve, live_curve
from lrtool.callbacks.live_curve import LiveBar
from lrtool.errors import ArgumentError
from support.results import a_curve
from support.tiny import TinyModel, tiny_loader


class Shown(list[bytes]):
    """Every picture in turn, and whether the place was closed."""

    closed = False

    def show(self, png: bytes) -> None:
        self.append(png)

    def close(self) -> None:
        self.closed = True


def test_pictures_come_at_the_asked_pace_and_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(live_curve, "monotonic", lambda: now)
    shown = Shown()
    bar = LiveBar(1.0, shown)
    for step in range(10):
        now += 0.4
        bar.step(10.0**-step, 1.0, total=10)
    assert len(shown) == 3  # after 1.2, 2.4 and 3.6 seconds
    bar.end(a_curve())
    assert len(shown) == 4
    assert all(png.startswith(b"\x89PNG") for png in shown)
    assert len(set(shown)) == 4


def test_the_range_test_shows_it_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = Shown()
    monkeypatch.setattr(live_curve, "_in_cell", lambda: shown)
    result = lrtool.range_test(
        TinyModel(), tiny_loader(), min_lr=1e-5, max_lr=1.0, num_steps=12,
        trainer_kwargs={"accelerator": "cpu", "callbacks": [LiveCurve(every=1e-9)]},
    )  # fmt: skip
    assert len(shown) == result.num_steps + 1
    assert shown.closed


def test_it_changes_nothing_that_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_curve, "_in_cell", Shown)
    model = TinyModel()
    curves = [
        lrtool.range_test(
            model, tiny_loader(), min_lr=1e-5, max_lr=1.0, num_steps=12,
            trainer_kwargs={"accelerator": "cpu", "callbacks": callbacks},
        ).curve
        for callbacks in ([], [LiveCurve(every=1e-9)])
    ]  # fmt: skip
    assert curves[0] == curves[1]


def test_outside_a_notebook_it_stays_away() -> None:
    assert LiveCurve().sweep_bar() is None


@pytest.mark.parametrize("every", [0, -1, float("nan")])
def test_the_pace_must_be_above_zero(every: float) -> None:
    with pytest.raises(ArgumentError, match="every"):
        LiveCurve(every=every)
