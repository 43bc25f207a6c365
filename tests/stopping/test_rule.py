"""The rule by itself: units, thresholds, smoothing, phases, messages."""

import json
import pickle
from math import inf, nan
from typing import Any

import pytest

from lrtool.errors import ArgumentError
from lrtool.stopping import (
    Decision,
    Moment,
    Phase,
    StoppingReason,
    StoppingRule,
    StoppingState,
    UpStrips,
)


def feed(rule: StoppingRule, *values: float, **options: Any) -> tuple[StoppingState, Decision]:
    state, decision = StoppingState(), Decision(False)
    for value in values:
        state, decision = rule.update(state, value, **options)
    return state, decision


@pytest.mark.parametrize(
    ("patience", "stops_at"), [(3, 4), ("3check", 4), ("3ep", 2), ("500step", 3), ("2cycle", 3)]
)
def test_E2_patience_counts_in_its_unit(patience: int | str, stops_at: int) -> None:
    """Checks every 2 epochs of 100 steps each, a cycle every 3 epochs: the first is the best."""
    rule, state = StoppingRule(patience=patience), StoppingState()
    cycle = 0 if patience == 3 or "check" in str(patience) else 1
    for check in range(1, 10):
        at = Moment(step=200 * check, epoch=2.0 * check, cycle=cycle * (1 + (2 * check - 1) // 3))
        state, decision = rule.update(state, 1.0, at)
        if decision.stop:
            break
    # best at check 1 (epoch 2, step 200, cycle 1); waits are whole checks, reached or passed
    assert check == {4: 4, 2: 3, 3: 4}[stops_at]


def test_patience_in_epochs_stands_thirds_of_an_epoch() -> None:
    rule, state = StoppingRule(patience="1ep"), StoppingState()
    stopped = []
    for third in range(1, 6):
        state, decision = rule.update(state, 1.0, Moment(step=third, epoch=third / 3))
        stopped.append(decision.stop)
    assert stopped == [False, False, False, True, True]


def test_min_delta_relative_is_right_for_negative_metrics() -> None:
    rule = StoppingRule(min_delta=0.1, min_delta_mode="rel", patience=1)
    assert not rule.better(-10.9, -10.0)
    assert rule.better(-11.1, -10.0)
    assert not rule.better(-9.5, -10.0)  # worse, however it is scaled
    upwards = StoppingRule(min_delta=0.1, min_delta_mode="rel", mode="max", patience=1)
    assert upwards.better(-8.9, -10.0)
    assert not upwards.better(-9.1, -10.0)


def test_a_small_improvement_is_the_best_only_where_min_delta_is_relative() -> None:
    """1 to 0.94 is more than 5%, and more than 0.05; what follows is less. Patience runs out."""
    trace = [1.0, 0.97, 0.94, 0.93, 0.92, 0.91]
    for mode, best, check in (("rel", 0.92, 5), ("abs", 0.94, 3)):
        rule = StoppingRule(min_delta=0.05, min_delta_mode=mode, patience=2)  # type: ignore[arg-type]
        state, decision = feed(rule, *trace[:4])
        assert not decision.stop
        state, decision = rule.update(state, trace[4])
        assert decision.stop
        assert state.best == best
        assert state.best_at is not None
        assert state.best_at.check == check


def test_target_reached_takes_the_value_as_the_best() -> None:
    state, decision = feed(StoppingRule(stopping_threshold=0.1), 1.0, 0.05)
    assert decision.reason is StoppingReason.STOPPING_THRESHOLD
    assert state.best == 0.05
    assert decision.message == "value reached its target: 0.05 < 0.1"


def test_divergence_message_has_the_right_sign() -> None:
    _, decision = feed(StoppingRule(divergence_threshold=5.0), 1.0, 7.0)
    assert decision.message == "value diverged: 7 > 5"
    _, decision = feed(StoppingRule(divergence_threshold=0.2, mode="max", name="acc"), 0.9, 0.1)
    assert decision.message == "acc diverged: 0.1 < 0.2"


@pytest.mark.parametrize("value", [nan, inf, -inf])
def test_E10_nonfinite_has_its_own_reason_and_switch(value: float) -> None:
    state, decision = feed(StoppingRule(), 1.0, value)
    assert decision.reason is StoppingReason.NON_FINITE_METRIC
    assert decision.message == f"value is {value}; best 1 after 1 epochs (1 steps)"
    assert state.best == 1.0
    state, decision = feed(StoppingRule(check_finite=False, patience=2), 1.0, value)
    assert not decision.stop
    assert state.best == 1.0
    assert feed(StoppingRule(check_finite=False, patience=2), 1.0, value, value)[1].stop


def test_nonfinite_and_divergence_stop_in_every_phase() -> None:
    rule = StoppingRule(divergence_threshold=10.0)
    for phase in Phase:
        assert feed(rule, nan, phase=phase)[1].stop
        assert feed(rule, 11.0, phase=phase)[1].stop


def test_message_of_patience_has_delta_baseline_and_numbers() -> None:
    rule = StoppingRule(patience=1, min_delta=0.5, baseline=0.25, name="val_loss")
    _, decision = feed(rule, 1.0, 0.75)
    assert decision.message == (
        "val_loss did not improve by more than 0.5 below its baseline of 0.25 for 2 checks: "
        "best 1 after 1 epochs (1 steps), now 0.75"
    )


def test_E8_start_from_ignores_values_in_its_unit() -> None:
    rule = StoppingRule(start_from="300step", patience=2)
    state = StoppingState()
    for check, value in enumerate((0.1, 0.2, 0.3, 0.9, 0.8), start=1):
        state, decision = rule.update(state, value, Moment(step=100 * check, epoch=check))
        assert not decision.stop
    assert state.best == 0.8
    assert state.best_at is not None
    assert state.best_at.step == 500


def test_smoothing_judges_the_worse_of_the_value_and_the_mean_of_the_last() -> None:
    rule = StoppingRule(smoothing=3, patience=2)
    state = StoppingState()
    judged = []
    for value in (3.0, 1.0, 2.0, nan, 0.0):
        state, _ = StoppingRule(smoothing=3, patience=9, check_finite=False).update(state, value)
        judged.append(state.value)
    assert judged == [3.0, 2.0, 2.0, None, 1.0]
    # a bad value in good company is judged as what it is, and its weights are not the best
    good = [0.9, 0.4, 0.3, 0.5]  # means of the last three: 0.9, 0.65, 0.533, 0.4
    for mode, sign in (("min", 1.0), ("max", -1.0)):
        smooth = StoppingRule(mode=mode, smoothing=3, patience=9)  # type: ignore[arg-type]
        state, _ = feed(smooth, *(sign * value for value in good))
        assert state.value == sign * 0.5
        assert state.best == sign * 0.5
        state, _ = feed(smooth, *(sign * value for value in [*good, 0.7]))
        assert state.value == sign * 0.7
        assert state.best == sign * 0.5
    # one lucky value does not keep a flat, noisy metric alive for ever
    noisy = [1.0, 1.1, 0.9, 1.0, 1.1, 0.9, 1.0, 1.1]
    assert feed(rule, *noisy)[1].stop


def test_hold_improves_the_best_but_gives_no_verdict() -> None:
    rule = StoppingRule(patience=1)
    state = StoppingState()
    for cycle, value, phase, stop in (
        (1, 1.0, Phase.HOLD, False),
        (1, 0.5, Phase.JUDGE, False),
        (2, 2.0, Phase.HOLD, False),
        (2, 2.0, Phase.HOLD, False),
        (2, 0.6, Phase.JUDGE, True),
    ):
        at = Moment(step=state.checks + 1, epoch=state.checks + 1, cycle=cycle)
        state, decision = rule.update(state, value, at, phase)
        assert decision.stop is stop
    assert decision.message.startswith("value did not improve for 1 cycle: best 0.5")


def test_an_improvement_in_mid_cycle_counts_for_its_whole_cycle() -> None:
    rule, state = StoppingRule(patience="1cycle"), StoppingState()
    state, _ = rule.update(state, 1.0, Moment(step=3, epoch=3, cycle=1), Phase.HOLD)
    assert not rule.decide(state, Moment(step=5, epoch=5, cycle=1)).stop
    assert rule.decide(state, Moment(step=10, epoch=10, cycle=2)).stop


def test_E8_the_rise_does_not_count() -> None:
    rule, state = StoppingRule(patience=2), StoppingState()
    for value in (1.0, 2.0, 3.0, 4.0, 5.0):
        state, decision = rule.update(state, value, phase=Phase.RISE)
        assert not decision.stop
    assert state.best == 1.0
    state, decision = rule.update(state, 6.0)
    assert not decision.stop
    state, decision = rule.update(state, 6.0)
    assert decision.stop


def test_E7_the_verdict_is_a_function_of_the_state_alone() -> None:
    rule = StoppingRule(patience=2)
    state, decision = feed(rule, 1.0, 1.0, 1.0)
    assert decision.stop
    state, decision = rule.update(state, 0.5)  # nobody acted on it, and the metric recovered
    assert not decision.stop


def test_E6_a_changed_patience_counts_at_once() -> None:
    state, decision = feed(StoppingRule(patience=2), 1.0, 1.0, 1.0)
    at = Moment(step=3, epoch=3)
    assert decision.stop
    assert StoppingRule(patience=2).decide(state, at).stop
    assert not StoppingRule(patience=5).decide(state, at).stop


def test_state_is_plain_json_and_the_rule_pickles() -> None:
    rule = StoppingRule(criterion=UpStrips(2), smoothing=3)
    state, _ = feed(rule, 1.0, 0.5, 0.7)
    assert StoppingState.from_dict(json.loads(json.dumps(state.to_dict()))) == state
    assert pickle.loads(pickle.dumps(rule)) == rule
    assert pickle.loads(pickle.dumps(state)) == state


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"min_delta": -0.1}, "0 <= min_delta < inf"),
        ({"min_delta": nan}, "0 <= min_delta < inf"),
        ({"mode": "auto"}, "mode must be one of max, min"),
        ({"patience": -1}, "0 <= duration < inf must hold, got duration=-1"),
        ({"patience": "3 moons"}, "a duration must be a number and a unit"),
        ({"patience": "0.1dur"}, "convert the duration to steps first"),
        ({"smoothing": 0}, "whole smoothing >= 1"),
        ({"baseline": nan}, "baseline finite or None"),
        ({"min_delta_mode": "relative"}, "min_delta_mode must be one of abs, rel"),
        ({"criterion": UpStrips(2), "mode": "max"}, "GL, PQ and UP are defined for errors"),
    ],
)
def test_bad_arguments_are_refused_with_rule_and_value(arguments: Any, match: str) -> None:
    with pytest.raises(ArgumentError, match=match):
        StoppingRule(**arguments)


def test_fractions_of_an_epoch_that_do_not_add_up_exactly_are_waited_for_all_the_same() -> None:
    """0.7 - 0.4 is a little less than 0.3 to a computer."""
    rule, state = StoppingRule(patience="0.3ep"), StoppingState()
    state, _ = rule.update(state, 0.5, Moment(step=4, epoch=0.4))
    for step, stops in ((5, False), (6, False), (7, True)):
        state, decision = rule.update(state, 0.6, Moment(step=step, epoch=step / 10))
        assert decision.stop is stops
