"""Which momentum schedule a plan means for an optimizer."""

import warnings
from typing import Any, TypeAlias

from lrtool import param_groups
from lrtool._check import require
from lrtool.optimizers import capabilities_of
from lrtool.schedules import Constant, Horizon, Schedule, ScheduleLike, opposed, resolve

__all__ = ["MomentumLike", "check_momentum", "momentum_schedule"]

MomentumLike: TypeAlias = ScheduleLike | tuple[float, float] | None
"""A schedule of momentum; or a pair (low, high) that moves against the rate's cycle; or "auto"."""


def check_momentum(plan: MomentumLike) -> None:
    """Refuse a number or a pair out of its range.

    Raises:
        ArgumentError: for one at or above 1, below 0, or a pair out of order.
    """
    if isinstance(plan, tuple):
        low, high = plan
        require(0 <= low <= high < 1, "0 <= low <= high < 1", momentum=plan)
    elif isinstance(plan, float | int):
        require(0 <= plan < 1, "0 <= momentum < 1", momentum=plan)


def momentum_schedule(
    plan: MomentumLike, cycle: Any, optimizer: Any, horizon: Horizon, momentum: float | None
) -> Schedule | None:
    """The schedule `plan` means for `optimizer`, whose momentum was `momentum` before it began.

    Returns None, with a warning unless the plan is "auto", where there is no momentum to schedule.
    """
    keys = {param_groups.momentum_key(group) for group in optimizer.param_groups} - {None}
    can = capabilities_of(optimizer).momentum_cycle
    if plan == "auto":
        if keys != {"momentum"} or not momentum or not can or not isinstance(cycle, Schedule):
            return None
        # never above the momentum the rate was measured at: more of it did harm in the benchmark
        plan = (max(0.0, momentum - (1 - momentum) / 2), momentum)
    if not keys:
        warnings.warn(
            f"{type(optimizer).__name__} has neither momentum nor betas: only its rate follows a "
            "schedule; pass momentum=None to say so yourself",
            stacklevel=2,
        )
        return None
    if not can and not isinstance(plan, float | int | Constant):  # held still, it does no harm
        warnings.warn(
            f"{type(optimizer).__name__} does not bear a moving momentum well: {can.reason}; "
            "pass momentum=None to leave it alone",
            stacklevel=2,
        )
    if isinstance(plan, tuple):
        require(isinstance(cycle, Schedule), "one schedule of lr to move against", lr=cycle)
        low, high = plan
        return opposed(cycle, low=low, high=high)
    assert plan is not None
    return resolve(plan, horizon)
