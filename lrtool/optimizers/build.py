"""create: build an optimizer by name."""

import inspect
from collections.abc import Iterable
from difflib import get_close_matches
from importlib import import_module
from typing import TYPE_CHECKING, Any

from lrtool._check import non_negative, positive, require
from lrtool._optional import optional_import
from lrtool.errors import ArgumentError
from lrtool.optimizers.guards import guard
from lrtool.optimizers.registry import base_name, capabilities
from lrtool.optimizers.table import Capabilities

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer

    from lrtool.grouping import NoDecay

__all__ = ["class_of", "create"]

_OPTIONS: dict[str, dict[str, Any]] = {
    "sgdm": {"momentum": 0.9},
    "nag": {"momentum": 0.9, "nesterov": True},
    "sgdw": {"momentum": 0.9},
    "amsgrad": {"amsgrad": True},
    "adan": {"weight_decouple": False},
}


def create(
    name: str,
    model_or_params: Any,
    *,
    lr: float | None = None,
    momentum: float | None = None,
    weight_decay: float | None = None,
    layer_decay: float | None = None,
    no_decay: "NoDecay" = "bias_and_norm",
    **options: Any,
) -> "Optimizer":
    """Build an optimizer by name, with parameter groups found from the module tree.

    Args:
        name: one of `names()`. "lookahead" takes `base="adamw"`; "lookahead_adamw" is the same.
        model_or_params: a module, whose groups are then found (`lrtool.grouping.param_groups`),
            or parameters or groups as torch takes them, which are then passed on as they are.
        lr: the largest group's rate; by default `capabilities(name).default_lr`.
        momentum: momentum or beta1, in [0, 1); by default the optimizer's own.
        weight_decay: for every parameter that decays; by default the optimizer's own.
        layer_decay: each layer's rate is the next one's times this, in (0, 1]; None: one rate.
        no_decay: which parameters do not decay; see `lrtool.grouping.param_groups`.
        **options: the class's own options. `amsgrad` and `ams_bound` both mean AMSGrad.

    Raises:
        ArgumentError: for an unknown name or option, a momentum where there is none, layer-wise
            rates where the optimizer has one rate only.
        MissingDependencyError: when the class is in a package that is not installed.

    >>> from torch import nn
    >>> optimizer = create("adamw", nn.Linear(2, 1), lr=1e-3, weight_decay=0.1)
    >>> [(group["name"], group["weight_decay"]) for group in optimizer.param_groups]
    [('decay', 0.1), ('no_decay', 0.0)]
    """
    base = base_name(name, options)
    if base is not None:
        return _lookahead(
            base, model_or_params, lr=lr, momentum=momentum, weight_decay=weight_decay,
            layer_decay=layer_decay, no_decay=no_decay, **options,
        )  # fmt: skip
    can = capabilities(name)
    cls = class_of(can)
    settings = {**_OPTIONS.get(can.name, {}), **_known(can, cls, options)}
    settings["lr"] = can.default_lr if lr is None else lr
    positive("give the learning rate as a positive number", lr=settings["lr"])
    settings.update(_momentum(can, cls, momentum, settings))
    decay = _weight_decay(cls, weight_decay)
    require(
        layer_decay is None or bool(can.group_rates), "one rate for all layers",
        f"leave layer_decay out: {can.name}: {can.group_rates.reason}", layer_decay=layer_decay,
    )  # fmt: skip
    groups = _groups(can, model_or_params, settings, decay, layer_decay, no_decay)
    if decay is not None:
        settings["weight_decay"] = decay
    optimizer: Optimizer = guard(cls(groups, **settings))
    return optimizer


def class_of(can: Capabilities) -> Any:
    """The optimizer's class, imported.

    Raises:
        MissingDependencyError: when its package is not installed.
        ArgumentError: when torch is too old to have it.
    """
    attribute = can.source.rpartition(".")[2]
    if can.package == "torch.optim":
        module = import_module("torch.optim")
        require(
            hasattr(module, attribute), f"torch with torch.optim.{attribute}",
            "use a newer torch", optimizer=can.name,
        )  # fmt: skip
    else:
        module = optional_import(can.package, extra="optimizers", purpose=f"optimizer {can.name!r}")
    return getattr(module, attribute)


def _parameters(cls: Any) -> dict[str, inspect.Parameter]:
    accepted = inspect.signature(cls.__init__).parameters
    return {
        name: parameter
        for name, parameter in accepted.items()
        if parameter.kind is not inspect.Parameter.VAR_KEYWORD and name not in {"self", "params"}
    }


def _known(can: Capabilities, cls: Any, options: dict[str, Any]) -> dict[str, Any]:
    """Translate AMSGrad's two flag names; refuse options the class would swallow unread."""
    accepted = _parameters(cls)
    flags = {"amsgrad", "ams_bound"}
    own = flags & set(accepted)
    translated = {
        (own.copy().pop() if key in flags and own else key): value for key, value in options.items()
    }
    for key in translated:
        if key not in accepted:
            close = get_close_matches(key, accepted, n=1)
            raise ArgumentError(
                f"{can.name} takes no option {key!r}; "
                + (f"did you mean {close[0]!r}?" if close else f"it takes {', '.join(accepted)}")
            )
    return translated


def _momentum(
    can: Capabilities, cls: Any, momentum: float | None, settings: dict[str, Any]
) -> dict[str, Any]:
    if momentum is None:
        return {}
    require(
        can.momentum is not None, f"momentum=None for {can.name}",
        "it has no momentum: leave it out", momentum=momentum,
    )  # fmt: skip
    require(0 <= momentum < 1, "0 <= momentum < 1", momentum=momentum)
    if can.momentum == "momentum":
        require(
            momentum > 0 or not settings.get("nesterov"), "momentum > 0 with Nesterov",
            "use 'sgd' for no momentum", momentum=momentum,
        )  # fmt: skip
        return {"momentum": momentum}
    betas = settings.get("betas", _parameters(cls)["betas"].default)
    return {"betas": (momentum, *betas[1:])}


def _weight_decay(cls: Any, weight_decay: float | None) -> float | None:
    default = _parameters(cls).get("weight_decay")
    if weight_decay is None:
        return None if default is None else float(default.default)
    require(
        default is not None, f"weight_decay=None for {cls.__name__}",
        "it has no weight decay: leave it out", weight_decay=weight_decay,
    )  # fmt: skip
    non_negative(weight_decay=weight_decay)
    return weight_decay


def _groups(
    can: Capabilities,
    model_or_params: Any,
    settings: dict[str, Any],
    decay: float | None,
    layer_decay: float | None,
    no_decay: "NoDecay",
) -> Any:
    from torch import nn

    from lrtool.grouping import param_groups

    if not isinstance(model_or_params, nn.Module):
        require(
            layer_decay is None, "layer_decay=None for bare parameters",
            "pass the module itself, so that its layers can be found", layer_decay=layer_decay,
        )  # fmt: skip
        require(
            can.name != "muon", "a module for muon",
            "pass the module itself, so that its hidden matrices can be found", optimizer=can.name,
        )  # fmt: skip
        return _bare(model_or_params)
    if can.name == "lbfgs":  # it takes a single group
        return list(model_or_params.parameters())
    if can.name == "muon":
        return _muon_groups(model_or_params, settings, decay or 0.0, layer_decay, no_decay)
    return param_groups(
        model_or_params, lr=float(settings["lr"]), weight_decay=decay or 0.0,
        layer_decay=layer_decay, no_decay=no_decay,
    ).groups()  # fmt: skip


def _bare(params: Any) -> Any:
    require(
        isinstance(params, Iterable), "a module, parameters or groups of parameters",
        "pass the module, or model.parameters()", given=type(params).__name__,
    )  # fmt: skip
    return list(params)


def _muon_groups(
    model: "nn.Module",
    settings: dict[str, Any],
    decay: float,
    layer_decay: float | None,
    no_decay: "NoDecay",
) -> list[dict[str, Any]]:
    """Hidden matrices to Muon; embeddings, the head, norms and biases to its AdamW part."""
    from lrtool.grouping import param_groups
    from lrtool.module_tree import hidden_matrices

    hidden = hidden_matrices(model)
    require(
        bool(hidden), "a hidden weight matrix for muon",
        "this model has none besides its head: use 'adamw'", hidden=len(hidden),
    )  # fmt: skip
    lr = float(settings["lr"])
    share = settings.pop("adamw_lr", 0.015 * lr) / lr
    momentum = settings.pop("momentum", 0.95)
    betas = settings.pop("adamw_betas", (0.9, 0.95))
    plan = param_groups(
        model, lr=lr, weight_decay=decay, layer_decay=layer_decay, no_decay=no_decay,
        split=lambda parameter: "muon" if parameter in hidden else "adamw",
    )  # fmt: skip
    groups = plan.groups()
    for group in groups:
        if group.pop("split") == "muon":
            group.update(use_muon=True, momentum=momentum)
        else:
            group.update(use_muon=False, betas=betas, lr=group["lr"] * share)
    return groups


def _lookahead(base: str, model_or_params: Any, **options: Any) -> "Optimizer":
    cls = optional_import(
        "pytorch_optimizer", extra="optimizers", purpose="optimizer 'lookahead'"
    ).Lookahead
    own = {key: options.pop(key) for key in ("k", "alpha", "pullback_momentum") if key in options}
    optimizer: Optimizer = guard(cls(create(base, model_or_params, **options), **own))
    return optimizer
