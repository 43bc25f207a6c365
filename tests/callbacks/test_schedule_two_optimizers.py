"""Two optimizers, stepped by hand in turns: each has its own scheduler, on the common count."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.optim import SGD

from lrtool import Status, Suggestion
from lrtool.callbacks import LRRangeTest, OneCycleScheduler, ParamScheduler, PlateauScheduler
from lrtool.errors import UnsupportedError
from lrtool.schedules import linear, one_cycle
from support.tiny import Batch, TinyModel, tiny_loader, tiny_trainer


class Alternating(TinyModel):
    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.used: list[list[tuple[int, float]]] = [[], []]

    def configure_optimizers(self) -> Any:
        first, *rest = self.net.children()
        others = [p for part in rest for p in part.parameters()]
        return [SGD(first.parameters(), lr=0.1), SGD(others, lr=0.2)]

    def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:
        optimizers: Any = self.optimizers()
        loss = self.loss(batch)
        optimizers[batch_idx % 2].zero_grad()
        self.manual_backward(loss)
        rate = optimizers[batch_idx % 2].param_groups[0]["lr"]
        self.used[batch_idx % 2].append((self.trainer.global_step, rate))
        optimizers[batch_idx % 2].step()
        return loss


def test_each_scheduler_writes_to_its_own_optimizer() -> None:
    model = Alternating()
    callbacks = [
        OneCycleScheduler(max_lr=0.5, total_steps=16, optimizer=0),
        ParamScheduler(lr="linear", total_steps=16, optimizer=1),
    ]
    trainer = tiny_trainer(callbacks=callbacks)
    trainer.fit(model, tiny_loader())
    assert trainer.global_step == 16
    cycle, line = one_cycle(max_lr=0.5, total_steps=16), linear(0.2, total_steps=16)
    assert model.used[0] == [(step, cycle(step)) for step in range(0, 16, 2)]
    assert model.used[1] == [(step, line(step)) for step in range(1, 16, 2)]


@pytest.mark.parametrize("order", [1, -1])
def test_each_takes_the_rates_of_its_own_optimizers_range_test(order: int) -> None:
    low, high = (Suggestion(x, x / 2, 2 * x, (x, x), "m", Status.CLEAR, "") for x in (0.02, 0.4))
    steps: dict[str, Any] = {"num_steps": 5, "max_steps": 5}
    cycles = [OneCycleScheduler(total_steps=16, optimizer=index) for index in (0, 1)]
    plateau = PlateauScheduler(optimizer=1)
    tests = [
        LRRangeTest(optimizer=0, suggester=lambda curve: low, **steps),
        LRRangeTest(optimizer=1, suggester=lambda curve: high, **steps),
    ]
    tiny_trainer(callbacks=[*cycles, *tests][::order]).fit(Alternating(), tiny_loader())
    assert [one.schedule for one in cycles] == [
        one_cycle(max_lr=suggestion.max_lr, total_steps=16) for suggestion in (low, high)
    ]
    tiny_trainer(callbacks=[*tests[::order], plateau], max_epochs=1).fit(
        Alternating(), tiny_loader(), tiny_loader()
    )
    assert plateau.rule.lr == high.lr


def test_a_range_test_of_the_other_optimizer_says_nothing_of_this_one() -> None:
    cycle = OneCycleScheduler(total_steps=16, optimizer=1)
    test = LRRangeTest(min_lr=1e-4, max_lr=1.0, num_steps=10)
    tiny_trainer(callbacks=[test, cycle]).fit(Alternating(), tiny_loader())
    assert test.result is not None
    assert cycle.schedule == one_cycle(max_lr=0.2, total_steps=16)


def test_two_schedulers_of_one_class_keep_apart_in_a_checkpoint(tmp_path: Path) -> None:
    def callbacks() -> list[Any]:
        return [
            ParamScheduler(lr="linear", total_steps=16, optimizer=0),
            ParamScheduler(lr="cosine", total_steps=16, optimizer=1),
            ParamScheduler(weight_decay="linear", total_steps=16, optimizer=1),
        ]

    whole, half, rest = Alternating(), Alternating(), Alternating()
    tiny_trainer(callbacks=callbacks()).fit(whole, tiny_loader())
    trainer = tiny_trainer(callbacks=callbacks(), max_epochs=1)
    trainer.fit(half, tiny_loader())
    trainer.save_checkpoint(tmp_path / "half.ckpt")
    tiny_trainer(callbacks=callbacks()).fit(
        rest, tiny_loader(), ckpt_path=str(tmp_path / "half.ckpt")
    )
    for one, other, both in zip(half.used, rest.used, whole.used, strict=True):
        assert one + other == both


def test_the_length_that_is_asked_for_is_said_to_be_the_common_count() -> None:
    trainer = tiny_trainer(callbacks=[OneCycleScheduler(max_lr=0.5)])
    with pytest.raises(UnsupportedError, match="the steps of all optimizers together"):
        trainer.fit(Alternating(), tiny_loader())
