"""Freezer: which layers train, their batch statistics included; and back to how they were."""

from collections.abc import Sequence

from torch import nn

__all__ = ["Freezer"]


class Freezer:
    """Lets the last layer groups of a model train and holds the others still.

    A held layer gets no gradient, and its normalizations run in eval mode, so that their statistics
    do not move. Parameters that were frozen before stay frozen throughout.

    Args:
        model: whose parameters.
        groups: every parameter in one of them, input side first.
    """

    def __init__(self, model: nn.Module, groups: Sequence[Sequence[nn.Parameter]]) -> None:
        self._groups = [list(group) for group in groups]
        self._free = {id(p): p.requires_grad for group in groups for p in group}
        self._norms = _statistics(model, self._groups)
        self._modes = {id(norm): norm.training for norm, _ in self._norms}
        self.trained_groups = len(self._groups)

    def train_last(self, count: int | None) -> None:
        """Let the last `count` groups train; None is all of them."""
        total = len(self._groups)
        self.trained_groups = total if count is None else min(count, total)
        first = total - self.trained_groups
        for index, group in enumerate(self._groups):
            for parameter in group:
                parameter.requires_grad_(index >= first and self._free[id(parameter)])
                if index < first:
                    parameter.grad = None
        for norm, group_index in self._norms:
            norm.train(group_index >= first and self._modes[id(norm)])

    def hold(self) -> None:
        """Put held normalizations to eval mode again, where the module has woken them."""
        first = len(self._groups) - self.trained_groups
        for norm, group_index in self._norms:
            if group_index < first and norm.training:
                norm.eval()

    def count(self) -> tuple[int, int]:
        """Weights that train, and weights that do not."""
        every = [p for group in self._groups for p in group]
        trained = sum(p.numel() for p in every if p.requires_grad)
        return trained, sum(p.numel() for p in every) - trained

    def give_back(self) -> None:
        """Every flag as it was before the first stage."""
        for group in self._groups:
            for parameter in group:
                parameter.requires_grad_(self._free[id(parameter)])
        for norm, _ in self._norms:
            norm.train(self._modes[id(norm)])


def _statistics(
    model: nn.Module, groups: Sequence[Sequence[nn.Parameter]]
) -> list[tuple[nn.Module, int]]:
    """Normalizations that keep running statistics, and the group each belongs to.

    One without parameters belongs to the layer registered before it.
    """
    group_of = {id(p): index for index, group in enumerate(groups) for p in group}
    found: list[tuple[nn.Module, int]] = []
    current = 0
    for module in model.modules():
        own = [group_of[id(p)] for p in module.parameters(recurse=False) if id(p) in group_of]
        current = own[-1] if own else current
        if getattr(module, "running_mean", None) is not None:
            found.append((module, current))
    return found
