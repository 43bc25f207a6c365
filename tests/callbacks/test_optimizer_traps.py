"""Traps of optimizers, met inside a Trainer."""

from types import SimpleNamespace
from typing import Any

import pytest
import pytorch_optimizer
import torch
from pytorch_lightning.core.optimizer import LightningOptimizer

from lrtool import optimizers, param_groups, schedules
from lrtool.callbacks import FineTuneRecipe, LRRangeTest, ParamScheduler
from lrtool.callbacks._range_test_context import capped
from lrtool.errors import UnsupportedError
from lrtool.ladder import SweepConfig
from support.tiny import TinyModel, tiny_loader, tiny_trainer

WIDE: dict[str, Any] = {"min_lr": 1e-5, "max_lr": 1.0, "num_steps": 40}


def fit(name: str, *callbacks: Any, lr: float | None = None, **options: Any) -> Any:
    model = TinyModel(lambda module: optimizers.create(name, module, lr=lr))
    trainer = tiny_trainer(max_epochs=1, callbacks=list(callbacks), **options)
    trainer.fit(model, tiny_loader(rows=512))
    return trainer.optimizers[0]


@pytest.mark.skipif(not hasattr(torch.optim, "Adafactor"), reason="this torch has no Adafactor")
@pytest.mark.parametrize(("before", "cap"), [(0, 0.1), (9_900, 0.01)])
def test_T3_adafactors_cap_is_that_of_the_sweeps_last_step(before: int, cap: float) -> None:
    """Step t uses min(lr, 1 / sqrt(t)): a run resumed late has a lower one."""
    optimizer = torch.optim.Adafactor([torch.nn.Parameter(torch.zeros(2))])
    trainer: Any = SimpleNamespace(optimizers=[optimizer], global_step=before)
    assert capped(SweepConfig(max_steps=100), trainer, 0).max_lr == pytest.approx(cap)
    lower = SweepConfig(max_lr=1e-3, max_steps=100)
    assert capped(lower, trainer, 0) == lower


def test_T3_adabound_takes_an_applied_rate_as_its_base() -> None:
    finder = LRRangeTest(**WIDE)
    optimizer = fit("adabound", finder, lr=1e-6)
    assert finder.result is not None
    assert finder.result.applied
    assert optimizer.base_lrs == [finder.result.lr] * len(optimizer.param_groups)


def test_T3_adabounds_base_stays_under_a_schedule() -> None:
    optimizer = fit("adabound", ParamScheduler(lr=schedules.linear(1e-3, total_steps=64)), lr=1e-3)
    assert optimizer.base_lrs == [1e-3] * len(optimizer.param_groups)


def test_T3_an_adabound_built_by_hand_is_guarded_by_any_of_the_callbacks() -> None:
    def build(module: TinyModel) -> Any:
        return pytorch_optimizer.AdaBound(module.parameters(), lr=1e-3)

    for callback in (ParamScheduler(lr=1e-4), LRRangeTest(**WIDE)):
        trainer = tiny_trainer(max_epochs=1, callbacks=[callback])
        trainer.fit(TinyModel(build), tiny_loader(rows=512))
        saved = trainer.optimizers[0].state_dict()["param_groups"][0]
        assert saved["base_lr"] == trainer.optimizers[0].base_lrs[0]  # type: ignore[attr-defined]


def test_T3_adafactor_is_not_swept_where_its_cap_hides_the_rate() -> None:
    finder = LRRangeTest(num_steps=20, max_steps=60, apply=False)
    fit("adafactor", finder)
    assert finder.result is not None
    assert finder.result.curve.lr.max() <= 60**-0.5


def test_T3_a_stage_is_not_measured_under_an_optimizer_no_range_test_judges() -> None:
    """Refused by name with the reason; without a measurement the recipe runs."""
    names: dict[str, Any] = {"body": "net.0", "head": "net.4"}
    with pytest.raises(UnsupportedError, match=r"nothing about schedule_free_adamw: .*lr_max"):
        fit("schedule_free_adamw", FineTuneRecipe(**names, head_epochs=0))
    unmeasured = FineTuneRecipe(**names, head_epochs=0, measure=False)
    with pytest.warns(UserWarning, match="schedule_free_adamw does not bear a rate that rises"):
        fit("schedule_free_adamw", unmeasured)
    assert unmeasured.records[0].result is None


@pytest.mark.parametrize("name", ["prodigy", "lbfgs"])
def test_T3_layers_get_no_rates_of_their_own_where_there_is_one_rate(name: str) -> None:
    reason = optimizers.capabilities(name).group_rates.reason
    with pytest.raises(UnsupportedError, match=f"{name}: {reason}"):
        fit(name, FineTuneRecipe(head="net.4", measure=False))


def test_T3_rmsprop_without_momentum_bears_a_momentum_schedule() -> None:
    plan = ParamScheduler(momentum=schedules.linear(0.5, total_steps=64, end_lr=0.9))
    optimizer = fit("rmsprop", plan)
    assert param_groups.get(optimizer, "momentum") == pytest.approx(0.5 + 0.4 * 63 / 64)


def test_T3_adam_steps_at_lr_while_lightning_moves_beta1() -> None:
    """The whole training step runs inside the optimizer's: there, too, the rate is as written."""
    seen: list[float] = []

    class Reads(TinyModel):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            seen.append(self.trainer.optimizers[0].param_groups[0]["lr"])
            return super().training_step(batch, batch_idx)

    model = Reads(lambda module: torch.optim.Adam(module.parameters(), lr=0.01))
    beta1 = schedules.linear(0.95, total_steps=8, end_lr=0.85)
    trainer = tiny_trainer(max_epochs=1, callbacks=[ParamScheduler(momentum=beta1)])
    trainer.fit(model, tiny_loader())
    assert seen == [0.01] * 8
    group = trainer.optimizers[0].param_groups[0]
    assert group["lr"] == 0.01
    assert group["beta1_product"] == pytest.approx(
        0.95 * torch.tensor([beta1(k) for k in range(1, 8)], dtype=torch.float64).prod().item()
    )


def test_capabilities_see_through_lightnings_wrapper() -> None:
    optimizer = optimizers.create("adamw", TinyModel())
    assert optimizers.capabilities_of(LightningOptimizer(optimizer)).name == "adamw"


def test_fine_tuning_in_several_processes_is_refused_by_name() -> None:
    trainer: Any = SimpleNamespace(world_size=2)
    with pytest.raises(UnsupportedError, match="world_size=2; use devices=1"):
        FineTuneRecipe(head="head").on_fit_start(trainer, TinyModel())
