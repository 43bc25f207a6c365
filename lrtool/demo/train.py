"""Step 2: the measured rate on a one-cycle schedule, beside the optimizer's default rate."""

from dataclasses import dataclass, replace
from typing import Any

import pytorch_lightning as pl

from lrtool.callbacks import EarlyStopping, OneCycleScheduler
from lrtool.demo.data import digits
from lrtool.demo.model import DigitsNet
from lrtool.demo.progress import Bar
from lrtool.demo.settings import Settings
from lrtool.result import RangeTestResult
from lrtool.schedules.base import Schedule

__all__ = ["Training", "train_default", "train_one_cycle"]


@dataclass(frozen=True)
class Training:
    """One finished training.

    Args:
        name: what was different about it.
        val_loss: of the weights kept, over the whole validation set.
        val_acc: of the same weights.
        steps: optimizer steps taken.
        history: (optimizer step, validation loss) of every epoch.
        schedule: what moved the rate; None for a constant one.
    """

    name: str
    val_loss: float
    val_acc: float
    steps: int
    history: list[tuple[float, float]]
    schedule: Schedule | None = None


def train_one_cycle(settings: Settings, result: RangeTestResult) -> Training:
    """Train on one cycle whose peak is the measured one."""
    scheduler = OneCycleScheduler(max_lr=result.max_lr)
    run = _train(f"one-cycle to {result.max_lr:.2g}", settings, scheduler)
    return replace(run, schedule=scheduler.schedule)


def train_default(settings: Settings) -> Training:
    """Train at the rate that the optimizer has when nobody chooses one."""
    return _train("AdamW's default 0.001", settings)


def _train(name: str, settings: Settings, *callbacks: Any) -> Training:
    pl.seed_everything(settings.seed, verbose=False)
    train, val = digits(seed=settings.seed)
    history = _History()
    # The same rule for both: stop after four epochs without progress, keep the best weights.
    stopping = EarlyStopping(monitor="val_loss", patience=4, restore_best=True)
    bar = Bar(name, settings.epochs * len(train))
    trainer = pl.Trainer(
        max_epochs=settings.epochs,
        callbacks=[*callbacks, stopping, history, bar],
        enable_checkpointing=False,
        **settings.trainer_kwargs(),
    )
    model = DigitsNet()
    trainer.fit(model, train, val)
    steps = trainer.global_step
    kept = trainer.validate(model, val, verbose=False)[0]
    return Training(name, kept["val_loss"], kept["val_acc"], steps, history.points)


class _History(pl.Callback):
    """Notes the validation loss of every epoch."""

    def __init__(self) -> None:
        self.points: list[tuple[float, float]] = []

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Note the epoch's loss."""
        if trainer.state.fn == "fit":
            loss = float(trainer.callback_metrics["val_loss"])
            self.points.append((trainer.global_step, loss))
