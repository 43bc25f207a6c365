"""Layer groups of a LightningModule, by the names of its submodules."""

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from torch import nn

from lrtool._check import one_of, require
from lrtool.module_tree import layers

__all__ = ["LayerNames", "layer_groups_of"]

LayerNames: TypeAlias = str | Sequence[str]


def layer_groups_of(
    model: nn.Module,
    body: LayerNames | None,
    head: LayerNames | None,
    layer_groups: Sequence[LayerNames] | None,
) -> list[list[nn.Parameter]]:
    """Every parameter of `model` in exactly one group, input side first, the head last.

    Raises:
        ArgumentError: when a name is not a submodule, groups share parameters, or one is empty.
    """
    own = list(model.parameters())
    if layer_groups is not None:
        groups = [_parameters(model, names) for names in layer_groups]
        _refuse_overlap(groups)
        return [*groups[:-1], _rest(own, groups[:-1])]
    if body is None:
        assert head is not None
        last = _parameters(model, head)
        below = [[p for p in layer if not _holds(last, p)] for layer in layers(model)]
        groups = [*[layer for layer in below if layer], last]
    else:
        if head is not None:
            _refuse_overlap([_parameters(model, body), _parameters(model, head)])
        below = [layer for name in _names(body) for layer in layers(_submodule(model, name))]
        groups = [*below, _rest(own, below)]
    require(
        len(groups) > 1 and bool(groups[-1]), "a body and a head, both with parameters",
        "name the submodules as in model.named_modules()", body=body, head=head,
    )  # fmt: skip
    return groups


def _names(names: LayerNames) -> list[str]:
    return [names] if isinstance(names, str) else list(names)


def _submodule(model: nn.Module, name: str) -> nn.Module:
    modules: dict[str, nn.Module] = dict(model.named_modules())
    one_of("submodule", name, [known for known in modules if known])
    return modules[name]


def _parameters(model: nn.Module, names: LayerNames) -> list[nn.Parameter]:
    found = [p for name in _names(names) for p in _submodule(model, name).parameters()]
    require(bool(found), "submodules with parameters", names=names)
    return found


def _holds(group: Iterable[nn.Parameter], parameter: nn.Parameter) -> bool:
    return any(parameter is one for one in group)


def _rest(
    own: Sequence[nn.Parameter], groups: Sequence[Sequence[nn.Parameter]]
) -> list[nn.Parameter]:
    taken = {id(p) for group in groups for p in group}
    return [p for p in own if id(p) not in taken]


def _refuse_overlap(groups: Sequence[Sequence[nn.Parameter]]) -> None:
    seen: set[int] = set()
    for index, group in enumerate(groups):
        shared = sum(id(p) in seen for p in group)
        require(
            shared == 0, "layer groups that share no parameter",
            "one submodule lies inside another, or a weight is tied", group=index, shared=shared,
        )  # fmt: skip
        seen.update(id(p) for p in group)
