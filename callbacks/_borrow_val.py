"""The loss on fixed validation batches, measured between the steps of a sweep without a trace."""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from lrtool.callbacks._borrow_batch import batch_mover
from lrtool.callbacks._borrow_data import dataset_parts, private_loader
from lrtool.callbacks._lightning import Trainer, submodule
from lrtool.errors import ArgumentError, UnsupportedError
from lrtool.snapshot import Snapshot

__all__ = ["ValidationLoss"]


class ValidationLoss:
    """Calls `validation_step` on the same few batches each time, in eval mode.

    Args:
        trainer: a borrowed Trainer.
        num_batches: how many validation batches, from the first on; kept on the device.
        monitor: the logged metric to read; None takes what `validation_step` returns.
        mode: "max" takes the negative of the metric.

    Raises:
        ArgumentError: when the Trainer has no validation data.
    """

    def __init__(
        self, trainer: Trainer, num_batches: int, monitor: str | None, mode: str = "min"
    ) -> None:
        self._trainer = trainer
        self._loop = trainer.fit_loop.epoch_loop.val_loop
        self._call = submodule(trainer, "trainer.call")
        connector = submodule(trainer, "trainer.connectors.logger_connector.result")
        self._new_results = connector._ResultCollection
        self._monitor = monitor
        self._sign = -1 if mode == "max" else 1
        self._batches = self._draw(num_batches)

    def __call__(self) -> Tensor:
        """The mean loss, or the monitored metric, over the batches."""
        returned = []
        with self._validating() as results:
            for index, batch in enumerate(self._batches):
                self._trainer._logger_connector.on_batch_start(batch)
                kwargs = self._loop._build_kwargs(batch, index, self._dataloader_idx)
                output = self._call._call_strategy_hook(
                    self._trainer, "validation_step", *kwargs.values()
                )
                returned.append(output.get("loss") if isinstance(output, dict) else output)
            logged = results.metrics(on_step=False)["callback"]
        if self._monitor is not None:
            if self._monitor not in logged:
                raise ArgumentError(
                    f"monitor must be a metric that validation_step logs, got {self._monitor!r}; "
                    f"it logs {', '.join(logged) or 'nothing'}"
                )
            return self._sign * torch.as_tensor(logged[self._monitor]).detach()
        losses = [loss.detach() for loss in returned if isinstance(loss, Tensor)]
        if len(losses) < len(returned):
            raise UnsupportedError(
                "val_batches= needs a loss from validation_step, which returned none; return it, "
                f"or name a logged metric by monitor=: {', '.join(logged) or 'none is logged'}"
            )
        return torch.stack(losses).mean()

    def _draw(self, num_batches: int) -> list[Any]:
        combined = self._loaders()
        if combined is None:
            raise ArgumentError(
                "val_batches= needs validation data at the start of training, got none; "
                "give fit() a validation loader, or leave val_batches out"
            )
        self._dataloader_idx = None if len(combined.flattened) == 1 else 0
        twin = copy(combined)
        twin.flattened = [private_loader(loader) for loader in combined.flattened]
        twin._iterator = None
        to_device = batch_mover(self._trainer)
        state = Snapshot(data=dataset_parts(combined.flattened))
        batches = [to_device(batch) for batch, _, _ in islice(iter(twin), num_batches)]
        twin.reset()
        state.restore()
        return batches

    def _loaders(self) -> Any:
        """The validation loaders, asked for now where Lightning would wait for a later epoch."""
        loop, trainer = self._loop, self._trainer
        if loop._combined_loader is not None or not trainer.enable_validation:
            return loop._combined_loader
        kept = dict(vars(loop))
        trainer.validating = True
        try:
            loop.setup_data()
            return loop._combined_loader
        finally:
            trainer.training = True
            vars(loop).update(kept)

    @contextmanager
    def _validating(self) -> Iterator[Any]:
        """The Trainer in its validating stage, the model in eval mode, with results to log into."""
        trainer, loop = self._trainer, self._loop
        modes = [(module, module.training) for module in trainer.lightning_module.modules()]
        old, loop._results = loop._results, self._new_results(training=False)
        trainer.validating = True
        trainer.lightning_module.eval()
        try:
            with torch.no_grad():
                yield loop._results
        finally:
            for module, training in modes:
                module.training = training
            loop._results = old
            trainer.training = True
            trainer._logger_connector._first_loop_iter = None
