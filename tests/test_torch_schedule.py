"""schedule.as_torch(optimizer): a torch LRScheduler with the pure schedule's virtues."""

import gc
import weakref
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.optim import SGD, Adam, Optimizer
from torch.optim.lr_scheduler import LRScheduler

from lrtool import schedules
from lrtool.errors import ArgumentError
from lrtool.schedules import linear, one_cycle, sgdr
from support.random_schedules import random_schedule
from support.tiny import TinyModel, tiny_loader, tiny_trainer


def make_optimizer(*rates: float) -> Optimizer:
    groups = [{"params": [torch.zeros(1, requires_grad=True)], "lr": rate} for rate in rates]
    return SGD(groups, lr=0.1, momentum=0.9)


def rates(optimizer: Optimizer) -> list[float]:
    return [group["lr"] for group in optimizer.param_groups]


def play(optimizer: Optimizer, scheduler: LRScheduler, count: int) -> list[list[float]]:
    seen = []
    for _ in range(count):
        seen.append(rates(optimizer))
        optimizer.step()
        scheduler.step()
    return seen


@pytest.mark.parametrize("name", [name for name in schedules.names() if name != "opposed"])
@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_writes_the_schedules_values(name: str, data: st.DataObject) -> None:
    schedule = data.draw(random_schedule(name))
    optimizer = make_optimizer(0.1)
    seen = play(optimizer, schedule.as_torch(optimizer), 30)
    assert [row[0] for row in seen] == [schedule(step) for step in range(30)]


def test_D14_groups_keep_their_ratio_and_initial_lr_is_not_used() -> None:
    optimizer = make_optimizer(0.1, 0.025)
    for group in optimizer.param_groups:
        group["initial_lr"] = 7.0
    schedule = one_cycle(max_lr=0.8, total_steps=20)
    seen = play(optimizer, schedule.as_torch(optimizer), 20)
    assert seen == [[schedule(k), schedule(k) * 0.25] for k in range(20)]


def test_D15_a_group_added_in_mid_run_joins_at_its_ratio() -> None:
    optimizer = make_optimizer(0.1)
    schedule = sgdr(max_lr=0.8, T_0=10)
    scheduler = schedule.as_torch(optimizer)
    play(optimizer, scheduler, 5)
    new = {"params": [torch.zeros(1, requires_grad=True)], "lr": 0.5 * rates(optimizer)[0]}
    optimizer.add_param_group(new)
    seen = play(optimizer, scheduler, 10)
    assert seen == [[schedule(k), pytest.approx(schedule(k) / 2, rel=1e-12)] for k in range(5, 15)]


@pytest.mark.parametrize("at", [1, 7, 19, 30])
def test_D6_and_D12_resume_from_a_plain_state(at: int, tmp_path: Path) -> None:
    schedule = one_cycle(max_lr=0.8, total_steps=20)
    whole = make_optimizer(0.1, 0.05)
    expected = play(whole, schedule.as_torch(whole), 40)
    before = make_optimizer(0.1, 0.05)
    scheduler = schedule.as_torch(before)
    play(before, scheduler, at)
    torch.save([scheduler.state_dict(), before.state_dict()], tmp_path / "state.pt")
    saved, optimizer_state = torch.load(tmp_path / "state.pt", weights_only=True)
    assert len(repr(saved)) < 200
    after = make_optimizer(0.1, 0.05)
    resumed = schedule.as_torch(after)
    after.load_state_dict(optimizer_state)
    resumed.load_state_dict(saved)
    assert resumed.get_last_lr() == rates(after)
    assert play(after, resumed, 40 - at) == expected[at:]


def test_D7_a_longer_schedule_takes_over_a_finished_ones_state() -> None:
    optimizer = make_optimizer(0.1)
    scheduler = linear(0.1, total_steps=10).as_torch(optimizer)
    play(optimizer, scheduler, 10)
    longer = linear(0.1, total_steps=20).as_torch(optimizer)
    longer.load_state_dict(scheduler.state_dict())
    assert play(optimizer, longer, 5)[1:] == [[linear(0.1, 20)(k)] for k in range(11, 15)]


def test_D16_starts_part_way() -> None:
    optimizer = make_optimizer(0.1)
    schedule = one_cycle(max_lr=0.8, total_steps=20)
    for group in optimizer.param_groups:
        group["initial_lr"] = group["lr"]
    scheduler = schedule.as_torch(optimizer, last_epoch=9)
    assert [row[0] for row in play(optimizer, scheduler, 5)] == [schedule(k) for k in range(10, 15)]


@pytest.mark.filterwarnings("ignore:The epoch parameter:UserWarning")
def test_D8_jumping_is_stepping() -> None:
    schedule = sgdr(max_lr=0.8, T_0=10, T_mult=2)
    one, two = make_optimizer(0.1), make_optimizer(0.1)
    stepped, jumped = schedule.as_torch(one), schedule.as_torch(two)
    play(one, stepped, 77)
    jumped.load_state_dict({**stepped.state_dict(), "last_epoch": 76})
    two.step()
    jumped.step()
    assert rates(two) == rates(one) == [schedule(77)]


def test_D13_the_model_is_freed_without_the_garbage_collector() -> None:
    gc.disable()
    try:
        model = torch.nn.Linear(2, 2)
        optimizer = SGD(model.parameters(), lr=0.1)
        scheduler = one_cycle(max_lr=0.1, total_steps=10).as_torch(optimizer)
        optimizer.step()
        scheduler.step()
        alive = weakref.ref(model)
        del model, optimizer, scheduler
        assert alive() is None
    finally:
        gc.enable()


def test_tensor_rates_are_filled_in_place() -> None:
    optimizer = Adam([torch.zeros(1, requires_grad=True)], lr=torch.tensor(0.1), foreach=False)
    tensor: Any = optimizer.param_groups[0]["lr"]
    schedule = linear(0.5, total_steps=10)
    scheduler = schedule.as_torch(optimizer)
    for step in range(5):
        assert optimizer.param_groups[0]["lr"] is tensor
        assert tensor.item() == pytest.approx(schedule(step), rel=1e-6)
        optimizer.step()
        scheduler.step()


def test_trains_in_lightning_as_any_scheduler() -> None:
    def configure(model: TinyModel) -> Any:
        optimizer = SGD(model.parameters(), lr=0.1)
        total = int(model.trainer.estimated_stepping_batches)
        scheduler = one_cycle(max_lr=0.1, total_steps=total).as_torch(optimizer)
        return [optimizer], [{"scheduler": scheduler, "interval": "step"}]

    trainer = tiny_trainer()
    trainer.fit(TinyModel(configure), tiny_loader())
    last = one_cycle(max_lr=0.1, total_steps=16)(16)
    assert rates(trainer.optimizers[0]) == [last]


def test_refuses_what_is_no_schedule() -> None:
    from lrtool.torch_schedule import TorchSchedule

    with pytest.raises(ArgumentError, match="an lrtool schedule"):
        TorchSchedule(make_optimizer(0.1), lambda step: 0.1)  # type: ignore[arg-type]
