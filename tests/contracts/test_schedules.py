"""What every schedule must be, found by discovery: a new one is tested before its own tests."""

import pickle
from dataclasses import FrozenInstanceError, fields
from math import isfinite

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrtool import schedules
from lrtool.errors import ArgumentError
from lrtool.schedules import Schedule
from lrtool.schedules.registry import SCHEDULES, arguments
from support.random_schedules import ARGUMENTS, random_schedule

NAMES = schedules.names()
FAR = st.integers(0, 10**12)


def _all_schedule_classes(base: type[Schedule] = Schedule) -> set[type[Schedule]]:
    found = set()
    for cls in base.__subclasses__():
        if cls.__module__.startswith("lrtool.schedules"):
            found |= {cls} | _all_schedule_classes(cls)
    return found


def test_every_schedule_is_registered_and_every_name_has_random_arguments() -> None:
    public = {cls for cls in _all_schedule_classes() if not cls.__name__.startswith("_")}
    assert set(SCHEDULES.values()) == public
    assert set(ARGUMENTS) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_argument_is_varied(name: str) -> None:
    assert set(ARGUMENTS[name]) == set(arguments(name))


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_is_finite_and_not_negative_at_any_step(name: str, data: st.DataObject) -> None:
    schedule = data.draw(random_schedule(name))
    near = data.draw(st.integers(0, 2000))
    far = data.draw(FAR)
    for step in (0, near, near + 0.5, far, 10**12):
        value = schedule(step)
        assert isinstance(value, float)
        assert isfinite(value)
        assert value >= 0


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_pickles_compares_and_prints_itself(name: str, data: st.DataObject) -> None:
    schedule = data.draw(random_schedule(name))
    copy = pickle.loads(pickle.dumps(schedule))
    assert copy == schedule
    assert hash(copy) == hash(schedule)
    if not any("fn" in entry for entry in arguments(name)):
        assert eval(repr(schedule), vars(schedules)) == schedule
    with pytest.raises(FrozenInstanceError):
        setattr(schedule, fields(schedule)[0].name, 0)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_has_no_memory(name: str, data: st.DataObject) -> None:
    """Asked in any order, or by a copy made half-way, it gives the same values: resume is exact."""
    schedule = data.draw(random_schedule(name))
    steps = data.draw(st.lists(st.integers(0, 3000), min_size=1, max_size=20))
    forward = {step: schedule(step) for step in sorted(steps)}
    resumed = pickle.loads(pickle.dumps(schedule))
    assert {step: resumed(step) for step in steps} == forward


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_holds_its_last_value_past_its_length(name: str, data: st.DataObject) -> None:
    schedule = data.draw(random_schedule(name))
    if schedule.length is None:
        return
    last = schedule(schedule.length)
    assert schedule(schedule.length + data.draw(FAR)) == last


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_cycles_hold_their_step_and_follow_each_other(name: str, data: st.DataObject) -> None:
    schedule = data.draw(random_schedule(name))
    step = data.draw(st.integers(0, 5000))
    cycle = schedule.cycle(step)
    if cycle is None:
        return
    assert cycle.start <= cycle.peak < cycle.end
    assert cycle.start <= step
    if schedule.length is None:
        assert step < cycle.end
    for inside in (cycle.start, cycle.end - 1):
        assert schedule.cycle(inside) == cycle
    if name in {"triangular", "triangular2", "cyclical", "sgdr"}:
        assert schedule.cycle(cycle.end) != cycle or schedule.length is not None
        peak = schedule(cycle.peak)
        assert all(schedule(k) <= peak for k in range(cycle.start, min(cycle.end, step + 50)))


@pytest.mark.parametrize("name", NAMES)
def test_is_documented_with_a_formula_and_an_example(name: str) -> None:
    text = SCHEDULES[name].__doc__ or ""
    assert ">>>" in text
    assert "value(k)" in text or "max_lr * (" in text
    inherited = "whose arguments it takes" in " ".join(text.split())
    assert inherited or all(f"{argument}:" in text for argument in arguments(name))


@pytest.mark.parametrize("name", NAMES)
def test_refuses_nan_and_negative_rates(name: str) -> None:
    rates = [entry for entry in ("lr", "max_lr", "factor", "low") if entry in arguments(name)]
    example = _example(name)
    params = {entry: getattr(example, entry) for entry in arguments(name)}
    for rate in rates:
        for wrong in (float("nan"), -1.0, float("inf")):
            with pytest.raises(ArgumentError, match=rate):
                schedules.create(name, **{**params, rate: wrong})


def _example(name: str) -> Schedule:
    found: list[Schedule] = []

    @settings(max_examples=1, database=None, derandomize=True)
    @given(random_schedule(name))
    def take(schedule: Schedule) -> None:
        found.append(schedule)

    take()
    return found[0]


@pytest.mark.parametrize("name", NAMES)
def test_unknown_and_missing_arguments_are_named(name: str) -> None:
    with pytest.raises(ArgumentError, match="argument of"):
        schedules.create(name, learning_rate=0.1)
    with pytest.raises(ArgumentError, match=name):
        schedules.create(name)


def test_unknown_names_get_a_guess() -> None:
    with pytest.raises(ArgumentError, match="did you mean 'one_cycle'"):
        schedules.create("one_cylce")
