"""Several metrics, one decision: each keeps its own rule and state."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from lrtool._check import one_of, require
from lrtool.stopping.rule import StoppingRule
from lrtool.stopping.state import StoppingState
from lrtool.stopping.vocabulary import CONTINUE, Decision, Moment, Phase, StoppingReason

__all__ = ["Panel", "States"]

States: TypeAlias = tuple[StoppingState, ...]

_AT_ONCE = (StoppingReason.NON_FINITE_METRIC, StoppingReason.DIVERGENCE_THRESHOLD)


@dataclass(frozen=True)
class Panel:
    """Rules that decide together.

    Args:
        rules: one for each metric.
        stop_when: "all" stops once every rule says so, "any" as soon as one does. A metric that
            diverges or is not finite stops the training by itself either way.

    >>> panel = Panel((StoppingRule(patience=1), StoppingRule(patience=1, mode="max")))
    >>> states = panel.start()
    >>> states, decision = panel.update(states, (1.0, 0.5))
    >>> states, decision = panel.update(states, (1.1, 0.6))
    >>> decision.stop  # the second still improves
    False
    >>> states, decision = panel.update(states, (1.1, 0.6))
    >>> decision.stop
    True
    """

    rules: tuple[StoppingRule, ...]
    stop_when: Literal["any", "all"] = "all"

    def __post_init__(self) -> None:
        require(len(self.rules) > 0, "at least one rule", rules=self.rules)
        one_of("stop_when", self.stop_when, ("any", "all"))

    def start(self) -> States:
        """The states before the first value."""
        return tuple(StoppingState() for _ in self.rules)

    def update(
        self,
        states: States,
        values: Sequence[float | None],
        at: Moment | None = None,
        phase: Phase = Phase.JUDGE,
        train: float | None = None,
    ) -> tuple[States, Decision]:
        """Take the new values, None where a metric has none; see `StoppingRule.update`."""
        new, decisions = [], []
        for rule, state, value in zip(self.rules, states, values, strict=True):
            if value is None:
                decision = CONTINUE if at is None else rule.decide(state, at, phase)
            else:
                state, decision = rule.update(state, value, at, phase, train)
            new.append(state)
            decisions.append(decision)
        return tuple(new), self._together(decisions)

    def decide(self, states: States, at: Moment, phase: Phase = Phase.JUDGE) -> Decision:
        """What the states say at the moment `at`, without a new value."""
        return self._together(
            [rule.decide(state, at, phase) for rule, state in zip(self.rules, states, strict=True)]
        )

    def _together(self, decisions: Sequence[Decision]) -> Decision:
        stops = [decision for decision in decisions if decision.stop]
        at_once = [decision for decision in stops if decision.reason in _AT_ONCE]
        if at_once:
            return at_once[0]
        enough: Callable[[list[bool]], bool] = any if self.stop_when == "any" else all
        if not enough([decision.stop for decision in decisions]):
            return CONTINUE
        return Decision(True, stops[0].reason, "; ".join(decision.message for decision in stops))
