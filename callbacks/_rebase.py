"""Move torch's schedulers to a measured rate: the whole schedule, not only its first value.

Every torch schedule is proportional to some reference rate: scale it by one factor and its shape
stays. The reference is the base rate of schedules that start or decay from it, and the peak of
cyclical ones.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from torch.optim import Optimizer, lr_scheduler

from lrtool import optimizers, param_groups
from lrtool.errors import UnsupportedError
from lrtool.result import RangeTestResult

__all__ = ["check_schedulers", "rebase"]

_CYCLICAL = (
    lr_scheduler.CosineAnnealingWarmRestarts,
    lr_scheduler.CyclicLR,
    lr_scheduler.OneCycleLR,
)
_COMPOSED = (lr_scheduler.SequentialLR, lr_scheduler.ChainedScheduler)
_SUPPORTED = (
    *_CYCLICAL,
    *_COMPOSED,
    lr_scheduler.ConstantLR,
    lr_scheduler.CosineAnnealingLR,
    lr_scheduler.ExponentialLR,
    lr_scheduler.LambdaLR,
    lr_scheduler.LinearLR,
    lr_scheduler.MultiplicativeLR,
    lr_scheduler.MultiStepLR,
    lr_scheduler.PolynomialLR,
    lr_scheduler.ReduceLROnPlateau,
    lr_scheduler.StepLR,
)
_SCHEDULER_RATES = ("base_lrs", "max_lrs", "min_lrs", "eta_min", "_last_lr", "default_min_lr")
_GROUP_RATES = ("initial_lr", "max_lr", "min_lr")


def check_schedulers(schedulers: Sequence[Any]) -> None:
    """Refuse schedulers whose rates cannot be moved.

    Raises:
        UnsupportedError: for a scheduler that is not one of torch's, or at rates of zero.
    """
    leaves = list(_leaves(schedulers))
    for scheduler in leaves:
        if not _is_known(scheduler):
            raise UnsupportedError(
                f"the measured rate can be applied to torch's own schedulers, got "
                f"{type(scheduler).__module__}.{type(scheduler).__qualname__}, whose rates are "
                "not known here; use LRRangeTest(apply=False), or in its place one of lrtool's "
                "scheduler callbacks, such as OneCycleScheduler()"
            )
    if leaves and not any(_references(leaves[0].optimizer, leaves)):
        raise UnsupportedError(
            "a scheduler is moved to the measured rate by scaling its own, which must be above "
            "zero, got 0.0 in every group; give the optimizer any positive rate"
        )


def rebase(optimizer: Optimizer, schedulers: Sequence[Any], result: RangeTestResult) -> float:
    """Write the suggestion to `optimizer` and move its schedulers there.

    Args:
        optimizer: the swept optimizer; its groups keep their ratios, or get the measured ones.
        schedulers: the schedulers that drive it; checked before.
        result: a range test with a pick.

    Returns:
        The applied rate of the largest group: the pick, or the peak of a cyclical schedule.
    """
    leaves = list(_leaves(schedulers))
    target = result.max_lr if _are_cyclical(leaves) else result.lr
    shares = list(result.group_ratio.values())
    if not leaves:
        param_groups.set_value(optimizer, "lr", target, shares or None)
        optimizers.rebase(optimizer)
        return target
    references = _references(optimizer, leaves)
    whole = (max(references), target)
    moves = [(old, target * share) for old, share in zip(references, shares, strict=False)]

    def scaled(rate: Any, group: int | None = None) -> Any:
        if isinstance(rate, list | tuple):
            return type(rate)(scaled(one, index) for index, one in enumerate(rate))
        if rate is None:
            return None
        before, after = moves[group] if moves and group is not None else whole
        return after * (rate / before) if before else 0.0  # a group at zero stays there

    for scheduler in _all(schedulers):
        for name in _SCHEDULER_RATES:
            if name in vars(scheduler):
                setattr(scheduler, name, scaled(getattr(scheduler, name)))
    for index, group in enumerate(optimizer.param_groups):
        for name in _GROUP_RATES:
            if name in group:
                group[name] = scaled(group[name], index)
    param_groups.set_all(optimizer, "lr", scaled(param_groups.get_all(optimizer, "lr")))
    optimizers.rebase(optimizer)
    return target


def _are_cyclical(leaves: list[Any]) -> bool:
    return any(isinstance(leaf, _CYCLICAL) for leaf in leaves)


def _references(optimizer: Optimizer, leaves: list[Any]) -> list[float]:
    """Each group's rate of today that the measured one takes the place of."""
    if not _are_cyclical(leaves):
        now = [float(group["lr"]) for group in optimizer.param_groups]
        started = any(leaf.last_epoch > 0 for leaf in leaves)
        if started and any(now):  # a schedule that has come down to zero begins anew
            return now
        return [float(group.get("initial_lr", group["lr"])) for group in optimizer.param_groups]
    peaks: list[list[float]] = []
    for leaf in leaves:
        if isinstance(leaf, lr_scheduler.CosineAnnealingWarmRestarts):
            peaks.append([float(one) for one in leaf.base_lrs])
        elif isinstance(leaf, lr_scheduler.CyclicLR):
            peaks.append([float(one) for one in leaf.max_lrs])
        elif isinstance(leaf, lr_scheduler.OneCycleLR):
            peaks.append([float(group["max_lr"]) for group in optimizer.param_groups])
    return [max(group) for group in zip(*peaks, strict=False)]


def _all(schedulers: Sequence[Any]) -> Iterator[Any]:
    """Every scheduler, composed ones and their parts alike."""
    for scheduler in schedulers:
        yield scheduler
        yield from _all(getattr(scheduler, "_schedulers", ()))


def _leaves(schedulers: Sequence[Any]) -> Iterator[Any]:
    return (one for one in _all(schedulers) if not isinstance(one, _COMPOSED))


def _is_known(scheduler: Any) -> bool:
    """Whether `scheduler` computes its rates as one of torch's classes does."""
    return any(
        isinstance(scheduler, known)
        and all(
            getattr(type(scheduler), name, None) is getattr(known, name, None)
            for name in ("get_lr", "step", "_get_closed_form_lr")
        )
        for known in _SUPPORTED
    )
