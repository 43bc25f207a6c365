"""Every optimizer x {swept without a trace, scheduled, resumed, searched}."""

import math
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import lrtool
from lrtool import optimizers, param_groups, schedules
from lrtool.callbacks import LRRangeTest, ParamScheduler
from lrtool.errors import UnsupportedError
from support.steps import frozen_copy, identical, same
from support.tiny import Batch, TinyModel, tiny_loader, tiny_trainer

NAMES = [*optimizers.names(), "lookahead_sgdm", "lookahead_rmsprop"]
SWEPT = [name for name in NAMES if optimizers.capabilities(name).range_test]


@pytest.fixture(autouse=True)
def _hear_no_advice() -> Iterator[None]:
    """What the table says no to is done all the same here: it must be safe, if not wise."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*is not resumable.*")
        warnings.filterwarnings("ignore", message=".*does not bear a.*")
        warnings.filterwarnings("ignore", message=".*went over the training data.*")
        yield


class Deterministic(pl.LightningModule):
    """BatchNorm, a hidden matrix, two groups; no dropout."""

    def __init__(self, name: str) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.name = name
        self.net = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 1))

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        return nn.functional.mse_loss(self.net(batch[0]), batch[1])

    def configure_optimizers(self) -> Any:
        lr = optimizers.capabilities(self.name).default_lr / 4
        return optimizers.create(self.name, self, lr=lr)


class Trace(pl.Callback):
    """Rates each optimizer step is taken with, read where the step begins."""

    def __init__(self) -> None:
        self.rates: list[list[float]] = []

    def on_before_optimizer_step(self, trainer: Any, module: Any, optimizer: Any) -> None:
        if trainer.global_step == len(self.rates):  # LBFGS comes by several times a step
            self.rates.append([group["lr"] for group in optimizer.param_groups])


def alike(batches: int = 6) -> DataLoader[Any]:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(8, 4, generator=generator).repeat(batches, 1)
    return DataLoader(TensorDataset(x, x.sum(1, keepdim=True)), batch_size=8)


@pytest.mark.parametrize("name", SWEPT)
def test_swept_without_a_trace(name: str) -> None:
    """Two epochs of training with a sweep before the second: bit for bit those without."""
    ends = []
    for swept in (False, True):
        torch.manual_seed(0)
        model = TinyModel(lambda module: optimizers.create(name, module))
        finder = LRRangeTest(min_lr=1e-5, max_lr=0.1, num_steps=8, apply=False, at_epochs=(1,))
        trainer = tiny_trainer(callbacks=[finder] if swept else [])
        trainer.fit(model, tiny_loader(rows=32, shuffle=True))
        ends.append((model, trainer.optimizers[0].state_dict()))
    assert finder.result is not None
    assert len(finder.result.curve) > 0
    (model, state), (other, swept_state) = ends
    assert identical(model.parameters(), other.parameters())
    assert identical(model.buffers(), other.buffers())
    assert same(_plain(state), _plain(swept_state))


@pytest.mark.parametrize("name", sorted({*NAMES} - {*SWEPT}))
def test_not_swept_but_refused_by_name_before_the_first_step(name: str) -> None:
    model = TinyModel(lambda module: optimizers.create(name, module))
    trainer = tiny_trainer(callbacks=[LRRangeTest()])
    with pytest.raises(UnsupportedError, match=f"nothing about {name}: .*its own rate"):
        trainer.fit(model, tiny_loader(rows=32))
    assert trainer.global_step == 0


def _plain(state: Any) -> Any:
    """A state dict with positions in place of parameters as keys."""
    if isinstance(state, dict):
        return {str(type(k)) if isinstance(k, Tensor) else k: _plain(v) for k, v in state.items()}
    return state


@pytest.mark.parametrize("name", NAMES)
def test_scheduled(name: str) -> None:
    """Every step runs at the schedule's rate, in every group at its share; momentum as asked."""
    plan = schedules.one_cycle(max_lr=0.01, total_steps=12)
    can = optimizers.capabilities(name)
    moved = schedules.linear(0.9, total_steps=12, end_lr=0.8) if can.momentum_cycle else None
    model, trace = Deterministic(name), Trace()
    trainer = tiny_trainer(callbacks=[ParamScheduler(lr=plan, momentum=moved), trace])
    trainer.fit(model, alike())
    optimizer: Any = trainer.optimizers[0]
    if name != "swats":  # it may switch to a rate of its own, in proportion: see its trap
        tops = [max(rates) for rates in trace.rates]
        assert tops[:12] == pytest.approx([plan(step) for step in range(12)], rel=1e-12)
        shares = param_groups.ratios(optimizer, "lr")
        top = trace.rates[5][shares.index(1.0)]
        assert trace.rates[5] == pytest.approx([top * share for share in shares])
    if moved is not None:
        assert param_groups.get(optimizer, "momentum") == pytest.approx(moved(11))
    assert all(bool(torch.isfinite(p).all()) for p in model.parameters())


@pytest.mark.parametrize("name", NAMES)
def test_resumed(name: str, tmp_path: Path) -> None:
    """Stopped inside the second epoch, with rate and momentum moving: bit for bit the whole run."""
    can = optimizers.capabilities(name)

    def fit(ckpt: Path | None, *more: Any) -> Deterministic:
        moved = schedules.linear(0.9, total_steps=18, end_lr=0.8) if can.momentum_cycle else None
        lr = schedules.one_cycle(max_lr=0.01, total_steps=18)
        model = Deterministic(name)
        scheduler = ParamScheduler(lr=lr, momentum=moved)
        trainer = tiny_trainer(max_epochs=3, callbacks=[scheduler, *more])
        trainer.fit(model, alike(), ckpt_path=ckpt)
        return model

    class Saves(pl.Callback):
        def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
            if trainer.global_step == 8:
                trainer.save_checkpoint(tmp_path / "stop.ckpt")

    whole = fit(None, Saves())
    resumed = fit(tmp_path / "stop.ckpt")
    assert identical(whole.parameters(), resumed.parameters())
    assert identical(whole.buffers(), resumed.buffers())


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_searched(name: str, tmp_path: Path) -> None:
    """Two trials of a search from a measurement; the best is what a trial gave."""
    cycle = optimizers.capabilities(name).cycle
    whole = name == "lbfgs"  # it wants every row in one batch, and the same net each time it looks

    def model() -> TinyModel:
        module = TinyModel(lambda module: optimizers.create(name, module))
        if whole:
            module.net = nn.Sequential(nn.Linear(4, 1))
        return module

    result = lrtool.tune(
        model,
        (tiny_loader(rows=256, batch_size=256 if whole else 4), tiny_loader(rows=16)),
        n_trials=2, max_steps=64, seed=0, out_dir=tmp_path, storage="memory://",
        progress_bar=False, schedules=("one_cycle",) if cycle else ("linear",),
        trainer_kwargs={"accelerator": "cpu", "logger": False, "enable_progress_bar": False},
    )  # fmt: skip
    assert len(result.study.trials) == 2
    assert {"max_lr", "weight_decay"} <= set(result.best_params)
    assert math.isfinite(result.best_value)


def test_frozen_copies_are_what_they_say() -> None:
    """The helper behind the comparisons can tell states apart."""
    state = {"a": [torch.zeros(2), 1.0]}
    copy = frozen_copy(state)
    assert same(state, copy)
    state["a"][0][0] = 1.0  # type: ignore[index]
    assert not same(state, copy)
