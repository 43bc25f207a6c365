from math import nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrtool.durations import Duration, Unit
from lrtool.errors import ArgumentError


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        (7, 7),
        ("7", 7),
        ("500step", 500),
        ("64batch", 32),
        ("2ep", 20),
        ("0.25dur", 250),
        ("1e2 steps", 100),
    ],
)
def test_parses_and_converts(text: str | int, steps: int) -> None:
    duration = Duration.parse(text)
    assert duration.steps(total_steps=1000, steps_per_epoch=10, batches_per_step=2) == steps


@pytest.mark.parametrize(
    ("text", "steps"),
    [("2.4step", 2), ("2.6step", 3), ("5batch", 1), ("7batch", 2), ("0.24ep", 2), ("0.26ep", 3),
     ("0.024dur", 2), ("0.026dur", 3)],
)  # fmt: skip
def test_rounds_to_the_nearest_step(text: str, steps: int) -> None:
    duration = Duration.parse(text)
    assert duration.steps(total_steps=100, steps_per_epoch=10, batches_per_step=4) == steps


@given(
    value=st.integers(0, 10**9) | st.floats(0, allow_infinity=False),
    unit=st.sampled_from(["step", "batch", "ep", "dur", "check", "cycle"]),
)
def test_prints_what_it_parses(value: float, unit: Unit) -> None:
    duration = Duration(float(value), unit)
    assert Duration.parse(str(duration)) == Duration.parse(f"{value}{unit}") == duration


def test_prints_whole_numbers_as_such() -> None:
    assert [str(Duration.parse(text)) for text in ("1234567step", "0.5ep")] == [
        "1234567step",
        "0.5ep",
    ]


@pytest.mark.parametrize(
    "text", ["ten ep", "10 parsecs", "", "nan", "ep", ".ep", "1-2ep", "1.2.3ep"]
)
def test_refuses_what_has_no_number_or_unit(text: str) -> None:
    with pytest.raises(ArgumentError, match="must be a number and a unit, got") as raised:
        Duration.parse(text)
    assert repr(text) in str(raised.value)


@pytest.mark.parametrize(
    ("length", "got"), [("-3ep", "-3.0"), ("1e400ep", "inf"), (nan, "nan"), (None, "None"),
                        (True, "True"), (-1, "-1")],
)  # fmt: skip
def test_refuses_numbers_that_are_no_lengths(length: Any, got: str) -> None:
    with pytest.raises(ArgumentError) as raised:
        Duration.parse(length)
    assert f"0 <= duration < inf must hold, got duration={got};" in str(raised.value)


@pytest.mark.parametrize("text", ["1ep", "0.5dur", "2cycle", "2check"])
def test_says_which_length_is_unknown(text: str) -> None:
    with pytest.raises(ArgumentError, match="unknown"):
        Duration.parse(text).steps()
