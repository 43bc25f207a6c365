"""Many trainings of one task at once: every learning rate and seed in one vectorized model.

Lanes (seed s, lane l) share nothing but the batches of their seed. The optimizer is torch's own,
run with lr = 1 on a zero tensor: every optimizer of the suite moves a parameter by lr times
something that does not depend on lr, so that something can be scaled lane by lane. AdamW's decay is
applied likewise. `plain_loss` is the ordinary loop to compare with.
"""

from collections.abc import Callable

import numpy as np
import torch
from tasks import OPTIMIZERS, Task
from torch import Tensor
from torch.func import functional_call, vmap

__all__ = ["Lanes", "one_cycle_factor", "plain_loss", "train"]


def one_cycle_factor(step: int, total: int) -> float:
    """Share of the peak: cosine from 1/25 over the first 30%, then cosine down to 1/250,000."""
    turn = 0.3 * total - 1
    start, end = 1 / 25, 1 / 250_000
    if step <= turn:
        low, high, share = start, 1.0, step / turn
    else:
        low, high, share = 1.0, end, (step - turn) / (total - 1 - turn)
    return high + (low - high) * (1 + np.cos(np.pi * share)) / 2


class Lanes:
    """`lanes` copies of a task's model for each seed, stepped together at rates of their own."""

    def __init__(self, task: Task, seeds: list[int], lanes: int) -> None:
        self.task, self.seeds, self.lanes = task, seeds, lanes
        models = [task.make_model(seed) for seed in seeds]
        self.skeleton = models[0]
        self._start = {
            name: torch.stack([m.state_dict()[name] for m in models])
            .unsqueeze(1)
            .expand(-1, lanes, *value.shape)
            for name, value in models[0].state_dict().items()
        }
        self._names = [name for name, _ in models[0].named_parameters()]
        x, y, self._x_val, self._y_val = task.data()
        self._x, self._y = x, y
        self.reset()

    def reset(self) -> None:
        """Put the initial weights, buffers and optimizer state back, and the batches too."""
        self.state = {name: value.clone() for name, value in self._start.items()}
        self.params = [self.state[name].requires_grad_() for name in self._names]
        self._shadow = [torch.zeros_like(p) for p in self.params]
        options = dict(OPTIMIZERS[self.task.optimizer][1])
        self._decay = options.pop("weight_decay", 0.0)
        if self._decay:
            options["weight_decay"] = 0.0
        self._optimizer = OPTIMIZERS[self.task.optimizer][0](self._shadow, lr=1.0, **options)  # type: ignore[call-arg]

    def _losses(self, x: Tensor, y: Tensor) -> Tensor:
        def one(state: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
            return self.task.loss(functional_call(self.skeleton, state, (x,)), y)

        return vmap(vmap(one, (0, None, None)), (0, 0, 0))(self.state, x, y)

    def step(self, index: np.ndarray, lr: Tensor) -> np.ndarray:
        """One step on rows `index` (seeds, batch), rates `lr` (seeds, lanes); losses before it."""
        losses = self._losses(self._x[index], self._y[index])
        losses.sum().backward()
        for p, shadow in zip(self.params, self._shadow, strict=True):
            shadow.grad = p.grad
            p.grad = None
        self._optimizer.step()
        with torch.no_grad():
            for p, shadow in zip(self.params, self._shadow, strict=True):
                rate = lr.reshape(lr.shape + (1,) * (p.dim() - 2))
                if self._decay:
                    p.mul_(1 - rate * self._decay)
                p.addcmul_(rate.expand_as(p), shadow)
                shadow.zero_()
                shadow.grad = None
        return losses.detach().numpy().astype(np.float64)

    def validation(self) -> np.ndarray:
        """(seeds, lanes) validation losses."""
        x = self._x_val.expand(len(self.seeds), *self._x_val.shape)
        y = self._y_val.expand(len(self.seeds), *self._y_val.shape)
        self.skeleton.eval()
        with torch.no_grad():
            out = self._losses(x, y).numpy().astype(np.float64)
        self.skeleton.train()
        return out


def train(
    task: Task,
    rates: np.ndarray,
    seeds: list[int],
    factor: Callable[[int, int], float] = lambda step, total: 1.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Train rates (lanes,) or (seeds, lanes) with every seed; validation before and after."""
    rates = np.broadcast_to(rates, (len(seeds), rates.shape[-1]))
    lanes = Lanes(task, seeds, rates.shape[1])
    before = lanes.validation()
    streams = [task.indices(seed) for seed in seeds]
    lr = torch.tensor(rates, dtype=torch.float32)
    for step in range(task.num_steps):
        index = np.stack([next(stream) for stream in streams])
        lanes.step(index, lr * factor(step, task.num_steps))
    return before, lanes.validation()


def plain_loss(
    task: Task, rate: float, seed: int, factor: Callable[[int, int], float], steps: int
) -> float:
    """The last training loss of an ordinary loop, to check the lanes against."""
    model = task.make_model(seed)
    optimizer = task.make_optimizer(model.parameters(), rate)
    loss = torch.tensor(0.0)
    for step, (x, y) in zip(range(steps), task.batches(seed), strict=False):
        for group in optimizer.param_groups:
            group["lr"] = rate * factor(step, task.num_steps)
        optimizer.zero_grad()
        loss = task.loss(model(x), y)
        loss.backward()
        optimizer.step()
    return float(loss.detach())
