"""PlateauScheduler drops the rate as its pure rule says, resumes, and refuses rivals."""

from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch.optim import SGD

from lrtool.callbacks import LRRangeTest, OneCycleScheduler, PlateauScheduler
from lrtool.errors import ArgumentError, UnsupportedError
from lrtool.schedules import plateau
from support.recorder import Recorder
from support.tiny import TinyModel, Untouched, tiny_loader, tiny_trainer

LOSSES = [1.0, 0.9, 0.95, 0.93, 0.94, 0.5, 0.6, 0.7, 0.8, 0.9]


class Scripted(TinyModel):
    """Logs a validation loss from a script, one an epoch."""

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.log("val_loss", torch.tensor(LOSSES[self.current_epoch]))


def run(
    scheduler: PlateauScheduler, epochs: int = 10, ckpt: Path | None = None, *extra: Any
) -> Any:
    recorder = Recorder()
    trainer = tiny_trainer(callbacks=[scheduler, recorder, *extra], max_epochs=epochs)
    trainer.fit(Scripted(), tiny_loader(), tiny_loader(), ckpt_path=ckpt)
    return recorder.first()[::8], trainer


def expected(lr: float) -> list[float]:
    rule = plateau(lr, factor=0.5, patience=1, cooldown=1, min_lr=0.001)
    state, rates = rule.init(), []
    for loss in LOSSES:
        rates.append(state.lr)
        state = rule.update(state, loss)
    return rates


def make(**options: Any) -> PlateauScheduler:
    return PlateauScheduler(factor=0.5, patience=1, cooldown=1, min_lr=0.001, **options)


def test_drops_as_the_pure_rule_does() -> None:
    rates, _ = run(make(lr=0.4))
    assert rates == expected(0.4)
    assert len(set(rates)) > 2


def test_starts_at_the_optimizers_own_rate() -> None:
    rates, _ = run(make())
    assert rates == expected(0.01)


@pytest.mark.parametrize("at", [1, 4, 7])
def test_resumes_where_it_stood(at: int, tmp_path: Path) -> None:
    whole, _ = run(make(lr=0.4))
    _, trainer = run(make(lr=0.4), at)
    trainer.save_checkpoint(tmp_path / "at.ckpt")
    rest, _ = run(make(lr=0.4), 10, tmp_path / "at.ckpt")
    assert rest == whole[at:]


def test_refuses_rivals_and_unknown_metrics() -> None:
    with pytest.raises(UnsupportedError, match="PlateauScheduler and OneCycleScheduler"):
        run(make(), 10, None, OneCycleScheduler(max_lr=0.1))
    with pytest.raises(UnsupportedError, match="OneCycleScheduler and PlateauScheduler"):
        tiny_trainer(callbacks=[OneCycleScheduler(max_lr=0.1), make()]).fit(
            TinyModel(), tiny_loader()
        )
    with pytest.raises(ArgumentError, match=r"got 'val_acc'; logged are .*val_loss"):
        run(make(monitor="val_acc"))
    with pytest.raises(ArgumentError, match="0 < factor < 1"):
        PlateauScheduler(factor=1.0)
    with pytest.raises(ArgumentError, match="whole optimizer >= 0 must hold, got optimizer=-1"):
        PlateauScheduler(optimizer=-1)


@pytest.mark.parametrize("limits", [{}, {"limit_val_batches": 0}], ids=str)
def test_a_run_without_validation_is_refused_before_a_range_test_sweeps(
    limits: dict[str, Any],
) -> None:
    val = tiny_loader() if limits else None
    with pytest.raises(UnsupportedError, match=r"'val_loss' at validations.*ReduceLROnPlateau"):
        tiny_trainer(callbacks=[LRRangeTest(), make()], **limits).fit(
            Untouched(), tiny_loader(), val
        )


def test_groups_keep_their_ratio() -> None:
    def two(model: TinyModel) -> Any:
        first, *rest = model.net.children()
        others = [p for part in rest for p in part.parameters()]
        return SGD([{"params": first.parameters(), "lr": 0.1}, {"params": others, "lr": 0.4}])

    recorder = Recorder()
    trainer = tiny_trainer(callbacks=[make(), recorder], max_epochs=10)
    trainer.fit(Scripted(two), tiny_loader(), tiny_loader())
    assert [row[1] for row in recorder.lr[::8]] == expected(0.4)
    assert all(row[0] == pytest.approx((row[1] or 0.0) / 4) for row in recorder.lr)
    assert isinstance(trainer, pl.Trainer)


def test_a_validation_by_itself_is_no_check() -> None:
    scheduler = make()
    _, trainer = run(scheduler, 3)
    after = scheduler.state
    for _ in range(3):
        trainer.validate(Scripted(), tiny_loader(), verbose=False)
    assert scheduler.state == after


class Alternating(Scripted):
    """Two optimizers, stepped by hand in turns."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False

    def configure_optimizers(self) -> Any:
        first, *rest = self.net.children()
        return [SGD(first.parameters(), lr=0.4), SGD(rest[-1].parameters(), lr=0.2)]

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        optimizers: Any = self.optimizers()
        loss = self.loss(batch)
        self.manual_backward(loss)
        optimizers[batch_idx % 2].step()
        return loss


def test_each_of_two_optimizers_has_its_own_and_both_resume(tmp_path: Path) -> None:
    def two(epochs: int, ckpt: Path | None = None) -> tuple[Any, list[float | None]]:
        schedulers = [make(optimizer=0), make(optimizer=1, lr=0.1)]
        trainer = tiny_trainer(callbacks=schedulers, max_epochs=epochs)
        trainer.fit(Alternating(), tiny_loader(), tiny_loader(), ckpt_path=ckpt)
        return trainer, [one.state.lr if one.state else None for one in schedulers]

    _, whole = two(10)
    assert whole == [0.4 * 0.5**2, 0.1 * 0.5**2]
    trainer, _ = two(4)
    trainer.save_checkpoint(tmp_path / "at.ckpt")
    assert two(10, tmp_path / "at.ckpt")[1] == whole
