"""Reduce on plateau, as a pure state machine."""

from dataclasses import dataclass, replace
from math import isnan

from lrtool._check import integer, non_negative, one_of, require
from lrtool.types import Mode

__all__ = ["Plateau", "PlateauState", "plateau"]


@dataclass(frozen=True)
class PlateauState:
    """Where a `Plateau` stands; plain numbers.

    Args:
        lr: the present value.
        best: the best metric so far; None before the first.
        num_bad: checks since the last improvement.
        cooldown_left: checks still to wait after the last drop.
    """

    lr: float
    best: float | None = None
    num_bad: int = 0
    cooldown_left: int = 0


@dataclass(frozen=True)
class Plateau:
    """Drops the rate by `factor` when a metric has not improved for more than `patience` checks.

    Not a function of the step but of what was measured, so it is a state machine: ``init()`` gives
    the first state, ``update(state, metric)`` the next. States are values, nothing is changed.

    A metric m improves on the best b when (mode "min") ``m < b - threshold * abs(b)`` with
    threshold_mode "rel", ``m < b - threshold`` with "abs"; (mode "max") correspondingly above. The
    absolute value keeps "rel" right for negative metrics. NaN never improves.

    Args:
        lr: first value, at least 0.
        mode: "min" or "max".
        factor: of one drop, in (0, 1).
        patience: checks without improvement that are tolerated, at least 0.
        threshold: least improvement that counts, at least 0.
        threshold_mode: "rel" or "abs".
        cooldown: checks after a drop in which none counts as bad, at least 0.
        min_lr: floor, at least 0.

    Raises:
        ArgumentError: when a value is out of its range.

    >>> rule = plateau(0.8, factor=0.5, patience=1)
    >>> state = rule.init()
    >>> for loss in (1.0, 1.0, 1.0):
    ...     state = rule.update(state, loss)
    >>> state
    PlateauState(lr=0.4, best=1.0, num_bad=0, cooldown_left=0)
    """

    lr: float
    mode: Mode = "min"
    factor: float = 0.1
    patience: int = 10
    threshold: float = 1e-4
    threshold_mode: str = "rel"
    cooldown: int = 0
    min_lr: float = 0.0

    def __post_init__(self) -> None:
        non_negative(lr=self.lr, threshold=self.threshold, min_lr=self.min_lr)
        require(0 < self.factor < 1, "0 < factor < 1", factor=self.factor)
        integer(0, patience=self.patience, cooldown=self.cooldown)
        one_of("mode", self.mode, ("min", "max"))
        one_of("threshold_mode", self.threshold_mode, ("rel", "abs"))

    def init(self) -> PlateauState:
        """The state before the first check."""
        return PlateauState(self.lr)

    def update(self, state: PlateauState, metric: float) -> PlateauState:
        """The state after a check that found `metric`."""
        if self._improves(metric, state.best):
            state = replace(state, best=metric, num_bad=0)
        else:
            state = replace(state, num_bad=state.num_bad + 1)
        if state.cooldown_left > 0:
            state = replace(state, cooldown_left=state.cooldown_left - 1, num_bad=0)
        if state.num_bad <= self.patience:
            return state
        lr = max(state.lr * self.factor, min(self.min_lr, state.lr))
        return replace(state, lr=lr, num_bad=0, cooldown_left=self.cooldown)

    def _improves(self, metric: float, best: float | None) -> bool:
        if isnan(metric) or best is None:
            return not isnan(metric)
        margin = self.threshold * abs(best) if self.threshold_mode == "rel" else self.threshold
        return metric < best - margin if self.mode == "min" else metric > best + margin


plateau = Plateau
