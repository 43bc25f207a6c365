"""The one reader and writer of lr, momentum (or betas[0]) and weight_decay in an optimizer.

With several groups, a value names the *largest* group's; the others keep their ratio to it.
Ratios are taken once and passed back in, so that no rounding builds up over a sweep.
"""

from collections.abc import Sequence
from typing import Any, Literal, Protocol

__all__ = [
    "Knob",
    "get",
    "get_all",
    "momentum_key",
    "ratios",
    "set_all",
    "set_value",
]

Knob = Literal["lr", "momentum", "weight_decay"]
ParamGroup = dict[str, Any]


class HasParamGroups(Protocol):
    """Anything with torch's `param_groups`: an Optimizer, or a wrapper around one."""

    @property
    def param_groups(self) -> list[ParamGroup]:
        """The live groups."""
        ...


def momentum_key(group: ParamGroup) -> Literal["momentum", "betas"] | None:
    """Name the knob that plays momentum in `group`: `momentum`, else `betas` ([0]), else none."""
    if "momentum" in group:
        return "momentum"
    return "betas" if "betas" in group else None


def get_all(optimizer: HasParamGroups, knob: Knob) -> list[float | None]:
    """Read `knob` of every group; None where a group has no such knob."""
    return [_read(group, knob) for group in optimizer.param_groups]


def get(optimizer: HasParamGroups, knob: Knob) -> float | None:
    """Read the largest value of `knob` over the groups; None when no group has it."""
    present = [value for value in get_all(optimizer, knob) if value is not None]
    return max(present, default=None)


def ratios(optimizer: HasParamGroups, knob: Knob) -> list[float]:
    """Each group's share of the largest value: 1.0 for the largest.

    Groups without the knob, or with all values zero, count as 1.0 each.
    """
    values = [1.0 if value is None else value for value in get_all(optimizer, knob)]
    top = max(values, default=0.0)
    return [value / top for value in values] if top > 0 else [1.0] * len(values)


def set_value(
    optimizer: HasParamGroups, knob: Knob, value: float, ratio: Sequence[float] | None = None
) -> None:
    """Write `value` to the largest group and `value * ratio` to the rest.

    Args:
        optimizer: its `param_groups` are written in place.
        knob: what to write. Momentum goes to every group alike: it has no ratio.
        value: the largest group's new value.
        ratio: one factor a group, from `ratios`; by default today's.
    """
    if knob == "momentum":
        set_all(optimizer, knob, [value] * len(optimizer.param_groups))
        return
    shares = ratios(optimizer, knob) if ratio is None else ratio
    set_all(optimizer, knob, [value * share for share in shares])


def set_all(optimizer: HasParamGroups, knob: Knob, values: Sequence[float | None]) -> None:
    """Write one value a group; None, or a group without the knob, is left alone."""
    for group, value in zip(optimizer.param_groups, values, strict=True):
        if value is not None:
            _write(group, knob, value)


def _read(group: ParamGroup, knob: Knob) -> float | None:
    key = momentum_key(group) if knob == "momentum" else knob
    if key is None or key not in group:
        return None
    return float(group["betas"][0] if key == "betas" else group[key])


def _write(group: ParamGroup, knob: Knob, value: float) -> None:
    key = momentum_key(group) if knob == "momentum" else knob
    if key is None or key not in group:
        return
    old = group["betas"][0] if key == "betas" else group[key]
    if hasattr(old, "fill_"):  # a tensor stays that tensor: compiled optimizers hold on to it
        old.fill_(value)
    elif key == "betas":
        group["betas"] = (value, *group["betas"][1:])
    else:
        group[key] = value
