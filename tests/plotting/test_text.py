"""Pictures made of characters."""

import numpy as np
import pytest

from lrtool import schedules
from lrtool.plotting import text_range_test, text_schedule
from support.results import a_result, no_pick, nothing_finite


@pytest.mark.parametrize("width", [30, 60, 100])
@pytest.mark.parametrize("height", [4, 14])
def test_it_keeps_to_its_size(width: int, height: int) -> None:
    lines = text_range_test(a_result(), width=width, height=height).splitlines()
    assert len(lines) == height + 3
    assert max(map(len, lines)) <= width


def test_the_pick_stands_at_its_rate() -> None:
    lines = text_range_test(a_result(), width=91, height=12).splitlines()
    columns = {line.index("│", 11) for line in lines[:12] if "│" in line[11:]}
    (column,) = columns
    share = (column - 11) / 79
    assert -8 + 8 * share == pytest.approx(-3, abs=8 / 79)


def test_the_curve_falls_from_left_to_right_until_it_rises() -> None:
    rows = text_range_test(a_result(), width=91, height=12).splitlines()[:12]
    heights = [
        min((i for i, row in enumerate(rows) if len(row) > x and row[x] == "●"), default=-1)
        for x in range(11, 90)
    ]
    heights = [height for height in heights if height >= 0]
    lowest = int(np.argmax(heights))
    assert heights[:lowest] == sorted(heights[:lowest])
    assert heights[lowest:] == sorted(heights[lowest:], reverse=True)


def test_ascii_only_is_ascii() -> None:
    schedule = schedules.one_cycle(max_lr=0.1, total_steps=100)
    for picture in (
        text_range_test(a_result(), ascii_only=True),
        text_schedule(schedule, ascii_only=True),
    ):
        assert picture.isascii()


def test_no_pick_and_no_losses() -> None:
    assert "┆" not in text_range_test(no_pick())
    assert text_range_test(nothing_finite()) == "no finite loss was measured"


def test_a_schedule_touches_its_peak() -> None:
    lines = text_schedule(schedules.one_cycle(max_lr=0.1, total_steps=100)).splitlines()
    assert lines[0].lstrip().startswith("0.1 │")
    assert "●" in lines[0]
    assert text_schedule(schedules.constant(lr=1.0), 5).count("●") > 10
