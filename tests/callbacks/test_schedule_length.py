"""The schedule's length is the number of optimizer steps truly taken, in every Trainer."""

from datetime import timedelta
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader, IterableDataset

from lrtool.callbacks import LRRangeTest, OneCycleScheduler, ParamScheduler, WarmupScheduler
from lrtool.errors import ArgumentError, UnsupportedError
from lrtool.schedules import constant, linear, recipe
from support.recorder import Recorder
from support.tiny import Batch, TinyModel, tiny_loader, tiny_trainer


class Endless(IterableDataset[Batch]):
    """Data without a length."""

    def __iter__(self) -> Any:
        while True:
            yield torch.ones(4), torch.ones(1)


def endless_loader() -> Any:
    return DataLoader(Endless(), batch_size=4)


@pytest.mark.parametrize("accumulate", [1, 3])
@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize(
    "limits",
    [
        {},
        {"limit_train_batches": 5},
        {"limit_train_batches": 0.7},
        {"max_steps": 4},
        {"max_steps": 1000},
        {"max_epochs": -1, "max_steps": 9},
        {"max_epochs": 3, "max_time": timedelta(hours=1)},
        {"overfit_batches": 4},
        {"fast_dev_run": 3},
    ],
    ids=lambda limits: "-".join(f"{key}={value}" for key, value in limits.items()) or "plain",
)
def test_D2_total_steps_are_those_truly_taken(
    accumulate: int, drop_last: bool, limits: dict[str, Any]
) -> None:
    scheduler = OneCycleScheduler(max_lr=0.01)
    recorder = Recorder()
    trainer = tiny_trainer(
        callbacks=[scheduler, recorder], accumulate_grad_batches=accumulate, **limits
    )
    trainer.fit(TinyModel(), tiny_loader(rows=60, batch_size=8, drop_last=drop_last))
    assert scheduler.schedule is not None
    assert scheduler.schedule.length == trainer.global_step == len(recorder.lr)
    assert recorder.first()[-1] == scheduler.schedule(trainer.global_step - 1)


class OwnAccumulation(pl.callbacks.GradientAccumulationScheduler):
    """Derived from Lightning's."""


@pytest.mark.parametrize(
    "kind", [pl.callbacks.GradientAccumulationScheduler, OwnAccumulation], ids=lambda k: k.__name__
)
def test_D2_accumulation_that_changes_by_epoch(kind: Any) -> None:
    scheduler = OneCycleScheduler(max_lr=0.01)
    plan = kind({0: 2, 1: 3, 3: 8})
    trainer = tiny_trainer(callbacks=[scheduler, plan], max_epochs=5)
    trainer.fit(TinyModel(), tiny_loader(rows=56, batch_size=8))
    assert trainer.global_step == 4 + 3 + 3 + 1 + 1
    assert scheduler.schedule is not None
    assert scheduler.schedule.length == trainer.global_step


def test_D2_data_that_grow_during_training() -> None:
    class Growing(TinyModel):
        def train_dataloader(self) -> Any:
            return tiny_loader(rows=32 * (1 + self.trainer.current_epoch), batch_size=8)

    scheduler, recorder = OneCycleScheduler(max_lr=0.01), Recorder()
    trainer = tiny_trainer(
        callbacks=[scheduler, recorder], max_epochs=2, reload_dataloaders_every_n_epochs=1
    )
    trainer.fit(Growing())
    assert trainer.global_step == 4 + 8
    assert scheduler.schedule is not None
    assert scheduler.schedule.length == 12
    assert recorder.first()[4:] == [scheduler.schedule(step) for step in range(4, 12)]


def test_D3_data_without_length_need_a_limit() -> None:
    trainer = tiny_trainer(callbacks=[OneCycleScheduler(max_lr=0.01)])
    with pytest.raises(UnsupportedError, match=r"no length.*set max_steps on the Trainer"):
        trainer.fit(TinyModel(), endless_loader())
    assert trainer.global_step == 0


def test_D3_the_error_comes_before_a_range_test_has_swept() -> None:
    finder = LRRangeTest()
    trainer = tiny_trainer(callbacks=[finder, OneCycleScheduler()])
    with pytest.raises(UnsupportedError, match="no length"):
        trainer.fit(TinyModel(), endless_loader())
    assert finder.result is None


@pytest.mark.parametrize(
    ("scheduler", "trainer_limits"),
    [
        (OneCycleScheduler(max_lr=0.01), {"max_steps": 6, "max_epochs": -1}),
        (OneCycleScheduler(max_lr=0.01, total_steps=6), {"limit_train_batches": 3}),
        (ParamScheduler(lr=recipe("cosine"), total_steps="6step"), {"limit_train_batches": 3}),
    ],
)
def test_D3_data_without_length_and_a_limit(
    scheduler: ParamScheduler, trainer_limits: dict[str, Any]
) -> None:
    trainer = tiny_trainer(callbacks=[scheduler], **trainer_limits)
    trainer.fit(TinyModel(), endless_loader())
    assert scheduler.schedule is not None
    assert scheduler.schedule.length == trainer.global_step == 6


def test_D3_time_alone_is_no_length() -> None:
    trainer = tiny_trainer(
        callbacks=[OneCycleScheduler(max_lr=0.01)], max_epochs=-1, max_time=timedelta(hours=1)
    )
    with pytest.raises(UnsupportedError, match="max_time alone"):
        trainer.fit(TinyModel(), tiny_loader())


def test_D3_manual_optimization_needs_a_limit() -> None:
    class Manual(TinyModel):
        def __init__(self) -> None:
            super().__init__()
            self.automatic_optimization = False

        def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:
            optimizer: Any = self.optimizers()
            loss = self.loss(batch)
            optimizer.zero_grad()
            self.manual_backward(loss)
            optimizer.step()
            return loss

    with pytest.raises(UnsupportedError, match=r"optimizes manually.*total_steps"):
        tiny_trainer(callbacks=[OneCycleScheduler(max_lr=0.01)]).fit(Manual(), tiny_loader())
    scheduler = OneCycleScheduler(max_lr=0.01, total_steps=16)
    trainer = tiny_trainer(callbacks=[scheduler])
    trainer.fit(Manual(), tiny_loader())
    assert trainer.global_step == 16


def test_D4_a_new_value_every_optimizer_step() -> None:
    recorder = Recorder()
    schedule = linear(0.1, total_steps=16)
    tiny_trainer(callbacks=[ParamScheduler(lr=schedule), recorder]).fit(TinyModel(), tiny_loader())
    assert recorder.first() == [schedule(step) for step in range(16)]


@pytest.mark.parametrize("accumulate", [1, 2, 3, 5])
def test_D5_warm_up_counts_optimizer_steps_at_any_accumulation(accumulate: int) -> None:
    recorder = Recorder()
    scheduler = WarmupScheduler(constant(0.1), warmup_steps=3)
    tiny_trainer(
        callbacks=[scheduler, recorder], accumulate_grad_batches=accumulate, max_epochs=3
    ).fit(TinyModel(), tiny_loader())
    rates = recorder.first()
    assert len(rates) > 3
    assert [rate for rate in rates if rate is not None and rate < 0.1] == rates[:3]


@pytest.mark.parametrize(
    ("duration", "steps"), [("6batch", 2), ("1ep", 3), ("4step", 4), ("0.5dur", 3), (5, 5)]
)
def test_D5_units_are_converted_to_optimizer_steps(duration: str | int, steps: int) -> None:
    scheduler = WarmupScheduler(constant(0.1), warmup_steps=duration)
    tiny_trainer(callbacks=[scheduler], accumulate_grad_batches=3, max_epochs=2).fit(
        TinyModel(), tiny_loader(rows=64, batch_size=8)
    )
    assert scheduler.schedule is not None
    assert getattr(scheduler.schedule, "warmup_steps") == steps  # noqa: B009


def test_an_empty_run_is_refused_with_its_numbers() -> None:
    trainer = tiny_trainer(callbacks=[OneCycleScheduler(max_lr=0.01, total_steps="0.01dur")])
    with pytest.raises(ArgumentError, match="total_steps >= 1"):
        trainer.fit(TinyModel(), tiny_loader())
