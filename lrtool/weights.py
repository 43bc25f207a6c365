"""Copies of a model's weights: taking them, writing them back, averaging them."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from itertools import chain, islice
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from lrtool._check import require
from lrtool.errors import UnsupportedError

__all__ = [
    "Ensemble",
    "Weights",
    "average_weights",
    "copy_tensor",
    "copy_weights",
    "is_dense",
    "is_expanded",
    "map_tensors",
    "recompute_batch_norm",
    "with_weights",
    "write_weights",
]

Weights: TypeAlias = dict[str, Tensor]
"""Parameters and buffers by name, non-persistent buffers included."""
_NONE_KEPT = "train for at least one cycle, with snapshots kept"


def copy_weights(module: nn.Module, device: torch.device | str | None = None) -> Weights:
    """Copy every parameter and buffer of `module`.

    Args:
        module: what to copy from.
        device: where the copies live; beside the originals when None.

    >>> layer = nn.Linear(2, 1)
    >>> sorted(copy_weights(layer))
    ['bias', 'weight']
    """
    return {name: copy_tensor(tensor, device) for name, tensor in _tensors(module)}


def copy_tensor(tensor: Tensor, device: torch.device | str | None = None) -> Tensor:
    """A copy of the values of `tensor` on `device`; beside it when None."""
    return tensor.detach().to(device or tensor.device, copy=True)


def write_weights(module: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Write copies back into the same tensors, so that optimizers keep hold of them.

    Raises:
        UnsupportedError: when parameters or buffers were added, removed or reshaped since.
    """
    live = dict(_tensors(module))
    changed = sorted(live.keys() ^ weights.keys()) or [
        name for name, tensor in live.items() if tensor.shape != weights[name].shape
    ]
    if changed:
        raise UnsupportedError(
            "the model must have the same parameters and buffers as when its weights were copied, "
            f"got changes in {', '.join(changed[:5])}; keep weights only of a model that stays"
        )
    with torch.no_grad():
        for name, tensor in live.items():
            if not is_expanded(tensor):
                tensor.copy_(weights[name])


def map_tensors(thing: Any, change: Callable[[Tensor], Any]) -> Any:
    """A copy of nested dicts, lists and tuples, with `change` applied to each tensor in them."""
    if isinstance(thing, Tensor):
        return change(thing)
    if isinstance(thing, dict):
        return {key: map_tensors(item, change) for key, item in thing.items()}
    if isinstance(thing, list | tuple):
        parts = [map_tensors(item, change) for item in thing]
        return type(thing)(*parts) if hasattr(thing, "_fields") else type(thing)(parts)
    return thing


def is_dense(tensor: Tensor) -> bool:
    """Whether its numbers lie in one piece of memory, as no sparse or nested tensor's do."""
    return tensor.layout is torch.strided and not tensor.is_nested


def is_expanded(tensor: Tensor) -> bool:
    """Whether elements of `tensor` share a place in memory: torch writes to no such tensor."""
    if not is_dense(tensor):
        return False
    sizes = zip(tensor.shape, tensor.stride(), strict=True)
    return any(size > 1 and step == 0 for size, step in sizes)


def with_weights(module: nn.Module, weights: Mapping[str, Tensor]) -> nn.Module:
    """A copy of `module` that has `weights`."""
    twin = deepcopy(module)
    write_weights(twin, weights)
    return twin


def average_weights(module: nn.Module, several: Sequence[Mapping[str, Tensor]]) -> Weights:
    """The mean of each parameter, in double precision; buffers are the last one's.

    Running statistics belong to the weights they were measured with: recompute them after this
    with `recompute_batch_norm`.

    References:
        Izmailov et al. 2018, https://arxiv.org/abs/1803.05407, section 3.

    >>> layer = nn.Linear(1, 1, bias=False)
    >>> w = [{"weight": torch.tensor([[1.0]])}, {"weight": torch.tensor([[2.0]])}]
    >>> average_weights(layer, w)
    {'weight': tensor([[1.5000]])}
    """
    require(len(several) > 0, "at least one set of weights", _NONE_KEPT, sets=len(several))
    average = {name: tensor.clone() for name, tensor in several[-1].items()}
    for name, parameter in module.named_parameters():
        mean = sum(weights[name].to("cpu", torch.float64) for weights in several) / len(several)
        assert isinstance(mean, Tensor)
        average[name] = mean.to(average[name].device, parameter.dtype)
    return average


def recompute_batch_norm(
    module: nn.Module,
    batches: Iterable[Any] | None,
    forward: Callable[[nn.Module, Any], object] | None = None,
) -> None:
    """Measure the running statistics of every BatchNorm anew, as the mean over `batches`.

    Only the BatchNorm layers run in training mode: the statistics are those of inference, without
    dropout.

    Args:
        module: changed in place.
        batches: on any device, tensors move to the module's; not needed without BatchNorm.
        forward: how to run `module` on a batch; by default on the batch, or its first element.

    Raises:
        ArgumentError: when there is BatchNorm and not one batch; nothing is changed then.

    References:
        Izmailov et al. 2018, https://arxiv.org/abs/1803.05407, section 3.2.
    """
    norms = [part for part in module.modules() if isinstance(part, _BatchNorm)]
    norms = [norm for norm in norms if norm.running_mean is not None]
    if not norms:
        return
    drawn = iter(() if batches is None else batches)
    first = list(islice(drawn, 1))
    require(
        bool(first), "batches to measure BatchNorm's statistics with",
        "give the training loader", batches=batches,
    )  # fmt: skip
    was = {part: part.training for part in module.modules()}
    momenta = [norm.momentum for norm in norms]
    module.eval()
    for norm in norms:
        norm.train()
        norm.reset_running_stats()
        norm.momentum = None  # an equal share for each batch
    device = next((tensor.device for _, tensor in _tensors(module)), torch.device("cpu"))
    try:
        with torch.no_grad():
            for batch in chain(first, drawn):
                batch = map_tensors(batch, lambda tensor: tensor.to(device))
                (forward or _forward)(module, batch)
    finally:
        for part, training in was.items():
            part.training = training
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum


class Ensemble(nn.Module):
    """Several models that answer together: the mean of their outputs.

    Args:
        members: models of one signature.
        link: applied to each member's output before the mean; for classifiers, for example
            ``lambda logits: logits.softmax(-1)``.

    References:
        Huang et al. 2017, "Snapshot Ensembles", https://arxiv.org/abs/1704.00109, section 3.

    >>> one, two = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
    >>> _ = nn.init.constant_(one.weight, 1.0), nn.init.constant_(two.weight, 3.0)
    >>> Ensemble([one, two])(torch.ones(1, 1)).item()
    2.0
    """

    def __init__(
        self, members: Sequence[nn.Module], link: Callable[[Tensor], Tensor] | None = None
    ) -> None:
        super().__init__()
        require(len(members) > 0, "at least one member", _NONE_KEPT, members=len(members))
        self.members = nn.ModuleList(members)
        self.link = link

    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        """The mean of the members' (linked) outputs."""
        outputs = [member(*args, **kwargs) for member in self.members]
        if self.link is not None:
            outputs = [self.link(output) for output in outputs]
        return torch.stack(outputs).mean(0)


def _tensors(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    yield from module.named_parameters()
    yield from module.named_buffers()


def _forward(module: nn.Module, batch: Any) -> object:
    return module(batch[0] if isinstance(batch, list | tuple) else batch)
