"""A user's script over the public surface, to be checked for its types and not to be run."""

from pathlib import Path

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import lrtool
from lrtool import optimizers, schedules
from lrtool.callbacks import (
    CyclicalScheduler,
    EarlyStopping,
    FineTuneRecipe,
    LiveCurve,
    LRRangeTest,
    OneCycleScheduler,
    ParamScheduler,
    PlateauScheduler,
    SGDRScheduler,
    WarmupScheduler,
)
from lrtool.plotting import plot_curves, plot_range_test, plot_schedule, plot_suggestions
from lrtool.report import environment_section, range_test_section, write_report
from lrtool.suggest import suggest


class Model(pl.LightningModule):
    def __init__(self, lr: float = 1e-3) -> None:
        super().__init__()
        self.net = nn.Linear(4, 1)
        self.lr = lr

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        return nn.functional.mse_loss(self.net(batch[0]), batch[1])

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        self.log("val_loss", nn.functional.mse_loss(self.net(batch[0]), batch[1]))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=self.lr)


data = DataLoader(TensorDataset(torch.randn(64, 4), torch.randn(64, 1)), 8)
result = lrtool.range_test(Model(), data, min_lr=1e-5, max_lr=1.0, num_steps=50)
rate: float = result.lr
low, high = result.suggestion.interval
sure: bool = result.suggestion.status is lrtool.Status.CLEAR
print(rate, low, high, result.max_lr, result.min_lr, sure)
print(result.compare(), result.to_dict(), result.context["batch_size"])
result.save("r.json")
lrtool.RangeTestResult.load("r.json").report("r.html")
print(result.plot().get_title())
plot_range_test(result)
plot_suggestions({name: suggest(result.curve, name) for name in ("auto", "steepest")})
one = schedules.one_cycle(max_lr=0.1, total_steps=100)
value: float = one(3)
one.plot(100)
plot_schedule(one, 100)
plot_curves({"a": [(0, 1.0), (1, 0.5)]})
scheduler = one.as_torch(torch.optim.SGD(Model().parameters(), lr=0.1))
scheduler.step()
for other in (schedules.cosine(lr=0.1, total_steps=9), schedules.sgdr(max_lr=0.1, T_0=10)):
    print(other(1), other.length, other.cycle(2))
recipe = schedules.recipe("cosine", lr=0.1)
print(optimizers.names(), optimizers.capabilities("adamw").decoupled)
finder, early = LRRangeTest(num_steps=50), EarlyStopping("val_loss", patience=3, restore_best=True)
callbacks: list[pl.Callback] = [finder, OneCycleScheduler(), early]
others: list[pl.Callback] = [
    SGDRScheduler(max_lr=0.1, T_0="1ep"),
    CyclicalScheduler(max_lr=0.1),
    WarmupScheduler(),
    LiveCurve(),
    ParamScheduler(lr=one),
    PlateauScheduler("val_loss"),
    FineTuneRecipe(head="net"),
]
trainer = pl.Trainer(max_epochs=1, callbacks=callbacks)
trainer.fit(Model(), data, data)
if finder.result is not None:
    print(finder.result.lr, early.stopping_reason_message)
tuned = lrtool.tune(Model, (data, data), n_trials=2, max_epochs=1, sampler="tpe", pruner="median")
best: float = tuned.best_value
print(best, tuned.best_params["max_lr"], tuned.trials[0]["value"], tuned.snippet())
print(tuned.study.best_trial.number)
page: Path = tuned.report("x.html")
print(lrtool.range_family(Model(), data, weight_decay=[0.0, 1e-4]))
for found in (
    lrtool.range_test(Model(), data, momentum=[0.8, 0.9]),
    lrtool.range_test(Model(), data, optimizer=["sgdm", "adamw"], num_steps=50),
    lrtool.range_test(Model(), data, batch_size=[4, 8]),
):
    print(found, found.best, found.reason, found.plot().get_title())
by_group: dict[str, float] = lrtool.range_test(Model(), data, per_group=True).group_lr
print(lrtool.compare_optimizers(Model, (data, data), ("sgdm", "adamw"), max_steps=100))
write_report("p.html", [range_test_section(result), environment_section()], title="T")
