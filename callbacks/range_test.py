"""LRRangeTest: measure how the loss answers to the learning rate, and leave no trace."""

import os
import warnings
from collections.abc import Sequence
from dataclasses import replace
from math import inf
from typing import Any, Literal

from lrtool import optimizers, param_groups
from lrtool._check import integer, one_of
from lrtool.callbacks._borrow import Loan, borrowed
from lrtool.callbacks._lightning import Callback, LightningModule, Trainer
from lrtool.callbacks._rebase import check_schedulers, rebase
from lrtool.errors import ArgumentError, UnsupportedError
from lrtool.result import RangeTestResult
from lrtool.snapshot import Where
from lrtool.suggest import SUGGESTERS, Suggester, suggest
from lrtool.sweep import Sweep, SweepConfig
from lrtool.types import StopReason

__all__ = ["LRRangeTest"]


class LRRangeTest(Callback):  # type: ignore[misc, unused-ignore]
    r"""LR range test inside a Trainer: sweep the rate upwards, read off the best, put all back.

        lr_i = min_lr (max_lr / min_lr)^(i / (n - 1)),   i = 0 .. n - 1,   n = num_steps

    Each step is the Trainer's own: its precision, accumulation, clipping and strategy. Afterwards
    the model, the optimizer, the random state, the data and the Trainer are as they were, bit for
    bit; then the suggested rate is applied.

    Args:
        min_lr: lowest rate, above zero; None lets the sweep choose.
        max_lr: highest rate; None goes on until the loss diverges. Given both, exactly that range
            is swept in exactly num_steps.
        num_steps: optimizer steps of the first pass, at least 2.
        max_steps: optimizer steps in all.
        suggester: a name in `lrtool.suggest.SUGGESTERS`, or a function of the `LossCurve`.
        apply: write the suggestion to the optimizer, its schedulers and the hyperparameters.
        repeats: passes pooled into one curve, each from the same weights.
        early_stop: end a pass when the loss diverges; None or False takes every step.
        then: "train" goes on training, "stop" ends the fit after the sweep.
        on_resume: "skip" leaves a run resumed from a checkpoint alone, "run" sweeps from its state.
        at_epochs: epochs before which to sweep.
        optimizer: index of the optimizer to sweep; others step along at their own rates.
        snapshot: where the copy of weights and optimizer state lives, "cpu" or "device".

    Attributes:
        result: the last `RangeTestResult`; None before the first sweep.

    Raises:
        ArgumentError: when an argument breaks its rule.

    References:
        Smith, "Cyclical learning rates for training neural networks", WACV 2017, section 3.3.

    >>> finder = LRRangeTest(num_steps=50)
    >>> # Trainer(callbacks=[finder]).fit(model, data); finder.result.lr
    """

    measures_lr = True

    def __init__(
        self,
        *,
        min_lr: float | None = None,
        max_lr: float | None = None,
        num_steps: int = 100,
        max_steps: int = 300,
        suggester: str | Suggester = "auto",
        apply: bool = True,
        repeats: int = 1,
        early_stop: bool | None = True,
        then: Literal["train", "stop"] = "train",
        on_resume: Literal["skip", "run"] = "skip",
        at_epochs: Sequence[int] = (0,),
        optimizer: int = 0,
        snapshot: Where = "cpu",
    ) -> None:
        super().__init__()
        integer(0, "it is an index", optimizer=optimizer)
        one_of("then", then, ("train", "stop"))
        one_of("on_resume", on_resume, ("skip", "run"))
        one_of("snapshot", snapshot, ("cpu", "device"))
        if not callable(suggester):
            one_of("suggester", suggester, SUGGESTERS)
        self.config = SweepConfig(
            min_lr=min_lr,
            max_lr=max_lr,
            num_steps=num_steps,
            max_steps=max_steps,
            repeats=repeats,
            early_stop=early_stop,
        )
        self.suggester = suggester
        self.apply = apply
        self.then = then
        self.on_resume = on_resume
        self.at_epochs = tuple(at_epochs)
        self.optimizer = optimizer
        self.snapshot = snapshot
        self.result: RangeTestResult | None = None
        self._swept_epoch: int | None = None

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Refuse what cannot work, before anything is computed."""
        self._swept_epoch = None
        _check_strategy(trainer)
        if self.optimizer >= len(trainer.optimizers):
            raise ArgumentError(
                f"optimizer < {len(trainer.optimizers)} must hold, got optimizer={self.optimizer}; "
                f"configure_optimizers returned {len(trainer.optimizers)}"
            )
        swept = optimizers.guard(trainer.optimizers[self.optimizer])
        verdict = optimizers.capabilities_of(swept).range_test
        if not verdict:
            warnings.warn(
                f"a range test says little about {type(swept).__name__}: {verdict.reason}",
                stacklevel=2,
            )
        if self.apply:
            check_schedulers(self._schedulers(trainer))

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Sweep, if this is a start that asks for it."""
        resumed = trainer.ckpt_path is not None
        due = self.on_resume == "run" if resumed else trainer.current_epoch in self.at_epochs
        self._swept_epoch = trainer.current_epoch
        if due:
            self._run(trainer)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Sweep again, before the epochs that ask for it."""
        epoch = trainer.current_epoch
        if epoch in self.at_epochs and epoch != self._swept_epoch:
            self._swept_epoch = epoch
            self._run(trainer)

    def state_dict(self) -> dict[str, Any]:
        """The applied result, for a resumed run to read; nothing when nothing was applied."""
        applied = self.result is not None and self.result.applied
        return {"result": self.result.to_dict()} if self.result and applied else {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the checkpoint's result."""
        self.result = RangeTestResult.from_dict(state_dict["result"])

    def _run(self, trainer: Trainer) -> None:
        sweep = Sweep(self._config(trainer))
        not_restored: tuple[str, ...] = ()
        ratio = param_groups.ratios(trainer.optimizers[self.optimizer], "lr")
        try:
            with borrowed(trainer, optimizer=self.optimizer, where=self.snapshot) as loan:
                self._sweep(trainer, loan, sweep, ratio)
                not_restored = loan.data.not_restored
        except KeyboardInterrupt:
            sweep.interrupt()
            self.result = self._read(trainer, sweep, not_restored, ratio)
            raise
        self.result = self._read(trainer, sweep, not_restored, ratio)
        if self.result.applied:
            self._apply(trainer, self.result)
        if self.then == "stop":
            _stop(trainer)

    def _config(self, trainer: Trainer) -> SweepConfig:
        """What to sweep; no rate above the one that the optimizer would cut down unseen."""
        can = optimizers.capabilities_of(trainer.optimizers[self.optimizer])
        cap = can.lr_cap(trainer.global_step + self.config.max_steps)
        low, high = self.config.min_lr or 0.0, self.config.max_lr or inf
        return replace(self.config, max_lr=cap) if low < cap < high else self.config

    def _sweep(self, trainer: Trainer, loan: Loan, sweep: Sweep, ratio: Sequence[float]) -> None:
        optimizer = trainer.optimizers[self.optimizer]
        while (rung := sweep.next()) is not None:
            if rung.restart:
                loan.rewind()
            param_groups.set_value(optimizer, "lr", rung.lr, ratio)
            loss = loan.step()
            if loan.called_back:
                sweep.interrupt()
                return
            sweep.update(loss)

    def _read(
        self,
        trainer: Trainer,
        sweep: Sweep,
        not_restored: tuple[str, ...],
        ratio: Sequence[float],
    ) -> RangeTestResult:
        curve = sweep.curve()
        name = type(trainer.optimizers[self.optimizer]).__name__
        suggestion = suggest(curve, self.suggester, optimizer=name)
        ended = curve.stop_reason is not StopReason.INTERRUPTED
        return RangeTestResult(
            curve=curve,
            suggestion=suggestion,
            context={"optimizer": name, **_context(trainer), "lr_ratios": list(ratio)},
            applied=self.apply and suggestion.has_pick and ended,
            not_restored=not_restored,
        )

    def _apply(self, trainer: Trainer, result: RangeTestResult) -> None:
        rebase(trainer.optimizers[self.optimizer], self._schedulers(trainer), result)

    def _schedulers(self, trainer: Trainer) -> list[Any]:
        """The configured schedulers of the swept optimizer."""
        optimizer = trainer.optimizers[self.optimizer]
        configured = [config.scheduler for config in trainer.lr_scheduler_configs]
        return [one for one in configured if getattr(one, "optimizer", optimizer) is optimizer]


def _check_strategy(trainer: Trainer) -> None:
    names = [base.__name__ for base in type(trainer.strategy).__mro__]
    supported = ("SingleDeviceStrategy", "DDPStrategy")
    if not any(name in supported for name in names) or "SingleDeviceXLAStrategy" in names:
        raise UnsupportedError(
            f"the range test works under {' and '.join(supported)}, got {names[0]}; "
            "measure on one device (devices=1) and give the rate to this run, or remove LRRangeTest"
        )


def _context(trainer: Trainer) -> dict[str, Any]:
    """What the measurement holds for, as plain JSON values."""
    loader = trainer.train_dataloader
    seed = os.environ.get("PL_GLOBAL_SEED")
    return {
        "batch_size": getattr(loader, "batch_size", None),
        "world_size": trainer.world_size,
        "accumulate_grad_batches": trainer.accumulate_grad_batches,
        "precision": str(trainer.precision),
        "seed": None if seed is None else int(seed),
        "epoch": trainer.current_epoch,
    }


def _stop(trainer: Trainer) -> None:
    """End the fit before its first batch, minimum lengths or not."""
    trainer.should_stop = True
    trainer.fit_loop.min_epochs = 0
    trainer.fit_loop.epoch_loop.min_steps = None
