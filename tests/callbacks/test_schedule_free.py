"""ScheduleFreeSwitch: validated at the average, trained on from where training stood."""

from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from lrtool import optimizers
from lrtool.callbacks import ScheduleFreeSwitch
from support.steps import identical
from support.tiny import Batch, tiny_loader, tiny_trainer

NAMES = [name for name in optimizers.names() if optimizers.capabilities(name).averages]


class Linear(pl.LightningModule):
    """No dropout; remembers the weights each validation saw, and the steps taken by then."""

    def __init__(self, name: str) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Linear(4, 1)
        self.name = name
        self.validated: list[Tensor] = []

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        return nn.functional.mse_loss(self.net(batch[0]), batch[1])

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        if batch_idx == 0:
            self.validated.append(self.net.weight.detach().clone())

    def configure_optimizers(self) -> Any:
        return optimizers.create(self.name, self)


def fit(name: str, *callbacks: Any, ckpt: Path | None = None, **options: Any) -> Linear:
    model = Linear(name)
    trainer = tiny_trainer(callbacks=[*callbacks], num_sanity_val_steps=1, **options)
    trainer.fit(model, tiny_loader(), tiny_loader(rows=16), ckpt_path=ckpt)
    return model


def by_hand(name: str, epochs: int) -> tuple[list[Tensor], Tensor]:
    """The loop of the method's authors: eval() to evaluate, train() to train."""
    model = Linear(name)
    optimizer: Any = model.configure_optimizers()
    seen = [model.net.weight.detach().clone()]
    for _ in range(epochs):
        optimizer.train()
        for batch in tiny_loader():
            optimizer.zero_grad()
            loss: Any = model.training_step(batch, 0)
            loss.backward()
            optimizer.step()
        optimizer.eval()
        seen.append(model.net.weight.detach().clone())
    return seen, model.net.weight.detach()


@pytest.mark.parametrize("name", NAMES)
def test_T3_schedule_free_is_validated_and_left_at_its_average(name: str) -> None:
    model = fit(name, ScheduleFreeSwitch(), max_epochs=3)
    seen, end = by_hand(name, epochs=3)
    assert identical(model.validated, seen)
    assert torch.equal(model.net.weight, end)


@pytest.mark.parametrize("name", NAMES)
def test_T3_without_the_switch_the_average_is_never_seen(name: str) -> None:
    model = fit(name, max_epochs=3)
    seen, end = by_hand(name, epochs=3)
    assert torch.equal(model.validated[0], seen[0])
    assert not torch.equal(model.validated[1], seen[1])
    assert not torch.equal(model.net.weight, end)


@pytest.mark.parametrize("name", NAMES)
def test_resumed_from_the_averaged_weights_it_goes_on_exactly(name: str, tmp_path: Path) -> None:
    class Saves(pl.Callback):
        def on_validation_end(self, trainer: Any, module: Any) -> None:
            if trainer.global_step == 8:
                trainer.save_checkpoint(tmp_path / "stop.ckpt")

    whole = fit(name, ScheduleFreeSwitch(), Saves(), max_epochs=2)
    saved = torch.load(tmp_path / "stop.ckpt", weights_only=True)["state_dict"]
    assert torch.equal(saved["net.weight"], whole.validated[1])
    resumed = fit(name, ScheduleFreeSwitch(), ckpt=tmp_path / "stop.ckpt", max_epochs=2)
    assert identical(whole.parameters(), resumed.parameters())


def test_an_optimizer_without_an_average_is_left_alone() -> None:
    with_switch = fit("adamw", ScheduleFreeSwitch())
    assert identical(with_switch.parameters(), fit("adamw").parameters())


def test_lookahead_over_one_is_switched_too() -> None:
    model = Linear("lookahead_schedule_free_sgd")
    trainer = tiny_trainer(callbacks=[ScheduleFreeSwitch()], max_epochs=1)
    trainer.fit(model, tiny_loader())
    inner: Any = trainer.optimizers[0].optimizer  # type: ignore[attr-defined]
    assert not any(group["train_mode"] for group in inner.param_groups)
