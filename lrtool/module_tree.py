"""The module tree read as layers: depth order, normalizations, hidden matrices."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import nn

__all__ = ["Owner", "hidden_matrices", "is_norm", "layers", "owners"]

_NORMS = (
    nn.modules.batchnorm._NormBase,
    nn.GroupNorm,
    nn.LayerNorm,
)
_EMBEDDINGS = (nn.Embedding, nn.EmbeddingBag)
_CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


def is_norm(module: nn.Module) -> bool:
    """Whether `module` normalizes: one of torch's, or a class named so with vectors only."""
    own = list(module.parameters(recurse=False))
    named = "norm" in type(module).__name__.lower() and all(p.ndim <= 1 for p in own)
    return isinstance(module, _NORMS) or (named and not any(True for _ in module.children()))


@dataclass(frozen=True)
class Owner:
    """Where a parameter first appears."""

    module: nn.Module
    attribute: str


def owners(model: nn.Module) -> dict[nn.Parameter, Owner]:
    """Each parameter's first owner, in registration order; tied weights once."""
    found: dict[nn.Parameter, Owner] = {}
    for module in model.modules():
        for attribute, parameter in module.named_parameters(recurse=False):
            found.setdefault(parameter, Owner(module, attribute))
    return found


def layers(model: nn.Module) -> list[list[nn.Parameter]]:
    """Cut a model into layers, in depth order, input side first.

    A repeated block (a transformer layer, a residual block) stays whole; containers and other
    modules open up into what they hold. A normalization belongs to the layer before it; parameters
    a module owns itself (class tokens, positions) and embeddings belong to the layer after them.
    Tied weights count where they appear first. Depth is the order of registration.

    >>> net = nn.Sequential(nn.Linear(2, 2), nn.LayerNorm(2), nn.Linear(2, 1))
    >>> [len(layer) for layer in layers(net)]
    [4, 2]
    """
    found: list[list[nn.Parameter]] = []
    waiting: list[nn.Parameter] = []
    seen: set[nn.Parameter] = set()
    for kind, parameters in _pieces(model):
        fresh = [p for p in parameters if p not in seen]
        seen.update(fresh)
        if not fresh:
            continue
        if kind == "norm" and found and not waiting:
            found[-1].extend(fresh)
        elif kind == "before":
            waiting.extend(fresh)
        else:
            found.append(waiting + fresh)
            waiting = []
    if waiting:
        if found:
            found[-1].extend(waiting)
        else:
            found.append(waiting)
    return found


def _pieces(module: nn.Module) -> Iterator[tuple[str, list[nn.Parameter]]]:
    """Walk `module` in registration order; yield ("norm" | "before" | "layer", parameters)."""
    whole = list(module.parameters())
    if not whole:
        return
    children = [child for child in module.children() if _trains(child)]
    atom = type(module).__module__.startswith("torch.nn.") and not _holds_container(module)
    if not children or (atom and not isinstance(module, _CONTAINERS)):
        kind = "norm" if is_norm(module) else "before" if isinstance(module, _EMBEDDINGS) else ""
        yield kind or "layer", whole
        return
    own = list(module.parameters(recurse=False))
    if own:
        yield "before", own
    for child in children:
        block = isinstance(module, _CONTAINERS) and _repeated(child, children)
        yield from [("layer", list(child.parameters()))] if block else _pieces(child)


def _trains(module: nn.Module) -> bool:
    return next(module.parameters(), None) is not None


def _holds_container(module: nn.Module) -> bool:
    return any(isinstance(below, _CONTAINERS) and _trains(below) for below in module.modules())


def _repeated(child: nn.Module, siblings: Sequence[nn.Module]) -> bool:
    twins = sum(type(sibling) is type(child) for sibling in siblings)
    opens = isinstance(child, _CONTAINERS) or not any(_trains(below) for below in child.children())
    return twins > 1 and not opens


def hidden_matrices(model: nn.Module) -> set[nn.Parameter]:
    """Weights of two or more dimensions that are neither embeddings nor the head's.

    The head is the last module that holds a matrix; tokens and positions count as embeddings.
    """
    last = [m for m in model.modules() if any(p.ndim >= 2 for p in m.parameters(recurse=False))]
    head = set(last[-1].parameters()) if last else set()
    return {
        parameter
        for parameter, owner in owners(model).items()
        if parameter.ndim >= 2
        and parameter.shape[0] > 1
        and parameter not in head
        and not isinstance(owner.module, _EMBEDDINGS)
        and "embed" not in owner.attribute
        and "bias" not in owner.attribute
    }
