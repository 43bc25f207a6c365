"""PlateauScheduler: drops the rate when a metric has stopped improving."""

from dataclasses import asdict, replace
from typing import Any, Literal

from lrtool import param_groups
from lrtool._check import integer
from lrtool.callbacks._lightning import Callback, LightningModule, Trainer
from lrtool.callbacks._measured import measured
from lrtool.callbacks._monitored import agreed
from lrtool.callbacks._optimizer_of import optimizer_of
from lrtool.callbacks._rivals import refuse_rivals
from lrtool.errors import ArgumentError, UnsupportedError
from lrtool.schedules import PlateauState, plateau
from lrtool.types import Mode

__all__ = ["PlateauScheduler"]


class PlateauScheduler(Callback):
    """Multiplies the rate by `factor` when `monitor` has not improved for over `patience` checks.

    The rule is `lrtool.schedules.plateau`; a check is a validation. The rate names the largest
    parameter group's, the others keep their ratios. "rel" is right for negative metrics too. Values
    that differ between processes are averaged, so that all drop together.

    Args:
        monitor: the logged metric.
        mode: "min" or "max".
        factor: of one drop, in (0, 1).
        patience: checks without improvement that are tolerated, at least 0.
        threshold: least improvement that counts, at least 0.
        threshold_mode: "rel" or "abs".
        cooldown: checks after a drop in which none counts as bad, at least 0.
        min_lr: floor, at least 0.
        lr: rate to start at; the range test's `lr` when None, else the optimizer's own.
        optimizer: which of the Trainer's optimizers.

    Raises:
        ArgumentError: when an argument is out of its range, or `monitor` is not logged by the end
            of a validation.
        UnsupportedError: as training starts: another scheduler already moves this rate, or there is
            no validation to check at.
    """

    schedules_lr = True

    def __init__(
        self,
        monitor: str = "val_loss",
        *,
        mode: Mode = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: Literal["rel", "abs"] = "rel",
        cooldown: int = 0,
        min_lr: float = 0.0,
        lr: float | None = None,
        optimizer: int = 0,
    ) -> None:
        super().__init__()
        integer(0, optimizer=optimizer)
        self.monitor = monitor
        self.optimizer = optimizer
        self.rule = plateau(
            1.0 if lr is None else lr,
            mode=mode,
            factor=factor,
            patience=patience,
            threshold=threshold,
            threshold_mode=threshold_mode,
            cooldown=cooldown,
            min_lr=min_lr,
        )
        self._given = lr is not None
        self.state: PlateauState | None = None
        self._ratios: list[float] = []

    @property
    def state_key(self) -> str:
        """One an optimizer."""
        return self._generate_state_key(optimizer=self.optimizer)

    def check_run(self, trainer: Trainer) -> None:
        """Refuse a run without validation; a range test asks before it sweeps.

        Raises:
            UnsupportedError: when nothing would ever be checked.
        """
        if not trainer.enable_validation:
            raise UnsupportedError(
                f"PlateauScheduler checks {self.monitor!r} at validations, and this training has "
                "none; give validation data and a validation_step, or follow the training loss by "
                "torch's ReduceLROnPlateau"
            )

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Forget the last fit."""
        if stage == "fit":
            self.state, self._ratios = None, []

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Refuse a rival before anything is computed."""
        refuse_rivals(self, trainer, optimizer_of(trainer, self.optimizer))

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Refuse a run in which no check would come."""
        self.check_run(trainer)

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Write the present rate."""
        optimizer = optimizer_of(trainer, self.optimizer)
        if self.state is None:
            self.rule = replace(self.rule, lr=self._first_lr(trainer))
            self.state = self.rule.init()
        self._ratios.extend(param_groups.ratios(optimizer, "lr")[len(self._ratios) :])
        param_groups.set_value(optimizer, "lr", self.state.lr, self._ratios)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Judge the metric of a training, whose sanity check comes before its first step."""
        if trainer.state.fn != "fit" or trainer.sanity_checking or self.state is None:
            return
        logged = trainer.callback_metrics
        # every process must drop at the same time, also when the metric is not synchronized
        value = agreed(trainer, self.monitor, logged.get(self.monitor))
        if value is None:
            raise ArgumentError(
                f"monitor must be logged by the end of a validation, got {self.monitor!r}; "
                f"logged are {sorted(logged)}"
            )
        self.state = self.rule.update(self.state, value)

    def state_dict(self) -> dict[str, Any]:
        """Plain scalars and lists."""
        if self.state is None:
            return {}
        return {"first_lr": self.rule.lr, "ratios": list(self._ratios), **asdict(self.state)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        if not state_dict:
            return
        saved = dict(state_dict)
        self.rule = replace(self.rule, lr=saved.pop("first_lr"))
        self._ratios = list(saved.pop("ratios"))
        self.state = PlateauState(**saved)

    def _outcome(self) -> str | None:
        if self.state is None:
            return None
        best = "" if self.state.best is None else f", best {self.state.best:.6g}"
        return f"lr {self.state.lr:.3g}{best}"

    def _first_lr(self, trainer: Trainer) -> float:
        if self._given:
            return self.rule.lr
        result = measured(trainer, self.optimizer)
        if result is not None and result.suggestion.has_pick:
            return result.lr
        return param_groups.get(optimizer_of(trainer, self.optimizer), "lr") or 0.0
