import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrtool.durations import Duration
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


@given(
    value=st.integers(0, 10**9),
    unit=st.sampled_from(["step", "batch", "ep", "dur", "check", "cycle"]),
)
def test_prints_what_it_parses(value: int, unit: str) -> None:
    assert Duration.parse(f"{value}{unit}") == Duration(float(value), unit)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["ten ep", "10 parsecs", "-3ep", "", "nan", "ep"])
def test_refuses_nonsense(text: str) -> None:
    with pytest.raises(ArgumentError):
        Duration.parse(text)


@pytest.mark.parametrize("text", ["1ep", "0.5dur", "2cycle", "2check"])
def test_says_which_length_is_unknown(text: str) -> None:
    with pytest.raises(ArgumentError, match="unknown"):
        Duration.parse(text).steps()
