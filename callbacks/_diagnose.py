"""What a sweep notices in passing: the scale of its inputs, gradients that are missing or explode.

It reads what is there, and little of it: a few rows of the first batch; of each step the gradients
of those parameters alone that have had none so far, which are soon none; and the gradient's norm
in every fourth step of the first pass, which is read at the end, so that no device waits for it.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lrtool.diagnosis import frozen_parameters, gradient_explosion, input_scale
from lrtool.weights import is_dense

__all__ = ["Diagnosis"]

_VALUES = 2**20  # read at most so many of a batch: enough for a scale
_SMALL = 0.1
_EVERY = 4  # a norm costs 1 to 8% of a plain torch step


class Diagnosis:
    """Gathers the numbers behind the sentences of `lrtool.diagnosis` while a sweep runs.

    Args:
        module: whose parameters have names.
        optimizer: the swept one; of its parameters those that require a gradient are watched.
        clipped: whether gradients are clipped: their norm then shows nothing.
    """

    def __init__(
        self, module: nn.Module, optimizer: torch.optim.Optimizer, clipped: bool = False
    ) -> None:
        held = {id(one) for group in optimizer.param_groups for one in group["params"]}
        self._watched = {
            name: one
            for name, one in module.named_parameters()
            if one.requires_grad and id(one) in held
        }
        self._without = self._watched
        self._scale: tuple[str, ...] | None = None
        self._stepped = False
        self._norms = None if clipped else GradientNorms(list(self._watched.values()))

    def see_batch(self, batch: Any) -> None:
        """Measure the first batch, as `training_step` gets it; later ones pass."""
        if self._scale is None:
            self._scale = _scale_of(batch)

    def see_step(self) -> None:
        """Look for gradients, just after an optimizer step, where none have been so far."""
        self._stepped = True
        if self._without:
            self._without = {
                name: one for name, one in self._without.items() if not _has_gradient(one)
            }
        if self._norms is not None:
            self._norms.take()

    def see_loss(self, lr: float, loss: float) -> None:
        """Keep what the step just taken, or tried, started from.

        Args:
            lr: its rate.
            loss: the loss before it.
        """
        if self._norms is not None:
            self._norms.keep(lr, loss)

    @property
    def sentences(self) -> tuple[str, ...]:
        """The findings, in words."""
        if not self._stepped:
            return self._scale or ()
        gradients = {name: float(name not in self._without) for name in self._watched}
        dead = frozen_parameters(gradients, dict.fromkeys(self._watched, True))
        exploded = () if self._norms is None else self._norms.sentences
        return (*(self._scale or ()), *dead, *exploded)


class GradientNorms:
    """The gradient's norm in every fourth step of the first pass.

    Args:
        parameters: whose gradients count; sparse ones, or several devices, end it.
    """

    def __init__(self, parameters: list[nn.Parameter]) -> None:
        self._parameters = parameters
        self._rows: list[tuple[float, float, Sequence[Tensor]]] = []
        self._norms: Sequence[Tensor] = ()  # one a parameter
        self._over = False

    def take(self) -> None:
        """Measure, just after an optimizer step, when it is a step's turn."""
        if self._over or len(self._rows) % _EVERY:
            return
        grads = [one.grad for one in self._parameters if one.grad is not None]
        if not grads:
            return
        places = {(grad.layout, grad.device) for grad in grads}
        if places != {(torch.strided, grads[0].device)}:
            self._over = True
            return
        self._norms = torch._foreach_norm(grads)

    def keep(self, lr: float, loss: float) -> None:
        """Note the step's rate and loss; a lower rate than before begins the next pass."""
        self._over |= bool(self._rows) and lr <= self._rows[-1][0]
        if not self._over:
            self._rows.append((lr, loss, self._norms))
            self._norms = ()

    @property
    def sentences(self) -> tuple[str, ...]:
        """What they say, in words."""
        rows = [
            (lr, loss, torch.stack(list(norms)).norm()) for lr, loss, norms in self._rows if norms
        ]
        if not rows:
            return ()
        lr, loss, norms = zip(*rows, strict=True)
        norm = torch.stack(norms).double().cpu().numpy()
        return gradient_explosion(np.array(lr), np.array(loss), norm)


def _has_gradient(parameter: Tensor) -> bool:
    grad = parameter.grad
    return grad is not None and (grad.is_sparse or bool(grad.any()))


def _scale_of(batch: Any) -> tuple[str, ...]:
    """What `input_scale` says of the inputs in `batch`; nothing where there are none to read.

    Features are the columns of a table, the channels of images (dimension 1), and of what has
    three dimensions the last. One that is small beside others of unit size is no finding: an edge
    pixel, a rare indicator.
    """
    x = next((one for one in _leading_tensors(batch) if one.ndim >= 2), None)
    if x is None or not x.is_floating_point() or not is_dense(x):
        return ()
    if x.numel() == 0:
        return ()
    x = x.detach()[: max(1, _VALUES // x[0].numel())].float()
    feature = 2 if x.ndim == 3 else 1
    others = [dim for dim in range(x.ndim) if dim != feature]
    moments = torch.std_mean(x, dim=others, correction=0)
    std, mean = (one.cpu().double().numpy() for one in moments)
    size = np.sqrt(np.square(mean) + np.square(std))
    nonzero = max(1, int(x.count_nonzero()))
    whole = np.sqrt(np.square(size).sum() * (x.numel() / len(size)) / nonzero)
    if whole >= _SMALL:
        loud = ~(size < _SMALL)
        mean, std = mean * loud, std * loud
    names = [f"channel {i}" for i in range(len(size))] if x.ndim > 3 else None
    return input_scale(mean, std, names)


def _leading_tensors(batch: Any) -> Iterator[Tensor]:
    """The tensors in which a batch's inputs are, in order.

    Of a tuple only the first part counts: targets come after the inputs. A mapping has no such
    order. What is neither, a batch of the user's own class, is not looked into.
    """
    if isinstance(batch, Tensor):
        yield batch
    elif isinstance(batch, Mapping):
        for part in batch.values():
            yield from _leading_tensors(part)
    elif isinstance(batch, list | tuple) and batch:
        yield from _leading_tensors(batch[0])
