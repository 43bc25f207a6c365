"""guard: close the traps of optimizers that remember what they were built with."""

from typing import Any, TypeVar

from lrtool import param_groups

__all__ = ["guard", "rebase"]

T = TypeVar("T", bound=Any)


def guard(optimizer: T) -> T:
    """Close an optimizer's known traps by torch's own hooks; return it. Twice is as good as once.

    - Lookahead copies its slow weights when it is built; weights loaded afterwards would be dragged
      back to them. Before its first step the copies are taken again.
    - AdaBound keeps the rates it was built with outside its state, so that a resumed run, or a
      group added later, has others. They are kept in the groups instead.

    Args:
        optimizer: any optimizer; one without a known trap comes back as it was.

    >>> import torch
    >>> sgd = torch.optim.SGD([torch.zeros(1)], lr=0.1)
    >>> guard(sgd) is sgd
    True
    """
    if getattr(optimizer, "_lrtool_guarded", False):
        return optimizer
    if type(optimizer).__name__ == "Lookahead":
        guard(optimizer.optimizer)
        optimizer.register_step_pre_hook(_refresh_slow_weights)
        optimizer._lrtool_guarded = True
    elif type(optimizer).__name__ == "AdaBound":
        optimizer.register_step_pre_hook(_keep_base_rates)
        optimizer._lrtool_guarded = True
    return optimizer


def rebase(optimizer: Any) -> None:
    """Declare today's rates the ones `optimizer` was built with: AdaBound's bounds scale by them.

    Called once a measured rate is applied, and not while a schedule moves the rate.

    Args:
        optimizer: any optimizer; only AdaBound is changed.

    >>> import torch
    >>> from lrtool.optimizers import create
    >>> bound = create("adabound", [torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    >>> bound.param_groups[0]["lr"] = 0.02
    >>> rebase(bound)
    >>> bound.base_lrs
    [0.02]
    """
    inner = getattr(optimizer, "optimizer", optimizer)
    if type(inner).__name__ == "AdaBound":
        for group, lr in zip(inner.param_groups, param_groups.get_all(inner, "lr"), strict=True):
            group["base_lr"] = lr
        _keep_base_rates(inner)


def _refresh_slow_weights(optimizer: Any, *_: Any) -> None:
    for group in optimizer.param_groups:
        if group.get("lookahead_started"):
            continue
        group["lookahead_started"] = True
        for parameter in group["params"]:
            optimizer.state[parameter]["slow_params"] = parameter.detach().clone()


def _keep_base_rates(optimizer: Any, *_: Any) -> None:
    built_with = optimizer.base_lrs
    for index, group in enumerate(optimizer.param_groups):
        now = group["lr"]
        base = group.setdefault("base_lr", built_with[index] if index < len(built_with) else now)
        if base == 0 and now > 0:  # built at zero: the first real rate is the base
            group["base_lr"] = now
    optimizer.base_lrs = [group["base_lr"] for group in optimizer.param_groups]
