"""Which momentum schedule an optimizer can bear."""

import warnings
from math import prod
from typing import Any, TypeAlias

from lrtool import optimizers, param_groups
from lrtool._check import require
from lrtool.schedules import Horizon, Schedule, ScheduleLike, opposed, resolve

__all__ = ["MomentumLike", "beta1_error", "momentum_schedule"]

MomentumLike: TypeAlias = ScheduleLike | tuple[float, float] | None
"""A schedule of momentum; or a pair (low, high) that moves against the rate's cycle; or "auto"."""

_TOLERATED = 0.1


def momentum_schedule(
    plan: MomentumLike, cycle: Any, optimizer: Any, horizon: Horizon, momentum: float | None
) -> Schedule | None:
    """The schedule `plan` means for `optimizer`, whose momentum was `momentum` before it began.

    Returns None, with a warning unless the plan is "auto", where momentum cannot be scheduled.
    """
    keys = {param_groups.momentum_key(group) for group in optimizer.param_groups} - {None}
    if plan == "auto":
        if keys != {"momentum"} or not momentum or not isinstance(cycle, Schedule):
            return None
        plan = (momentum - (1 - momentum) / 2, momentum + (1 - momentum) / 2)
    if not keys:
        warnings.warn(
            f"{type(optimizer).__name__} has neither momentum nor betas: only its rate follows a "
            "schedule; pass momentum=None to say so yourself",
            stacklevel=2,
        )
        return None
    if isinstance(plan, tuple):
        require(isinstance(cycle, Schedule), "one schedule of lr to move against", lr=cycle)
        schedule: Schedule = opposed(cycle, low=plan[0], high=plan[1])
    else:
        assert plan is not None
        schedule = resolve(plan, horizon)
    if "betas" in keys and not optimizers.capabilities_of(optimizer).momentum_cycle:
        _warn_of_bias(optimizer, schedule)
    return schedule


def beta1_error(schedule: Schedule, steps: int) -> float:
    """The largest relative error of Adam's bias correction while beta1 follows `schedule`.

    After k steps of a constant gradient the running mean is ``1 - prod(beta_i)`` of it, and Adam
    divides by ``1 - beta_k ** k``. The two agree only while beta1 stands still.
    """
    betas = [schedule(step) for step in range(steps)]
    errors = [
        abs((1 - prod(betas[:k])) / (1 - betas[k - 1] ** k) - 1)
        for k in range(1, steps + 1)
        if betas[k - 1] < 1
    ]
    return max(errors, default=0.0)


def _warn_of_bias(optimizer: Any, schedule: Schedule) -> None:
    window = min(200, max(2, round(5 / max(1 - schedule(0), 0.025))))
    error = beta1_error(schedule, window)
    if error > _TOLERATED:
        warnings.warn(
            f"{type(optimizer).__name__} corrects its bias with the beta1 of the moment: moving "
            f"beta1 this early makes updates up to {error:.0%} wrong; hold it still for the "
            "first steps (lrtool.schedules.join) or leave momentum=None",
            stacklevel=2,
        )
