"""A sweep of each parameter group by itself: which groups, at which shares, read as one result."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from lrtool import optimizers, param_groups
from lrtool._check import require
from lrtool.errors import UnsupportedError
from lrtool.result import RangeTestResult
from lrtool.sweep import Sweep, SweepConfig

__all__ = ["Job", "check_groups", "combined", "group_jobs", "silent_groups", "untested_together"]


@dataclass(frozen=True)
class Job:
    """One sweep to take.

    Args:
        sweep: its rates.
        ratio: each group's share of them.
        group: the name of the group it is about; None when it is about all.
    """

    sweep: Sweep
    ratio: Sequence[float]
    group: str | None = None


def group_jobs(optimizer: Any, config: SweepConfig) -> list[Job]:
    """A sweep of each group that trains, the others held at zero.

    At any other rate they would learn as well, and their descent would be taken for the group's.
    """
    names, count = _names(optimizer), len(optimizer.param_groups)
    return [
        Job(Sweep(config), [float(other == index) for other in range(count)], names[index])
        for index in _trained(optimizer)
    ]


def check_groups(optimizer: Any) -> None:
    """Refuse an optimizer that has no groups to measure one by one.

    Raises:
        ArgumentError: when fewer than two groups train.
        UnsupportedError: when its groups cannot have rates of their own.
    """
    can = optimizers.capabilities_of(optimizer)
    if not can.group_rates:
        raise UnsupportedError(
            f"per_group=True needs groups with rates of their own, got {can.name}: "
            f"{can.group_rates.reason}; leave per_group out"
        )
    trained = _trained(optimizer)
    require(
        len(trained) > 1, "per_group=True needs two parameter groups that train: groups >= 2",
        "give the optimizer a list such as [{'params': ..., 'name': 'head'}, ...], or leave "
        "per_group out", groups=len(trained),
    )  # fmt: skip


def combined(optimizer: Any, groups: dict[str, RangeTestResult]) -> RangeTestResult:
    """The groups' range tests as one: that of the highest pick, with every group's share of it.

    A group without a pick keeps its ratio to the leading one, and gets no higher rate; a group at
    zero stays there. Without any pick there are no shares.
    """
    picked = {name: one for name, one in groups.items() if one.suggestion.has_pick}
    if not picked:
        return replace(next(iter(groups.values())), groups=groups)
    first = max(picked, key=lambda name: picked[name].lr)
    top = picked[first].lr
    own = dict(zip(_names(optimizer), param_groups.ratios(optimizer, "lr"), strict=True))
    shares = {
        name: picked[name].lr / top if name in picked else min(1.0, share / own[first])
        for name, share in own.items()
    }
    return replace(picked[first], groups=groups, group_ratio=shares)


def silent_groups(result: RangeTestResult) -> tuple[str, ...]:
    """Which groups have no pick, in words."""
    return tuple(
        f"parameter group {name} has no pick ({one.suggestion.status.value}); it keeps its ratio"
        for name, one in result.groups.items()
        if not one.suggestion.has_pick and result.group_ratio
    )


def untested_together(
    finder: Any, result: RangeTestResult, callbacks: Sequence[Any]
) -> tuple[str, ...]:
    """That no range test follows of all groups at the measured ratios, in words.

    Args:
        finder: the range test that measured.
        result: what it found.
        callbacks: the Trainer's.
    """
    if not result.groups or not result.group_ratio:
        return ()
    behind = callbacks[callbacks.index(finder) + 1 :] if finder in callbacks else []
    if any(
        getattr(one, "measures_lr", False)
        and one.optimizer == finder.optimizer
        and not getattr(one, "per_group", True)
        for one in behind
    ):
        return ()
    return (
        "rates measured one by one may be too high together; put a second LRRangeTest() behind "
        "this one, which sweeps all groups at the ratios found",
    )


def _trained(optimizer: Any) -> list[int]:
    """The groups that move: a rate above zero, a parameter that gets gradients."""
    rates = param_groups.get_all(optimizer, "lr")
    return [
        index
        for index, group in enumerate(optimizer.param_groups)
        if rates[index] and any(one.requires_grad for one in group["params"])
    ]


def _names(optimizer: Any) -> list[str]:
    """Every group's name, or else its number; names that occur twice get their number too."""
    given = [group.get("name") for group in optimizer.param_groups]
    counts = Counter(given)
    return [
        f"group{index}" if name is None else name if counts[name] == 1 else f"{name}/{index}"
        for index, name in enumerate(given)
    ]
