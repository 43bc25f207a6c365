"""The one reader and writer of lr, momentum (or betas[0]) and weight_decay in an optimizer.

With several groups, a value names the *largest* group's; the others keep their ratio to it.
Ratios are taken once and passed back in, so that no rounding builds up over a sweep.

Three optimizers need more than a number written into a group, and get it here:
- RMSprop raised from momentum 0 misses its momentum buffers: they are added, at zero.
- Adam and its kin divide by 1 - beta1^t with *today's* beta1, which is wrong once beta1 moves; the
  step is rescaled to divide by 1 - beta1_1 * ... * beta1_t instead.
- SWATS replaces the rate by its own when it turns into SGD: from then on, a value written here is
  multiplied by what SWATS's rate was to the value before it.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Literal, Protocol

__all__ = [
    "Knob",
    "get",
    "get_all",
    "momentum_key",
    "ratios",
    "set_all",
    "set_value",
    "split",
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
    kind = type(_innermost(optimizer) if knob == "momentum" else None)
    lineage = _lineage(kind)  # type: ignore[arg-type]  # mypy holds classes unhashable
    for group, value in zip(optimizer.param_groups, values, strict=True):
        if value is not None:
            if lineage:
                _prepare_momentum(optimizer, group, value, lineage)
            _write(group, knob, value)


def split(optimizer: HasParamGroups, label: Callable[[Any], int]) -> list[int]:
    """Split the groups of `optimizer` in place, by a label of each parameter.

    A part keeps its group's options. Parts of one group are ordered by label, and named after it.

    Args:
        optimizer: before its first step, or anyway without state that counts groups.
        label: parameter -> label.

    Returns:
        One label a group, in the new order.
    """
    parts: list[ParamGroup] = []
    labels: list[int] = []
    for index, group in enumerate(optimizer.param_groups):
        members: dict[int, list[Any]] = {}
        for parameter in group["params"]:
            members.setdefault(label(parameter), []).append(parameter)
        for key in sorted(members):
            part = {k: v.clone() if hasattr(v, "clone") else v for k, v in group.items()}
            part["params"] = members[key]
            part["name"] = f"{group.get('name', f'group{index}')}/layers{key}"
            parts.append(part)
            labels.append(key)
    optimizer.param_groups[:] = parts
    return labels


def _read(group: ParamGroup, knob: Knob) -> float | None:
    key = momentum_key(group) if knob == "momentum" else knob
    if key is None or key not in group:
        return None
    value = float(group["betas"][0] if key == "betas" else group[key])
    return value / _switch_share(group) if key == "lr" else value


def _write(group: ParamGroup, knob: Knob, value: float) -> None:
    if type(group.get(knob)) is float and "phase" not in group:
        group[knob] = value  # the usual case, made short: this runs at every step of a training
        return
    key = momentum_key(group) if knob == "momentum" else knob
    if key is None or key not in group:
        return
    if key == "betas":
        old = group["betas"][0]
        if hasattr(old, "fill_"):
            old.fill_(value)
        else:
            group["betas"] = (value, *group["betas"][1:])
    else:
        _put(group, key, _through_switch(group, value) if key == "lr" else value)


def _put(group: ParamGroup, key: str, value: float) -> None:
    if hasattr(group[key], "fill_"):  # the same tensor, filled: compiled optimizers hold on to it
        group[key].fill_(value)
    else:
        group[key] = value


def _switch_share(group: ParamGroup) -> float:
    """SWATS's own rate over the one it replaced; 1 for everyone else and before the switch."""
    if group.get("phase") != "sgd":
        return 1.0
    if "switch_share" in group:
        return float(group["switch_share"])
    now: float = group["lr"]
    before: float = group.get("lr_before_switch", now)
    return float(now) / float(before) if before > 0 else 1.0


def _through_switch(group: ParamGroup, value: float) -> float:
    if "phase" not in group:
        return value
    if group["phase"] != "sgd":
        group["lr_before_switch"] = value
        return value
    group["switch_share"] = share = _switch_share(group)
    return value * share


@cache
def _lineage(kind: type) -> frozenset[str]:
    """Names of the classes with a trap of momentum that `kind` derives from."""
    names = {base.__name__ for base in kind.__mro__}
    return frozenset(names & (_DIVIDES_BY_TODAYS_BETA1 | {"RMSprop"}))


def _prepare_momentum(
    optimizer: HasParamGroups, group: ParamGroup, value: float, lineage: frozenset[str]
) -> None:
    inner = _innermost(optimizer)
    if "RMSprop" in lineage and value > 0:
        for parameter in group["params"]:
            state = inner.state.get(parameter)
            if state and "momentum_buffer" not in state:
                state["momentum_buffer"] = parameter.new_zeros(parameter.shape)
    if lineage & _DIVIDES_BY_TODAYS_BETA1 and "betas" in group:
        changes = float(group["betas"][0]) != value
        if changes or "beta1_product" in group:
            group.setdefault("beta1_product", float(group["betas"][0]) ** _steps(inner, group))
            _correct_beta1(inner)


# Bias correction of a moving beta1.
_DIVIDES_BY_TODAYS_BETA1 = {"Adam", "Adamax", "AdamW", "RAdam", "AdaBound", "SWATS", "Muon"}
_Saved = list[tuple[ParamGroup, dict[str, float], float]]


def _innermost(optimizer: Any) -> Any:
    inner = getattr(optimizer, "optimizer", None)
    return _innermost(inner) if hasattr(inner, "param_groups") else optimizer


def _steps(optimizer: Any, group: ParamGroup) -> int:
    """Steps this group has taken."""
    if "step" in group:
        return int(group["step"])
    counts = [optimizer.state[p]["step"] for p in group["params"] if "step" in optimizer.state[p]]
    return int(max(counts, default=0))


def _correct_beta1(optimizer: Any) -> None:
    """Rescale each step of groups with a `beta1_product` by (1 - beta1^t) / (1 - product)."""
    if getattr(optimizer, "_lrtool_corrects_beta1", False):
        return
    optimizer._lrtool_corrects_beta1 = True
    changed: _Saved = []

    def before_update() -> None:
        for group in optimizer.param_groups:
            if "beta1_product" in group and group.get("phase") != "sgd":
                beta = float(group["betas"][0])
                group["beta1_product"] *= beta
                used = 1 - beta ** (_steps(optimizer, group) + 1)
                factor = used / (1 - group["beta1_product"])
                changed.append((group, *_rescale(group, factor)))

    def before_step(_: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        # The closure may hold the whole training step: what it sees, and what it raises in, is a
        # group as it was left. So rescale after it.
        closure: Callable[[], Any] | None = args[1] if len(args) > 1 else kwargs.get("closure")
        if closure is None:
            before_update()
            return None

        def then_rescale() -> Any:
            loss = closure()
            before_update()
            return loss

        return (args[0], then_rescale), {k: v for k, v in kwargs.items() if k != "closure"}

    def after_step(*_: Any) -> None:
        while changed:
            group, saved, scaled_lr = changed.pop()
            switched = float(group["lr"]) != scaled_lr  # SWATS wrote a rate of its own
            for key, value in saved.items():
                if not (switched and key == "lr"):
                    _put(group, key, value)

    optimizer.register_step_pre_hook(before_step)
    optimizer.register_step_post_hook(after_step)


def _rescale(group: ParamGroup, factor: float) -> tuple[dict[str, float], float]:
    """Scale the update alone: what is multiplied by lr without being part of it is divided."""
    decoupled = group.get("decoupled_weight_decay", group.get("weight_decouple", False))
    keys = ["lr"]
    keys += ["weight_decay"] if decoupled and not group.get("fixed_decay") else []
    keys += ["final_lr"] if "final_lr" in group else []  # AdaBound's bounds follow lr
    saved = {key: float(group[key]) for key in keys}
    for key, value in saved.items():
        _put(group, key, value * factor if key == "lr" else value / factor)
    return saved, float(group["lr"])
