"""Parameter groups found from the module tree."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, Literal, NamedTuple, TypeAlias

from torch import nn

from lrtool._check import non_negative, positive, require
from lrtool.fine_tuning import layer_shares
from lrtool.group_plan import GroupPlan, Row, groups_of
from lrtool.module_tree import is_norm, layers, owners

__all__ = ["GroupPlan", "NoDecay", "groups_of", "param_groups"]

NoDecay: TypeAlias = (
    "Literal['bias_and_norm'] | Sequence[str] | Callable[[str, nn.Parameter], bool] | None"
)


def _escapes_decay(rule: NoDecay, model: nn.Module) -> Callable[[str, nn.Parameter], bool]:
    if rule is None:
        return lambda name, parameter: False
    if callable(rule):
        return rule
    if rule == "bias_and_norm":
        owner_of = owners(model)

        def bias_or_norm(name: str, parameter: nn.Parameter) -> bool:
            owner = owner_of[parameter]
            bias = "bias" in owner.attribute and parameter.ndim <= 1
            return bias or is_norm(owner.module) or isinstance(owner.module, nn.PReLU)

        return bias_or_norm
    require(
        not isinstance(rule, str), "no_decay 'bias_and_norm', None, name patterns or a function",
        "put a single pattern in a list", no_decay=rule,
    )  # fmt: skip
    patterns = list(rule)
    known = [name for name, _ in model.named_parameters()]
    for pattern in patterns:
        _matches(pattern, known)
    return lambda name, parameter: any(fnmatchcase(name, pattern) for pattern in patterns)


def _matches(pattern: str, known: Iterable[str]) -> list[str]:
    known = list(known)
    found = [name for name in known if fnmatchcase(name, pattern)]
    require(
        bool(found), "a pattern that matches some parameter's name",
        f"names look like {', '.join(known[:3])}", pattern=pattern,
    )  # fmt: skip
    return found


def param_groups(
    model: nn.Module,
    *,
    lr: float,
    weight_decay: float = 0.0,
    layer_decay: float | None = None,
    no_decay: NoDecay = "bias_and_norm",
    layer_groups: Sequence[Any] | None = None,
    overrides: Mapping[str, Mapping[str, Any]] | None = None,
    split: Callable[[nn.Parameter], str] | None = None,
) -> GroupPlan:
    r"""Group a model's parameters by depth, by whether they decay, and by your own overrides.

        lr_l = lr * layer_decay^(L - 1 - l),   l = 0 .. L - 1 from the input,  L layers

    Every parameter, frozen or not, is in exactly one group; tied weights once.

    Args:
        model: whose parameters to group.
        lr: the last layer's rate, the largest.
        weight_decay: of every parameter that decays, zero or above.
        layer_decay: in (0, 1]; 0.38 is ULMFiT's 1/2.6, 0.1 to 0.33 the usual 3 to 10 times lower
            for earlier layers. None: one rate.
        no_decay: "bias_and_norm" (by module type), None (all decay), a list of name patterns, or a
            function of a parameter's name and itself.
        layer_groups: modules (or lists of modules or parameters), input side first, in place of
            the layers found by `layers`. Parameters in none of them join the last one.
        overrides: name pattern -> options for the matching parameters: `lr_mult` and `decay_mult`
            multiply, anything else (lr, weight_decay, betas...) is set as torch takes it. Later
            patterns win.
        split: a further label for each parameter, which keeps labels in groups of their own.

    Raises:
        ArgumentError: when a value breaks its rule, a pattern matches nothing, or a parameter is in
            two layer groups.

    References:
        Howard and Ruder, "Universal language model fine-tuning for text classification", ACL 2018,
        section 3.2 (discriminative rates).

    >>> net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    >>> print(param_groups(net, lr=0.1, layer_decay=0.5))
    group            lr    weight decay  tensors  weights  trained  first     options
    layer0/decay     0.05  0             1        4        4        0.weight
    layer0/no_decay  0.05  0             1        2        2        0.bias
    layer1/decay     0.1   0             1        2        2        1.weight
    layer1/no_decay  0.1   0             1        1        1        1.bias
    """
    positive(lr=lr)
    non_negative(weight_decay=weight_decay)
    named = dict(model.named_parameters())
    require(bool(named), "a module with parameters", module=type(model).__name__)
    escapes = _escapes_decay(no_decay, model)
    layered = layer_decay is not None or layer_groups is not None
    depth = _depth(model, layer_groups) if layered else dict.fromkeys(named.values(), 0)
    count = max(depth.values()) + 1
    shares = [1.0] * count if layer_decay is None else layer_shares(count, layer_decay)
    extra = _overrides(overrides or {}, named)
    members: dict[_Key, list[tuple[str, nn.Parameter]]] = {}
    options: dict[_Key, Mapping[str, Any]] = {}
    for name, parameter in sorted(named.items(), key=lambda item: depth[item[1]]):
        own, origin = extra.get(name, ({}, ""))
        label = split(parameter) if split else ""
        key = _Key(depth[parameter], label, escapes(name, parameter), origin)
        members.setdefault(key, []).append((name, parameter))
        options[key] = own
    return GroupPlan(
        tuple(
            _row(
                key, options[key], tuple(members[key]), f"layer{key.layer}" if layered else "",
                lr * shares[key.layer], 0.0 if key.escapes else weight_decay,
            )
            for key in sorted(members)
        )
    )  # fmt: skip


class _Key(NamedTuple):
    """What parameters of one group have in common; in this order groups stand."""

    layer: int
    label: str
    escapes: bool  # weight decay
    origin: str  # the patterns of its overrides


def _row(
    key: _Key,
    options: Mapping[str, Any],
    members: tuple[tuple[str, nn.Parameter], ...],
    layer: str,
    lr: float,
    weight_decay: float,
) -> Row:
    parts = (layer, key.label, key.origin, "no_decay" if key.escapes else "decay")
    rest = dict(options)
    lr *= rest.pop("lr_mult", 1.0)
    weight_decay *= rest.pop("decay_mult", 1.0)
    if key.label:
        rest["split"] = key.label
    return Row(
        "/".join(part for part in parts if part),
        rest.pop("lr", lr),
        rest.pop("weight_decay", weight_decay),
        tuple(rest.items()),
        members,
    )


def _overrides(
    overrides: Mapping[str, Mapping[str, Any]], named: Mapping[str, nn.Parameter]
) -> dict[str, tuple[dict[str, Any], str]]:
    merged: dict[str, tuple[dict[str, Any], str]] = {}
    for pattern, options in overrides.items():
        require(
            "params" not in options, "overrides without params",
            "the pattern says which parameters", pattern=pattern,
        )  # fmt: skip
        for key in ("lr_mult", "decay_mult", "lr", "weight_decay"):
            if key in options:
                non_negative(f"in the overrides of {pattern!r}", **{key: options[key]})
        for name in _matches(pattern, named):
            before, origin = merged.get(name, ({}, ""))
            merged[name] = ({**before, **options}, f"{origin}+{pattern}" if origin else pattern)
    return merged


def _depth(model: nn.Module, layer_groups: Sequence[Any] | None) -> dict[nn.Parameter, int]:
    found = layers(model) if layer_groups is None else [_flat(group) for group in layer_groups]
    depth: dict[nn.Parameter, int] = {}
    for index, parameters in enumerate(found):
        for parameter in parameters:
            require(
                depth.get(parameter, index) == index, "each parameter in one layer group",
                "two of them share a module or a tied weight", groups=(depth.get(parameter), index),
            )  # fmt: skip
            depth[parameter] = index
    own = set(model.parameters())
    strangers = sum(parameter not in own for parameter in depth)
    require(strangers == 0, "layer groups of this model's own parameters", strangers=strangers)
    return {**{parameter: max(len(found) - 1, 0) for parameter in own}, **depth}


def _flat(group: Any) -> list[nn.Parameter]:
    if isinstance(group, nn.Parameter):
        return [group]
    if isinstance(group, nn.Module):
        return list(group.parameters())
    return [parameter for part in group for parameter in _flat(part)]
