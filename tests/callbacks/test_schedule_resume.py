"""Stop anywhere, go on, and every step uses what it would have used without the stop."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.plugins import MixedPrecision
from torch import Tensor

from lrtool.callbacks import (
    CyclicalScheduler,
    OneCycleScheduler,
    ParamScheduler,
    SGDRScheduler,
    WarmupScheduler,
)
from lrtool.schedules import linear, one_cycle
from support.recorder import Recorder
from support.tiny import Batch, TinyModel, tiny_loader, tiny_trainer

TOTAL = 24  # 3 epochs of 8 steps


def two_groups(model: TinyModel) -> torch.optim.Optimizer:
    first, *rest = model.net.children()
    return torch.optim.SGD(
        [
            {"params": first.parameters(), "lr": 0.002, "weight_decay": 0.0},
            {"params": [p for part in rest for p in part.parameters()], "lr": 0.01},
        ],
        lr=0.01,
        momentum=0.9,
        weight_decay=0.1,
    )


MAKERS: dict[str, Callable[[], ParamScheduler]] = {
    "one_cycle": lambda: OneCycleScheduler(max_lr=0.1, weight_decay=linear(0.1, TOTAL)),
    "one_cycle_own_rate": lambda: OneCycleScheduler(),
    "sgdr": lambda: SGDRScheduler(),
    "cyclical": lambda: CyclicalScheduler(momentum=(0.8, 0.9)),
    "warmup": lambda: WarmupScheduler("linear", momentum=linear(0.5, 10, end_lr=0.9)),
    "linear_to_zero": lambda: ParamScheduler(lr="linear"),
}


def run(
    scheduler: ParamScheduler, *extra: pl.Callback, ckpt: Path | None = None, **limits: Any
) -> tuple[Recorder, Any]:
    torch.manual_seed(0)
    recorder = Recorder()
    trainer = tiny_trainer(callbacks=[scheduler, recorder, *extra], **{"max_epochs": 3, **limits})
    trainer.fit(TinyModel(two_groups), tiny_loader(), ckpt_path=ckpt)
    return recorder, trainer


class KilledError(Exception):
    pass


class Saver(pl.Callback):
    """Saves after step `at`, as ModelCheckpoint does, and kills the run there."""

    def __init__(self, at: int, file: Path) -> None:
        self.at, self.file = at, file

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        if trainer.global_step == self.at:
            trainer.save_checkpoint(self.file)
            raise KilledError


def checkpoint_of(scheduler: ParamScheduler, at: int, folder: Path) -> Path:
    """A checkpoint written after `at` optimizer steps, in the middle of a run."""
    file = folder / "killed.ckpt"
    with pytest.raises(KilledError):
        run(scheduler, Saver(at, file))
    return file


@pytest.mark.filterwarnings("ignore:.*resuming from a checkpoint that ended before the epoch.*")
@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("at", [1, 5, 8, 13, 16, 23])
def test_D6_the_trace_is_that_of_the_uninterrupted_run(name: str, at: int, tmp_path: Path) -> None:
    whole, _ = run(MAKERS[name]())
    file = checkpoint_of(MAKERS[name](), at, tmp_path)
    after, _ = run(MAKERS[name](), ckpt=file)
    assert after.steps == list(range(at, TOTAL))
    for knob in ("lr", "momentum", "weight_decay"):
        assert getattr(after, knob) == getattr(whole, knob)[at:]


@pytest.mark.parametrize("epochs", [2, 5])
def test_D7_stretch_uses_the_values_of_a_run_of_the_new_length(epochs: int, tmp_path: Path) -> None:
    file = checkpoint_of(OneCycleScheduler(max_lr=0.1), 8, tmp_path)
    after, _ = run(OneCycleScheduler(max_lr=0.1), ckpt=file, max_epochs=epochs)
    new = one_cycle(max_lr=0.1, total_steps=8 * epochs)
    assert [row[1] for row in after.lr] == [new(step) for step in range(8, 8 * epochs)]


def test_D7_hold_finishes_the_old_schedule_and_holds(tmp_path: Path) -> None:
    file = checkpoint_of(OneCycleScheduler(max_lr=0.1), 8, tmp_path)
    with pytest.warns(UserWarning, match="24 steps"):
        after, _ = run(
            OneCycleScheduler(max_lr=0.1, on_length_change="hold"),
            ckpt=file,
            max_epochs=5,
        )
    old = one_cycle(max_lr=0.1, total_steps=TOTAL)
    assert [row[1] for row in after.lr] == [old(step) for step in range(8, 40)]
    assert after.lr[-1] == after.lr[-17]


def test_D7_a_finished_run_can_be_extended(tmp_path: Path) -> None:
    """torch's OneCycleLR fails here: "Tried to step 41 times"."""
    _, trainer = run(OneCycleScheduler(max_lr=0.1))
    trainer.save_checkpoint(tmp_path / "done.ckpt")
    after, _ = run(OneCycleScheduler(max_lr=0.1), ckpt=tmp_path / "done.ckpt", max_epochs=5)
    assert after.steps == list(range(24, 40))


@pytest.mark.parametrize("name", MAKERS)
def test_D12_state_is_plain_small_and_loads_with_weights_only(name: str, tmp_path: Path) -> None:
    scheduler = MAKERS[name]()
    _, trainer = run(scheduler)
    trainer.save_checkpoint(tmp_path / "run.ckpt", weights_only=False)
    file = tmp_path / "state.pt"
    torch.save(scheduler.state_dict(), file)
    assert torch.load(file, weights_only=True) == scheduler.state_dict()
    assert len(repr(scheduler.state_dict())) < 1000
    other = MAKERS[name]()
    other.load_state_dict(scheduler.state_dict())
    assert other.state_dict() == scheduler.state_dict()


def test_D16_a_cycle_goes_on_from_step_k() -> None:
    """Weights alone were kept: the new run's step 0 is the cycle's step 10."""
    recorder, _ = run(OneCycleScheduler(max_lr=0.1, start_step=10))
    whole = one_cycle(max_lr=0.1, total_steps=TOTAL + 10)
    assert [row[1] for row in recorder.lr] == [whole(step) for step in range(10, TOTAL + 10)]


class Overflowing(TinyModel):
    """Its third, fourth and fourteenth batches are too large for 16 bits."""

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        x, y = batch
        too_large = (self.current_epoch, batch_idx) in {(0, 2), (0, 3), (1, 5)}
        return self.loss((x * 1e5 if too_large else x, y))


def fit_in_16_bits(
    *callbacks: Any, ckpt: Path | None = None
) -> tuple[list[Any], OneCycleScheduler]:
    torch.manual_seed(0)
    scheduler, recorder = OneCycleScheduler(max_lr=0.1), Recorder()
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0, growth_interval=4)
    trainer = tiny_trainer(
        callbacks=[scheduler, recorder, *callbacks],
        plugins=[MixedPrecision("16-mixed", "cpu", scaler)],
    )
    with suppress(KilledError):
        trainer.fit(Overflowing(), tiny_loader(), ckpt_path=ckpt)
    return recorder.first(), scheduler


@pytest.mark.filterwarnings("ignore:.*resuming from a checkpoint that ended before the epoch.*")
def test_C8_a_step_that_the_scaler_skips_does_not_advance_the_schedule(tmp_path: Path) -> None:
    rates, scheduler = fit_in_16_bits()
    schedule = one_cycle(max_lr=0.1, total_steps=16)
    expected = [0, 1, 2, 2, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 11, 12]
    assert rates == [schedule(step) for step in expected]
    assert scheduler.state_dict()["skipped"] == 3
    for at in (3, 4, 5):
        file = tmp_path / f"{at}.ckpt"
        before, _ = fit_in_16_bits(Saver(at, file))
        after, _ = fit_in_16_bits(ckpt=file)
        assert before + after == rates
