"""One optimizer step of a sweep, by the Trainer's own optimization loops."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from math import isfinite
from typing import Any

import torch
from torch import Tensor

from lrtool import param_groups
from lrtool.callbacks._borrow_batch import batch_mover, overrides
from lrtool.callbacks._borrow_data import SweepData
from lrtool.callbacks._borrow_plain import optimization
from lrtool.callbacks._diagnose import Diagnosis
from lrtool.callbacks._lightning import Callback, LightningModule, Trainer, submodule
from lrtool.errors import UnsupportedError

__all__ = ["SweepStep"]

_ITERATOR_FETCHER = "_DataLoaderIterDataFetcher"
_MAX_SKIPS = 50
_MAX_BATCHES = 1000


class SweepStep:
    """Takes optimizer steps as the Trainer would, hooks of the module included.

    Args:
        trainer: a borrowed Trainer.
        data: the batches.
        optimizer: index of the optimizer whose steps count; others step along at their own rates.
        validation: measures the loss to report in place of the training batches'.

    Attributes:
        called_back: whether the owner wants the Trainer back: someone asked it to stop, or a
            SIGTERM came, on any rank.
        diagnosis: what the steps show beside their losses.
    """

    def __init__(
        self,
        trainer: Trainer,
        data: SweepData,
        optimizer: int,
        validation: Callable[[], Tensor] | None = None,
    ) -> None:
        self._trainer = trainer
        self._module: Any = trainer.lightning_module
        self._call = submodule(trainer, "trainer.call")
        self._data = data
        self._validation = validation
        self._optimizer = trainer.optimizers[optimizer]
        clipped = bool(trainer.gradient_clip_val)
        self.diagnosis = Diagnosis(self._module, self._optimizer, clipped)
        self._loop = trainer.fit_loop.epoch_loop
        self._stepped = False
        self._rates: list[float] = []
        self._automatic = bool(self._module.automatic_optimization)
        self._world_size = trainer.world_size
        self._leading = trainer.optimizers[0]
        self._to_device = batch_mover(trainer)
        self._optimize = optimization(trainer)
        self._keyed: bool | None = None  # whether training_step takes a batch_idx
        self._starts, self._ends = (
            overrides(trainer, hook) for hook in ("on_train_batch_start", "on_train_batch_end")
        )
        self._iterator = iter(data)
        self._takes_iterator = type(trainer.fit_loop._data_fetcher).__name__ == _ITERATOR_FETCHER
        self.called_back = False
        scaled = getattr(trainer.precision_plugin, "scaler", None) is not None
        self._may_skip = scaled or overrides(trainer, "optimizer_step")
        self._backward = _BackwardLoss(trainer)
        if not self._automatic:
            trainer.callbacks.append(self._backward)  # type: ignore[attr-defined]
        self._watches = [
            self._optimizer.register_step_pre_hook(self._before_step),
            *[one.register_step_post_hook(self._after_step) for one in trainer.optimizers],
        ]

    def close(self) -> None:
        """Let go of the optimizers."""
        for watch in self._watches:
            watch.remove()

    def __call__(self, lr: float, ratio: Sequence[float]) -> float:
        """Step once and return the loss the step started from: the mean over its batches and ranks.

        A batch whose `training_step` returned None, or whose step was skipped, by the gradient
        scaler or by the module's own `optimizer_step`, is followed by another at the same rate.

        Args:
            lr: the largest group's rate for this step.
            ratio: every group's share of it.
        """
        run = self._by_itself if self._automatic else self._by_hand
        param_groups.set_value(self._optimizer, "lr", lr, ratio)
        self._rates = self._written()
        validated = self._validation() if self._validation else None
        for _ in range(_MAX_SKIPS):
            self._stepped = False
            value = run()
            if value is None:
                continue  # on every rank: Lightning allows None on a single one only
            loss = self._mean_over_ranks(value if validated is None else validated)
            if self._stepped or not self._may_skip or not isfinite(loss):
                self.diagnosis.see_loss(lr, loss)
                return loss
        return float("nan")

    def _by_itself(self) -> Tensor | None:
        """As many batches as a step accumulates; their mean loss, None when no batch had one."""
        accumulate = self._trainer.accumulate_grad_batches
        if accumulate == 1:
            self._loop.batch_progress.is_last_batch = False
            return self._batch(1).get("loss")
        batches = int(min(accumulate, self._trainer.num_training_batches))
        losses = []
        for i in range(batches):
            self._loop.batch_progress.is_last_batch = i == batches - 1 < accumulate - 1
            output = self._batch(i + 1)
            if output and output.get("loss") is not None:
                losses.append(output["loss"])
        if not losses:
            return None
        # Lightning has divided each by the number of batches it accumulates.
        return torch.stack(losses).mean() * accumulate

    def _by_hand(self) -> Tensor | None:
        """Batches until the optimizer has stepped; the loss its gradients came from."""
        returned = []
        self._backward.reset()
        for i in range(_MAX_BATCHES):
            output = self._batch(i + 1)
            if output and isinstance(output.get("loss"), Tensor):
                returned.append(output["loss"].detach())
            if self._stepped:
                break
        else:
            raise UnsupportedError(
                f"manual optimization must step the optimizer, but {_MAX_BATCHES} batches passed "
                "without a step; check `optimizer=` of the range test"
            )
        if self._backward.before_step is not None:
            return self._backward.before_step
        if returned:
            return torch.stack(returned).mean()
        raise UnsupportedError(
            "a range test needs the loss, but training_step neither returned it nor called "
            "self.manual_backward(loss); do one of the two"
        )

    def _batch(self, ready: int) -> dict[str, Any]:
        loop = self._loop
        batch = None if self._takes_iterator else self._to_device(next(self._data))
        # As in training, anew in each pass: a training_step may look things up by it. Not so where
        # it may step by it, every third batch say: what is left of a pass would spill over.
        batch_idx = self._data.index if self._automatic else self._data.drawn - 1
        batch_idx += int(self._takes_iterator)
        loop.batch_progress.current.ready = ready
        self._announce(batch)
        output: dict[str, Any] = {}
        if batch is None and not self._takes_iterator:
            return output
        self.diagnosis.see_batch(batch)
        if not self._starts or self._hook("on_train_batch_start", batch, batch_idx) != -1:
            kwargs = self._arguments(batch, batch_idx)
            if self._automatic:
                accumulate = self._trainer.accumulate_grad_batches  # it zeroes gradients by this
                aligned = batch_idx - batch_idx % accumulate + ready - 1
                output = self._optimize(self._leading, aligned, kwargs)
            else:
                output = loop.manual_optimization.run(kwargs)
            if self._ends:
                self._hook("on_train_batch_end", output, batch, batch_idx)
        loop._results.batch = None
        return output

    def _announce(self, batch: Any) -> None:
        """What the logger connector's `on_batch_start` does, without its search for the results."""
        connector, results = self._trainer._logger_connector, self._loop._results
        connector._first_loop_iter = connector._first_loop_iter is None
        results.batch, results.batch_size, results.dataloader_idx = batch, None, None

    def _arguments(self, batch: Any, batch_idx: int) -> "OrderedDict[str, Any]":
        """What training_step is called with; its signature is read once."""
        if self._takes_iterator:
            return OrderedDict(any=self._iterator)
        if self._keyed is None:
            names = self._loop._build_kwargs(OrderedDict(), batch, batch_idx)
            self._keyed = "batch_idx" in names
        return OrderedDict(batch=batch, **({"batch_idx": batch_idx} if self._keyed else {}))

    def _hook(self, name: str, *args: Any) -> Any:
        return self._call._call_lightning_module_hook(self._trainer, name, *args)

    def _mean_over_ranks(self, loss: Tensor) -> float:
        """The mean loss, and whether any rank is called back: one reduction, so that all agree."""
        trainer = self._trainer
        wanted = bool(trainer.should_stop or trainer.received_sigterm)
        if self._world_size > 1:
            both = torch.stack([loss.double(), loss.new_tensor(float(wanted)).double()])
            both = trainer.strategy.reduce(both.to(trainer.strategy.root_device), reduce_op="mean")
            loss, wanted = both[0], bool(both[1] > 0)
        self.called_back |= wanted
        return float(loss)

    def _before_step(self, *_: Any) -> None:
        for now, written in zip(self._written(), self._rates, strict=True):
            if now == written:
                continue
            raise UnsupportedError(
                f"the rate of a sweep's step must be the sweep's, got lr={now} in place of "
                f"{written}: something in the module writes the learning rate before each step "
                "(optimizer_step, on_train_batch_start or training_step); leave it to a scheduler"
            )

    def _written(self) -> list[float]:
        """What stands in each group."""
        return [float(group["lr"]) for group in self._optimizer.param_groups]

    def _after_step(self, optimizer: Any, *_: Any) -> None:
        swept = optimizer is self._optimizer
        self._stepped |= swept
        if swept:
            self.diagnosis.see_step()
        self._backward.on_step(swept)


class _BackwardLoss(Callback):  # type: ignore[misc, unused-ignore]
    """Sees every loss that `manual_backward` gets, and keeps those a step's gradients came from."""

    def __init__(self, trainer: Trainer) -> None:
        self._scaler = getattr(trainer.precision_plugin, "scaler", None)
        self.reset()

    def reset(self) -> None:
        self._seen: Tensor | None = None
        self._shared: Tensor | None = None  # of an optimizer that stepped first on one backward
        self.before_step: Tensor | None = None

    def on_before_backward(
        self, trainer: Trainer, pl_module: LightningModule, loss: Tensor
    ) -> None:
        loss = loss.detach()
        if self._scaler is not None:
            loss = loss / self._scaler.get_scale()
        self._seen = loss if self._seen is None else self._seen + loss

    def on_step(self, swept: bool) -> None:
        if self._seen is not None:
            self._shared = self._seen
        if swept and self._shared is not None:
            self.before_step = self._shared
        self._seen = None
