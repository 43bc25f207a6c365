"""What an early-stopping callback has found: its reason, its best check, its snapshots."""

from collections.abc import Callable, Iterable
from math import inf
from typing import Any

import torch
from torch import Tensor, nn

from lrtool.callbacks._best_weights import BestWeights
from lrtool.callbacks._cycle_snapshots import CycleSnapshot, CycleSnapshots
from lrtool.callbacks._stop_request import StopRequest
from lrtool.stopping import Panel, States, StoppingReason
from lrtool.weights import Ensemble, average_weights, recompute_batch_norm, with_weights

__all__ = ["StoppingFindings"]


class StoppingFindings:
    """The part of EarlyStopping that is read and not run."""

    _panel: Panel
    _states: States
    _request: StopRequest
    _best: BestWeights
    _snapshots: CycleSnapshots

    @property
    def stopping_reason(self) -> StoppingReason:
        """Why the training was stopped; `NOT_STOPPED` while it was not."""
        return self._request.verdict.reason

    @property
    def stopping_reason_message(self) -> str | None:
        """The reason in a sentence; None while the training was not stopped."""
        return self._request.verdict.message or None

    @property
    def stopped_epoch(self) -> int:
        """The epoch the training was stopped in, 0 if it was not."""
        return self._request.epoch

    @property
    def best_value(self) -> float | None:
        """The first monitor's best value."""
        return self._states[0].best

    @property
    def best_score(self) -> Tensor:
        """The best value as Lightning has it: a tensor, infinite before the first."""
        worst = inf if self._panel.rules[0].mode == "min" else -inf
        return torch.tensor(worst if self.best_value is None else self.best_value)

    @property
    def best_step(self) -> int | None:
        """Optimizer steps done at the best check."""
        best_at = self._states[0].best_at
        return None if best_at is None else best_at.step

    @property
    def best_epoch(self) -> float | None:
        """Epochs done at the best check."""
        best_at = self._states[0].best_at
        return None if best_at is None else best_at.epoch

    @property
    def best_model_path(self) -> str | None:
        """The file of the best weights with keep_best="checkpoint"."""
        return self._best.path

    @property
    def wait_count(self) -> int:
        """Checks of the first monitor since patience last started anew."""
        return self._states[0].checks - self._states[0].since.check

    def _outcome(self) -> str | None:
        if self.best_value is None:
            return None
        ended = f"{self.stopping_reason.value}, " if self.stopping_reason_message else ""
        return f"{ended}best {self.best_value:.6g} at step {self.best_step}"

    @property
    def snapshots(self) -> tuple[CycleSnapshot, ...]:
        """The best weights of each of the last cycles, oldest first."""
        return tuple(self._snapshots)

    def averaged(
        self,
        model: nn.Module,
        batches: Iterable[Any] | None = None,
        forward: Callable[[nn.Module, Any], object] | None = None,
    ) -> nn.Module:
        """A copy of `model` with the mean of the snapshots' weights.

        Args:
            model: the trained model.
            batches: training batches, to measure BatchNorm's statistics anew; needed if it has any.
            forward: how to run the model on a batch; by default on the batch or its first element.
        """
        weights = average_weights(model, [snapshot.weights for snapshot in self.snapshots])
        twin = with_weights(model, weights)
        recompute_batch_norm(twin, batches, forward)
        return twin

    def ensemble(
        self, model: nn.Module, link: Callable[[Tensor], Tensor] | None = None
    ) -> Ensemble:
        """Copies of `model` with each snapshot's weights and statistics, that answer together.

        Args:
            model: the trained model.
            link: applied to each output before the mean, for example a softmax.
        """
        members = [with_weights(model, snapshot.weights) for snapshot in self.snapshots]
        return Ensemble(members, link)
