"""names, capabilities, capabilities_of: look optimizers up by name or by instance."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from lrtool._check import one_of
from lrtool.optimizers.table import TABLE, Capabilities, Verdict

__all__ = ["base_name", "capabilities", "capabilities_of", "names"]

_LOOKAHEAD = "lookahead"
_ALIASES = {
    "momentum": "sgdm",
    "nesterov": "nag",
    "schedule_free": "schedule_free_adamw",
}
# The same optimizer under another class name (the authors' own packages, other libraries).
_CLASS_NAMES = {
    "SGDScheduleFree": "schedule_free_sgd",
    "AdamWScheduleFree": "schedule_free_adamw",
    "RAdamScheduleFree": "schedule_free_adamw",
    "ScheduleFreeRAdam": "schedule_free_adamw",
    "AdaFactor": "adafactor",
    "AdaMax": "adamax",
    "AdaDelta": "adadelta",
    "LAMB": "lamb",
}


def names() -> tuple[str, ...]:
    """Every name `create` takes, sorted. Any of them also works behind `lookahead_`.

    >>> "adamw" in names() and "lookahead" in names()
    True
    """
    return tuple(sorted([*TABLE, _LOOKAHEAD]))


def capabilities(name: str) -> Capabilities:
    """Look an optimizer up by name, without importing it.

    Args:
        name: one of `names()`; "lookahead_adam" is Lookahead over Adam.

    Raises:
        ArgumentError: for an unknown name; the message guesses what was meant.

    >>> capabilities("adamw").momentum, capabilities("adamw").decoupled
    ('beta1', True)
    >>> print(capabilities("prodigy").range_test.ok)
    False
    """
    base = base_name(name)
    if base is not None:
        return _over(capabilities(base))
    known = _canonical(name)
    one_of("optimizer", known, names())
    return TABLE[known]


def capabilities_of(optimizer: Any) -> Capabilities:
    """What the optimizer at hand can do: by its class, or read off its groups if unknown.

    Args:
        optimizer: any torch optimizer, also one wrapped by Lightning or by Lookahead.

    >>> import torch
    >>> capabilities_of(torch.optim.SGD([torch.zeros(1)], lr=0.1, momentum=0.9)).name
    'sgdm'
    """
    cls = type(optimizer)
    inner = getattr(optimizer, "optimizer", None)
    if inner is not None and hasattr(inner, "param_groups"):
        below = capabilities_of(inner)
        return _over(below) if cls.__name__ == "Lookahead" else below
    group: Mapping[str, Any] = optimizer.param_groups[0] if optimizer.param_groups else {}
    for base in cls.__mro__:
        name = _name_of_class(base.__name__, group)
        if name is not None and (base is cls or base.__module__.startswith(("torch.", "pytorch_"))):
            return _as_built(TABLE[name], optimizer, group)
    return _read_off(cls, group)


def _canonical(name: str) -> str:
    key = str(name).lower().replace("-", "_")
    return _ALIASES.get(key, key)


def base_name(name: str, options: dict[str, Any] | None = None) -> str | None:
    """What Lookahead wraps; None when `name` is not a Lookahead. Takes `base` from the options."""
    key = _canonical(name)
    if key == _LOOKAHEAD:
        return str((options or {}).pop("base", "adamw"))
    return key.removeprefix("lookahead_") if key.startswith("lookahead_") else None


def _over(base: Capabilities) -> Capabilities:
    return replace(
        base,
        name=f"{_LOOKAHEAD}_{base.name}",
        source="pytorch_optimizer.Lookahead",
        note="every k steps the weights return part of the way to a slow copy"
        + (f"; {base.note}" if base.note else ""),
    )


def _name_of_class(cls: str, group: Mapping[str, Any]) -> str | None:
    if cls == "SGD":
        return "nag" if group.get("nesterov") else "sgdm" if group.get("momentum") else "sgd"
    if cls == "Adam" and group.get("amsgrad"):
        return "amsgrad"
    if cls in _CLASS_NAMES:
        return _CLASS_NAMES[cls]
    by_class = {entry.source.rpartition(".")[2]: entry.name for entry in TABLE.values()}
    return {**by_class, "Adam": "adam"}.get(cls)


def _as_built(can: Capabilities, optimizer: Any, group: Mapping[str, Any]) -> Capabilities:
    """Correct the table's entry by what this very optimizer was built with."""
    module = type(optimizer).__module__
    changes: dict[str, Any] = {}
    if not can.source.startswith(module.split(".")[0]):
        changes["source"] = f"{module.split('.')[0]}.{type(optimizer).__name__}"
    decoupled = group.get("decoupled_weight_decay", group.get("weight_decouple"))
    # Adan without weight_decouple shrinks the weights too, by 1 / (1 + lr * decay).
    if decoupled is not None and bool(decoupled) != can.decoupled and can.name != "adan":
        changes["decoupled"] = bool(decoupled)
    if can.name == "radam" and getattr(optimizer, "degenerated_to_sgd", True) is False:
        changes["silent_steps"] = 5
        changes["note"] = "built with degenerated_to_sgd=False: no weight moves in the first steps"
    if can.name == "adafactor" and not module.startswith("torch"):
        changes["inverse_sqrt_cap"] = False
    return replace(can, **changes) if changes else can


def _read_off(cls: type, group: Mapping[str, Any]) -> Capabilities:
    knob = "momentum" if "momentum" in group else "beta1" if "betas" in group else None
    like = TABLE["sgdm" if knob == "momentum" else "adam" if knob else "adagrad"]
    return replace(
        like,
        name=cls.__name__.lower(),
        source=f"{cls.__module__.split('.')[0]}.{cls.__name__}",
        decoupled=bool(group.get("weight_decouple", group.get("decoupled_weight_decay", False))),
        momentum_cycle=Verdict(True) if knob else like.momentum_cycle,
        note="not in the table: read off its parameter groups",
    )
