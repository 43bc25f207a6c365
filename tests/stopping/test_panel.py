"""Several metrics that decide together."""

from math import nan

import pytest

from lrtool.errors import ArgumentError
from lrtool.stopping import Moment, Panel, StoppingReason, StoppingRule

FALLS = StoppingRule(patience=1, name="falls")
TARGET = StoppingRule(patience=9, stopping_threshold=0.5, name="target")


@pytest.mark.parametrize(("stop_when", "stops"), [("any", [0, 1, 1]), ("all", [0, 0, 1])])
def test_any_and_all(stop_when: str, stops: list[int]) -> None:
    """The first runs out of patience at the second check, the other reaches its target later."""
    panel = Panel((FALLS, TARGET), stop_when=stop_when)  # type: ignore[arg-type]
    states, seen = panel.start(), []
    for values in ((1.0, 1.0), (1.0, 0.9), (1.0, 0.4)):
        states, decision = panel.update(states, values)
        seen.append(int(decision.stop))
    assert seen == stops
    assert decision.reason is StoppingReason.PATIENCE_EXHAUSTED
    assert "falls did not improve" in decision.message
    assert "target reached its target: 0.4 < 0.5" in decision.message


@pytest.mark.parametrize("stop_when", ["any", "all"])
def test_one_that_breaks_down_is_enough(stop_when: str) -> None:
    panel = Panel((FALLS, TARGET), stop_when=stop_when)  # type: ignore[arg-type]
    _, decision = panel.update(panel.start(), (1.0, nan))
    assert decision.stop
    assert decision.reason is StoppingReason.NON_FINITE_METRIC
    assert decision.message.startswith("target is nan")


def test_a_metric_without_a_new_value_keeps_its_state() -> None:
    panel = Panel((FALLS, TARGET))
    states, _ = panel.update(panel.start(), (1.0, 1.0))
    after, decision = panel.update(states, (0.5, None), Moment(step=2, epoch=2.0))
    assert after[1] is states[1]
    assert after[0].best == 0.5
    assert not decision.stop


def test_no_rule_and_an_unknown_way_to_decide_are_refused() -> None:
    with pytest.raises(ArgumentError, match="at least one rule"):
        Panel(())
    with pytest.raises(ArgumentError, match="stop_when must be one of all, any"):
        Panel((FALLS,), stop_when="most")  # type: ignore[arg-type]


def test_a_metric_without_a_new_value_still_waits() -> None:
    """Its patience runs out between its own checks, when another metric is checked."""
    panel = Panel((StoppingRule(patience="10step", name="rare"), StoppingRule(patience=99)), "any")
    states, _ = panel.update(panel.start(), (1.0, 1.0), Moment(step=1))
    states, decision = panel.update(states, (None, 0.9), Moment(step=10))
    assert not decision.stop
    states, decision = panel.update(states, (None, 0.8), Moment(step=11))
    assert decision.stop
    assert decision.message.startswith("rare did not improve for 10 steps")
