"""Drive an optimizer by hand: constant gradients, or a tiny regression."""

import copy
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn


def tiny_net(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Linear(4, 8), nn.LayerNorm(8), nn.Tanh(), nn.Linear(8, 8), nn.Linear(8, 1)
    )


def tiny_batch() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(32, 4, generator=generator)
    return x, x.sum(1, keepdim=True)


def train(model: nn.Module, optimizer: Any, steps: int) -> list[float]:
    """Take full-batch steps; return the loss each step started from."""
    x, y = tiny_batch()

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), y)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    return [optimizer.step(closure).item() for _ in range(steps)]


def updates(
    optimizer: Any,
    parameter: nn.Parameter,
    steps: int,
    at: dict[int, Callable[[], None]] | None = None,
) -> list[float]:
    """Mean decrease of `parameter` in each of `steps` steps under a gradient of ones."""
    moved = []
    for step in range(steps):
        if at and step in at:
            at[step]()
        parameter.grad = torch.ones_like(parameter)
        before = parameter.detach().clone()
        optimizer.step()
        moved.append(float((before - parameter.detach()).mean()))
    return moved


def frozen_copy(state: Any) -> Any:
    """A copy of a state dict that later steps cannot reach."""
    return copy.deepcopy(state)


def same(a: Any, b: Any) -> bool:
    """Bit-equality of nested state, tensors included."""
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return type(a) is type(b) and bool(a == b)


def weights(model: nn.Module) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in model.parameters()]


def identical(a: Iterable[Tensor], b: Iterable[Tensor]) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))
