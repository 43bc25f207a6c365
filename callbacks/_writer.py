"""From a run's length and rates to schedules, and from schedules to an optimizer's numbers."""

import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from lrtool import param_groups
from lrtool._check import non_negative, require
from lrtool.callbacks._momentum import check_momentum, momentum_schedule
from lrtool.optimizers import capabilities_of
from lrtool.param_groups import Knob
from lrtool.result import RangeTestResult
from lrtool.schedules import Horizon, Recipe, Schedule, ScheduleLike, misfits, recipe, resolve

__all__ = ["Writer", "check_plans"]


def check_plans(plans: Mapping[Knob, Any]) -> None:
    """Refuse plans that no run could carry out.

    Raises:
        ArgumentError: for a name that is none, an argument out of its range, a bare function.
    """
    for knob, plan in plans.items():
        for one in plan.values() if isinstance(plan, Mapping) else [plan]:
            if one is None or isinstance(one, Schedule) or (knob == "momentum" and one == "auto"):
                continue
            if isinstance(one, str | Recipe):
                (recipe(one) if isinstance(one, str) else one).check()
            elif knob == "momentum":
                check_momentum(one)
            else:
                wrap = "wrap a function of the step: lrtool.schedules.lambda_(fn)"
                non_negative(wrap if callable(one) else "", **{knob: one})


class Writer:
    """Resolves plans once the run is known, and writes their values step by step.

    Args:
        plans: for each knob a schedule, a recipe, a name, a number, or a mapping by group name.
        saved: what `state` gave before a checkpoint; empty for a fresh run.
        quiet: keep warnings in `said` only.
    """

    def __init__(
        self, plans: Mapping[Knob, Any], saved: Mapping[str, Any], *, quiet: bool = False
    ) -> None:
        self.plans = plans
        self.saved = saved
        self.quiet = quiet
        self.said: list[str] = []
        self.horizon: Horizon | None = None
        self.schedules: dict[Knob, Schedule | dict[str, Schedule]] = {}
        self._source: RangeTestResult | None = None
        self._num_groups = -1
        self._jobs: list[tuple[Knob, Schedule, list[float] | None]] = []
        self._named_jobs: list[tuple[Knob, dict[str, Schedule]]] = []
        self._ratios: dict[Knob, list[float]] = {
            knob: list(values) for knob, values in saved.get("ratios", {}).items()
        }
        self._momentum: float | None = saved.get("momentum")

    @property
    def lr(self) -> Schedule | None:
        """The rate's schedule, when it is one for all groups."""
        found = self.schedules.get("lr")
        return found if isinstance(found, Schedule) else None

    def state(self) -> dict[str, Any]:
        """Plain scalars and lists: what a resumed run cannot learn from its optimizer."""
        if self.horizon is None:
            return dict(self.saved)
        return {
            "total_steps": self.horizon.total_steps,
            "lr": self.horizon.lr,
            "min_lr": self.horizon.min_lr,
            "max_lr": self.horizon.max_lr,
            "momentum": self._momentum,
            "ratios": {knob: list(values) for knob, values in self._ratios.items()},
        }

    def set_horizon(self, horizon: Horizon) -> None:
        """Take the run's length; schedules made for another one are dropped."""
        self.horizon = horizon
        self.schedules = {}

    def resolve(self, optimizer: Any, result: RangeTestResult | None) -> None:
        """Make the schedules once, and again when a new measurement has come in."""
        if self.schedules and result is self._source:
            return
        assert self.horizon is not None
        self._source = result
        for knob in ("lr", "weight_decay"):
            self._ratios.setdefault(knob, param_groups.ratios(optimizer, knob))
        if result is not None and result.group_ratio:
            self._ratios["lr"] = _measured_shares(optimizer, result)
        if self._momentum is None:
            self._momentum = param_groups.get(optimizer, "momentum")
        self.horizon = self._with_rates(self.horizon, optimizer, result)
        self.schedules = self._built(optimizer, self.horizon)
        self._num_groups = -1
        if self.lr is not None:
            for text in misfits(self.lr, self.horizon.total_steps, self.horizon.steps_per_epoch):
                self.say(text)
            can = capabilities_of(optimizer)
            if self.lr.cycle(0) is not None and not can.cycle:
                self.say(f"{can.name} does not bear a rate that rises again: {can.cycle.reason}")

    def write(self, optimizer: Any, step: int) -> None:
        """Write every knob's value at `step`, to all groups, those added since included."""
        if len(optimizer.param_groups) != self._num_groups:
            self._admit_groups(optimizer)
        for knob, schedule, shares in self._jobs:
            param_groups.set_value(optimizer, knob, schedule(step), shares)
        for knob, named in self._named_jobs:
            names = [group.get("name") for group in optimizer.param_groups]
            values = [named[name](step) if name in named else None for name in names]
            param_groups.set_all(optimizer, knob, values)

    def say(self, text: str) -> None:
        """Warn, once."""
        if text in self.said:
            return
        self.said.append(text)
        if not self.quiet:
            warnings.warn(text, stacklevel=2)

    def _admit_groups(self, optimizer: Any) -> None:
        """Groups added since the last step: each keeps its share of the present values."""
        self._num_groups = len(optimizer.param_groups)
        for knob, known in self._ratios.items():
            if self._num_groups > len(known):
                known.extend(param_groups.ratios(optimizer, knob)[len(known) :])
        self._jobs, self._named_jobs = [], []
        for knob, schedule in self.schedules.items():
            if isinstance(schedule, Schedule):
                shares = self._ratios.get(knob, [])[: self._num_groups] or None
                self._jobs.append((knob, schedule, shares))
            else:
                self._named_jobs.append((knob, schedule))

    def _with_rates(
        self, horizon: Horizon, optimizer: Any, result: RangeTestResult | None
    ) -> Horizon:
        """Fill in the rates: measured, else the checkpoint's, else the optimizer's own."""
        if result is not None and result.suggestion.has_pick:
            return replace(horizon, lr=result.lr, min_lr=result.min_lr, max_lr=result.max_lr)
        if self.saved.get("max_lr") is not None:
            known = {name: self.saved[name] for name in ("lr", "min_lr", "max_lr")}
            return replace(horizon, **known)
        own = param_groups.get(optimizer, "lr") or 0.0
        if result is not None:
            self.say(
                f"the range test has no pick ({result.suggestion.reason}): the schedule takes the "
                f"optimizer's own rate {own:g} as its highest"
            )
        return replace(horizon, lr=own, max_lr=own, min_lr=own / 4)

    def _built(
        self, optimizer: Any, horizon: Horizon
    ) -> dict[Knob, Schedule | dict[str, Schedule]]:
        built: dict[Knob, Schedule | dict[str, Schedule]] = {}
        for knob, plan in self.plans.items():
            if plan is None:
                continue
            if isinstance(plan, Mapping):
                built[knob] = self._per_group(optimizer, plan, horizon)
            elif knob == "momentum":
                moved = momentum_schedule(plan, built.get("lr"), optimizer, horizon, self._momentum)
                if moved is not None:
                    built[knob] = moved
            else:
                built[knob] = resolve(plan, horizon)
        return built

    def _per_group(
        self, optimizer: Any, plans: Mapping[str, ScheduleLike], horizon: Horizon
    ) -> dict[str, Schedule]:
        groups = [group.get("name") for group in optimizer.param_groups]
        for name in plans:
            require(
                name in groups,
                "every schedule names a parameter group",
                "give the groups a 'name'",
                name=name,
                groups=groups,
            )
        shares = dict(zip(groups, self._ratios["lr"], strict=False))
        return {name: resolve(plan, horizon.scaled(shares[name])) for name, plan in plans.items()}


def _measured_shares(optimizer: Any, result: RangeTestResult) -> list[float]:
    """Each group's share of the rate, where the range test measured them one by one."""
    shares = list(result.group_ratio.values())
    require(
        len(shares) == len(optimizer.param_groups), "a range test of as many parameter groups",
        "measure again with the groups that train", measured=list(result.group_ratio),
        groups=len(optimizer.param_groups),
    )  # fmt: skip
    return shares
