"""What the scheduler callbacks write to the optimizer, and what they refuse."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import BackboneFinetuning, LearningRateMonitor
from pytorch_lightning.loggers import CSVLogger
from torch import nn
from torch.optim import SGD, Adagrad, Adam, Optimizer, RMSprop, lr_scheduler

from lrtool.callbacks import (
    CyclicalScheduler,
    OneCycleScheduler,
    ParamScheduler,
    SGDRScheduler,
    WarmupScheduler,
)
from lrtool.callbacks._lightning import lightning_modules
from lrtool.curve import LossCurve
from lrtool.errors import ArgumentError, UnsupportedError
from lrtool.result import RangeTestResult
from lrtool.schedules import constant, cosine, linear, one_cycle, recipe, sgdr, triangular
from lrtool.suggest import Suggestion
from lrtool.types import Status, StopReason
from support.recorder import Recorder
from support.tiny import TinyModel, Untouched, tiny_loader, tiny_trainer

MakeOptimizer = Callable[[TinyModel], Optimizer]


def fit(
    *callbacks: pl.Callback, optimizer: Any = None, **limits: Any
) -> tuple[Recorder, pl.Trainer]:
    recorder = Recorder()
    trainer = tiny_trainer(callbacks=[*callbacks, recorder], **limits)
    trainer.fit(TinyModel(optimizer), tiny_loader())
    return recorder, trainer


def sgd_groups(**extra: Any) -> MakeOptimizer:
    def make(model: TinyModel) -> Optimizer:
        first, *rest = model.net.children()
        return SGD(
            [
                {"params": first.parameters(), "lr": 0.002, "weight_decay": 0.0, "name": "body"},
                {
                    "params": [p for part in rest for p in part.parameters()],
                    "lr": 0.01,
                    "name": "head",
                    **extra,
                },
            ],
            lr=0.01,
            momentum=0.9,
            weight_decay=0.1,
        )

    return make


def result_of(lr: float, min_lr: float, max_lr: float, status: Status = Status.CLEAR) -> Any:
    curve = LossCurve(np.array([1e-3, 1e-2]), np.array([1.0, 0.5]), StopReason.COMPLETED)
    nan = float("nan")
    if not status.has_pick:
        lr = min_lr = max_lr = nan
    suggestion = Suggestion(
        lr=lr, min_lr=min_lr, max_lr=max_lr, interval=(lr, lr), method="made up", status=status,
        reason="made up",
    )  # fmt: skip
    return RangeTestResult(curve, suggestion)


class Measures(pl.Callback):
    """Stands in for a range test: its result is there once training has started."""

    measures_lr = True

    def __init__(self, result: RangeTestResult) -> None:
        self.result: RangeTestResult | None = None
        self.later = result

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.result = self.later


# -- where the rates come from ---------------------------------------------------------------------


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize(
    ("make", "schedule"),
    [
        (OneCycleScheduler, one_cycle(max_lr=0.3, total_steps=16)),
        (lambda: SGDRScheduler(T_0=4), sgdr(max_lr=0.3, T_0=4)),
        (
            lambda: CyclicalScheduler(step_size_up=2),
            triangular(max_lr=0.3, min_lr=0.02, step_size_up=2),
        ),
        (lambda: ParamScheduler(lr="cosine"), cosine(0.1, total_steps=16)),
        (lambda: ParamScheduler(lr=constant(0.5)), constant(0.5)),
        (lambda: OneCycleScheduler(max_lr=0.7), one_cycle(max_lr=0.7, total_steps=16)),
    ],
)
def test_rates_come_from_the_range_test_wherever_it_stands(
    first: bool, make: Callable[[], ParamScheduler], schedule: Any
) -> None:
    finder, scheduler = Measures(result_of(lr=0.1, min_lr=0.02, max_lr=0.3)), make()
    callbacks = [finder, scheduler] if first else [scheduler, finder]
    recorder, _ = fit(*callbacks)
    assert scheduler.schedule == schedule
    assert recorder.first() == [schedule(step) for step in range(16)]


def test_rates_come_from_a_saved_result(tmp_path: Any) -> None:
    result_of(lr=0.1, min_lr=0.02, max_lr=0.3).save(tmp_path / "range.json")
    recorder, _ = fit(OneCycleScheduler(range_test=tmp_path / "range.json"))
    assert recorder.first() == [one_cycle(max_lr=0.3, total_steps=16)(k) for k in range(16)]


def test_a_new_measurement_in_mid_run_moves_the_peak() -> None:
    class Later(Measures):
        def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
            if trainer.current_epoch == 1:
                self.result = result_of(lr=0.1, min_lr=0.02, max_lr=0.6)

    recorder, _ = fit(OneCycleScheduler(), Later(result_of(lr=0.1, min_lr=0.02, max_lr=0.3)))
    low, high = one_cycle(max_lr=0.3, total_steps=16), one_cycle(max_lr=0.6, total_steps=16)
    assert recorder.first() == [(low if k < 8 else high)(k) for k in range(16)]


def test_without_a_pick_the_optimizers_own_rate_is_the_peak_and_it_says_so() -> None:
    finder = Measures(result_of(0, 0, 0, status=Status.NO_DESCENT))
    with pytest.warns(UserWarning, match=r"no pick.*own rate 0\.01"):
        recorder, _ = fit(OneCycleScheduler(), finder)
    assert recorder.first() == [one_cycle(max_lr=0.01, total_steps=16)(k) for k in range(16)]


def test_an_optimizer_at_rate_0_is_told_what_to_do() -> None:
    def at_rest(model: TinyModel) -> Optimizer:
        return SGD(model.parameters(), lr=0.0)

    with pytest.raises(ArgumentError, match=r"max_lr=0\.0; give max_lr=, an LRRangeTest"):
        fit(OneCycleScheduler(), optimizer=at_rest)
    with pytest.raises(ArgumentError, match=r"max_lr=0\.0$"):
        OneCycleScheduler(max_lr=0.0)


# -- groups ----------------------------------------------------------------------------------------


def test_D14_groups_keep_their_ratio_and_a_stale_initial_lr_is_not_used() -> None:
    recorder, _ = fit(OneCycleScheduler(max_lr=0.1), optimizer=sgd_groups(initial_lr=99.0))
    schedule = one_cycle(max_lr=0.1, total_steps=16)
    assert [row[1] for row in recorder.lr] == [schedule(step) for step in range(16)]
    for body, head in recorder.lr:
        assert body == pytest.approx(head * 0.2 if head else None, rel=1e-12)


def test_schedules_by_group_name_leave_other_groups_alone() -> None:
    recorder, _ = fit(
        ParamScheduler(lr={"head": linear(0.1, 16)}, weight_decay={"head": 0.5}),
        optimizer=sgd_groups(),
    )
    assert [row[0] for row in recorder.lr] == [0.002] * 16
    assert [row[1] for row in recorder.lr] == [linear(0.1, 16)(step) for step in range(16)]
    assert [row[1] for row in recorder.weight_decay] == [0.5] * 16


def test_recipes_by_group_name_take_the_groups_share_of_the_measured_rate() -> None:
    scheduler = ParamScheduler(lr={"body": "constant", "head": recipe("linear")})
    recorder, _ = fit(
        scheduler, Measures(result_of(lr=0.5, min_lr=0.1, max_lr=0.9)), optimizer=sgd_groups()
    )
    assert recorder.lr[0] == [pytest.approx(0.1), 0.5]
    assert recorder.lr[15] == [pytest.approx(0.1), linear(0.5, 16)(15)]


def test_unknown_group_names_are_refused_with_those_there_are() -> None:
    with pytest.raises(ArgumentError, match=r"name='tail', groups=\['body', 'head'\]"):
        fit(ParamScheduler(lr={"tail": 0.1}), optimizer=sgd_groups())


def test_D15_groups_added_by_backbone_finetuning_join_at_their_ratio() -> None:
    class WithBackbone(TinyModel):
        def __init__(self) -> None:
            super().__init__()
            self.backbone = nn.Linear(4, 4)
            self.net[0] = nn.Sequential(self.backbone, nn.Linear(4, 8))

        def configure_optimizers(self) -> Optimizer:
            trained = [p for p in self.parameters() if p.requires_grad]
            return SGD(trained, lr=0.01, momentum=0.9)

    unfreeze = BackboneFinetuning(
        unfreeze_backbone_at_epoch=1, backbone_initial_ratio_lr=0.25, lambda_func=lambda epoch: 1.0
    )
    for callbacks in ([unfreeze, OneCycleScheduler(max_lr=0.1)], [SGDRScheduler(max_lr=0.1)]):
        recorder = Recorder()
        order = callbacks if unfreeze in callbacks else [*callbacks, unfreeze]
        trainer = tiny_trainer(callbacks=[*order, recorder], max_epochs=3)
        trainer.fit(WithBackbone(), tiny_loader())
        widths = [len(row) for row in recorder.lr]
        assert widths[:8] == [1] * 8
        assert widths[8:] == [2] * 16
        for head, backbone in recorder.lr[8:]:
            assert head is not None
            # BackboneFinetuning divides by its initial_denom_lr only what is not given
            assert backbone == pytest.approx(head * 0.25, rel=1e-9)


def test_tensor_rates_stay_the_same_tensor() -> None:
    seen: list[int] = []

    class Sees(pl.Callback):
        def on_train_batch_start(self, trainer: pl.Trainer, *_: Any) -> None:
            seen.append(id(trainer.optimizers[0].param_groups[0]["lr"]))

    recorder, trainer = fit(
        OneCycleScheduler(max_lr=0.5, momentum=None),
        Sees(),
        optimizer=lambda model: Adam(model.parameters(), lr=torch.tensor(0.01), foreach=False),
    )
    assert isinstance(trainer.optimizers[0].param_groups[0]["lr"], torch.Tensor)
    assert len(set(seen)) == 1
    schedule = one_cycle(max_lr=0.5, total_steps=16)
    assert recorder.first() == [pytest.approx(schedule(k), rel=1e-6) for k in range(16)]


# -- momentum and weight decay ---------------------------------------------------------------------


def test_D11_momentum_moves_against_the_cycle() -> None:
    recorder, _ = fit(OneCycleScheduler(max_lr=0.1, momentum=(0.8, 0.95)))
    low = min(range(16), key=lambda step: recorder.momentum[step][0] or 0.0)
    assert recorder.momentum[0] == [0.95]
    assert recorder.momentum[low][0] == pytest.approx(0.8, abs=1e-3)
    assert recorder.lr[low] == max(recorder.lr)


def test_D11_automatic_momentum_never_exceeds_the_one_the_rate_was_measured_at() -> None:
    recorder, _ = fit(OneCycleScheduler(max_lr=0.1))
    values = [value for value in recorder.first("momentum") if value is not None]
    assert values[0] == max(values) == 0.9
    assert min(values) == pytest.approx(0.85, abs=1e-3)


@pytest.mark.parametrize(
    "optimizer",
    [
        lambda model: SGD(model.parameters(), lr=0.01),
        lambda model: RMSprop(model.parameters(), lr=0.01),
        lambda model: Adam(model.parameters(), lr=0.01),
        lambda model: Adagrad(model.parameters(), lr=0.01),
    ],
    ids=["SGD without momentum", "RMSprop", "Adam", "Adagrad"],
)
def test_D11_automatic_momentum_leaves_these_alone(optimizer: MakeOptimizer) -> None:
    recorder, _ = fit(OneCycleScheduler(max_lr=0.01), optimizer=optimizer)
    assert len({value for row in recorder.momentum for value in row}) == 1


@pytest.mark.parametrize("length", [2, 3])
def test_D11_beta1_of_betas_of_any_length(length: int) -> None:
    lengths: set[int] = set()
    betas: list[Any] = []

    class Sees(pl.Callback):
        def on_before_optimizer_step(self, trainer: Any, model: Any, optimizer: Any) -> None:
            betas.append(optimizer.param_groups[0]["betas"])
            lengths.add(len(betas[-1]))

    class Stepless(Adam):
        def step(self, closure: Any = None) -> Any:
            return closure() if closure is not None else None

    def make(model: TinyModel) -> Optimizer:
        optimizer = Stepless(model.parameters(), lr=0.01)
        optimizer.param_groups[0]["betas"] = (0.9, 0.99, 0.999)[:length]
        return optimizer

    schedule = linear(0.5, 16, end_lr=0.9)
    fit(ParamScheduler(momentum=schedule), Sees(), optimizer=make)
    assert lengths == {length}
    assert [pair[0] for pair in betas] == [schedule(step) for step in range(16)]
    assert {pair[1:] for pair in betas} == {(0.99, 0.999)[: length - 1]}


def test_D11_without_momentum_it_says_so_and_goes_on() -> None:
    with pytest.warns(UserWarning, match="Adagrad has neither momentum nor betas"):
        recorder, _ = fit(
            OneCycleScheduler(max_lr=0.1, momentum=(0.85, 0.95)),
            optimizer=lambda model: Adagrad(model.parameters(), lr=0.01),
        )
    assert recorder.first() == [one_cycle(max_lr=0.1, total_steps=16)(k) for k in range(16)]


def test_rmsprop_can_be_raised_from_no_momentum() -> None:
    recorder, _ = fit(
        ParamScheduler(momentum=linear(0.0, 16, end_lr=0.9)),
        optimizer=lambda model: RMSprop(model.parameters(), lr=0.001),
    )
    assert recorder.first("momentum") == [linear(0.0, 16, end_lr=0.9)(k) for k in range(16)]


def test_optimizers_that_do_not_bear_a_cycle_are_named() -> None:
    class Prodigy(SGD):
        """By its name."""

    with pytest.warns(UserWarning, match="prodigy does not bear a rate that rises again"):
        fit(
            OneCycleScheduler(max_lr=0.1, momentum=None),
            optimizer=lambda model: Prodigy(model.parameters(), lr=0.01),
        )


class Lamb(Adam):
    """By its name: its momentum may be set, but not moved."""


def test_momentum_that_should_not_move_may_still_be_set() -> None:
    def make(model: TinyModel) -> Optimizer:
        return Lamb(model.parameters(), lr=0.001)

    recorder, _ = fit(ParamScheduler(momentum=0.8), optimizer=make)
    assert recorder.first("momentum") == [0.8] * 16
    with pytest.warns(UserWarning, match="Lamb does not bear a moving momentum well"):
        fit(ParamScheduler(momentum=linear(0.5, 16, end_lr=0.9)), optimizer=make)


def test_weight_decay_keeps_ratios_and_zero_stays_zero() -> None:
    recorder, _ = fit(ParamScheduler(weight_decay=linear(0.2, 16)), optimizer=sgd_groups())
    assert recorder.weight_decay == [[0.0, linear(0.2, 16)(step)] for step in range(16)]


# -- the end, overflows, monitors, rivals ----------------------------------------------------------


def test_D1_past_the_end_it_holds_and_warns_once() -> None:
    with pytest.warns(UserWarning, match="goes on past the 5 steps") as said:
        recorder, _ = fit(OneCycleScheduler(max_lr=0.1, total_steps=5))
    assert len([one for one in said if "goes on past" in str(one.message)]) == 1
    last = one_cycle(max_lr=0.1, total_steps=5)(4)
    assert recorder.first()[4:] == [last] * 12


def test_D10_the_first_batch_gets_the_first_value() -> None:
    scheduler = WarmupScheduler(constant(0.1), warmup_steps=4, start_factor=0.5)
    recorder, _ = fit(scheduler)
    assert recorder.first()[:6] == [
        0.05,
        pytest.approx(0.0625),
        pytest.approx(0.075),
        pytest.approx(0.0875),
        0.1,
        0.1,
    ]


class OwnMonitor(LearningRateMonitor):
    """Derived from Lightning's."""


@pytest.mark.parametrize("kind", [LearningRateMonitor, OwnMonitor])
@pytest.mark.parametrize("monitor_first", [True, False])
def test_learning_rate_monitor_shows_what_is_used(
    monitor_first: bool, kind: Any, tmp_path: Any
) -> None:
    logger = CSVLogger(tmp_path)
    monitor = kind(log_momentum=True, log_weight_decay=True)
    scheduler = OneCycleScheduler(max_lr=0.1, weight_decay=linear(0.5, 16))
    callbacks = [monitor, scheduler] if monitor_first else [scheduler, monitor]
    logged: list[Any] = []
    logger.log_metrics = lambda metrics, step=None: logged.append(metrics)  # type: ignore[method-assign]
    recorder, _ = fit(*callbacks, logger=logger, log_every_n_steps=1, optimizer=sgd_groups())
    shown = [entry for entry in logged if any("lr-SGD" in key for key in entry)]
    assert shown[0] == shown[1]  # the monitor logs at the start of an epoch and of its first batch
    assert shown[9] == shown[10]
    shown = shown[1:9] + shown[10:]
    for knob, suffix in (("lr", ""), ("momentum", "-momentum"), ("weight_decay", "-weight_decay")):
        rows = [[entry[f"lr-SGD/{name}{suffix}"] for name in ("body", "head")] for entry in shown]
        assert rows == getattr(recorder, knob)


def with_scheduler(make: Callable[[Optimizer], Any]) -> Any:
    def configure(model: TinyModel) -> Any:
        optimizer = SGD(model.parameters(), lr=0.01, momentum=0.9)
        return [optimizer], [make(optimizer)]

    return configure


def test_another_scheduler_is_refused_by_name_before_any_step() -> None:
    class Never(pl.Callback):
        def on_train_start(self, *_: Any) -> None:
            raise AssertionError("training started")

    fight = with_scheduler(lambda optimizer: lr_scheduler.StepLR(optimizer, 5))
    with pytest.raises(UnsupportedError, match=r"OneCycleScheduler and the module's StepLR"):
        fit(Never(), OneCycleScheduler(max_lr=0.1), optimizer=fight)
    with pytest.raises(UnsupportedError, match=r"SGDRScheduler and OneCycleScheduler"):
        fit(Never(), SGDRScheduler(max_lr=0.1), OneCycleScheduler(max_lr=0.1))

    class OwnAveraging(pl.callbacks.StochasticWeightAveraging):
        pass

    for kind in (pl.callbacks.StochasticWeightAveraging, OwnAveraging):
        with pytest.raises(UnsupportedError, match=f"OneCycleScheduler and {kind.__name__}"):
            fit(Never(), kind(swa_lrs=0.1), OneCycleScheduler(max_lr=0.1))


def test_momentum_alone_lives_beside_a_rate_scheduler() -> None:
    recorder, _ = fit(
        ParamScheduler(momentum=linear(0.5, 16, end_lr=0.9)),
        OneCycleScheduler(max_lr=0.1, momentum=None),
    )
    assert recorder.first("momentum") == [linear(0.5, 16, end_lr=0.9)(k) for k in range(16)]
    assert recorder.first() == [one_cycle(max_lr=0.1, total_steps=16)(k) for k in range(16)]


@pytest.mark.parametrize("order", [1, -1])
def test_a_momentum_that_was_asked_for_is_not_overwritten_by_automatic_momentum(order: int) -> None:
    callbacks = [OneCycleScheduler(max_lr=0.1), ParamScheduler(momentum=0.5)][::order]
    recorder, _ = fit(*callbacks)
    assert recorder.first("momentum") == [0.5] * 16
    assert recorder.first() == [one_cycle(max_lr=0.1, total_steps=16)(k) for k in range(16)]


@pytest.mark.parametrize(
    ("first", "second", "text"),
    [
        ({"lr": 0.1, "momentum": (0.8, 0.9)}, {"momentum": 0.5}, "one .* an optimizer's momentum"),
        ({"weight_decay": 0.1}, {"weight_decay": 0.2, "lr": 0.1}, "an optimizer's weight_decay"),
    ],
)
def test_two_schedulers_of_one_knob_are_refused(first: Any, second: Any, text: str) -> None:
    with pytest.raises(UnsupportedError, match=text):
        tiny_trainer(callbacks=[ParamScheduler(**first), ParamScheduler(**second)]).fit(
            Untouched(), tiny_loader()
        )


@pytest.mark.parametrize(
    ("scheduler", "text"),
    [
        (ParamScheduler(lr=one_cycle(max_lr=0.1, total_steps=40)), "40 steps long.*run has 16"),
        (ParamScheduler(lr=one_cycle(max_lr=0.1, total_steps=8)), "over after 8 steps.*run has 16"),
        (SGDRScheduler(max_lr=0.1, T_0=7), "cycle 3 begins at step 14, 2 steps before the end"),
        (WarmupScheduler(constant(0.1), warmup_steps=20), "warm-up takes 20 steps"),
    ],
)
def test_a_cycle_that_does_not_fit_the_run_is_said(scheduler: ParamScheduler, text: str) -> None:
    with pytest.warns(UserWarning, match=text):
        fit(scheduler)


@pytest.mark.parametrize("module", lightning_modules(), ids=lambda module: module.__name__)
def test_works_under_either_name_of_lightning(module: Any) -> None:
    class Model(module.LightningModule):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.net = nn.Linear(4, 1)

        def training_step(self, batch: Any, batch_idx: int) -> Any:
            return (self.net(batch[0]) - batch[1]).square().mean()

        def configure_optimizers(self) -> Optimizer:
            return SGD(self.parameters(), lr=0.01)

    scheduler = OneCycleScheduler(max_lr=0.1)
    trainer = module.Trainer(
        accelerator="cpu",
        max_epochs=2,
        callbacks=[scheduler],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(Model(), tiny_loader())
    assert scheduler.schedule == one_cycle(max_lr=0.1, total_steps=16)
    assert trainer.optimizers[0].param_groups[0]["lr"] == one_cycle(0.1, 16)(15)


# -- arguments -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: ParamScheduler(), "a schedule for lr, momentum or weight_decay"),
        (lambda: ParamScheduler(lr="cosinus"), "did you mean 'cosine'"),
        (lambda: ParamScheduler(lr="exponential"), r"missing=\['gamma'\]"),
        (lambda: ParamScheduler(lr=-1.0), r"0 <= lr < inf must hold, got lr=-1\.0"),
        (lambda: ParamScheduler(lr=len), r"got lr=<built-in .*lrtool\.schedules\.lambda_"),  # type: ignore[arg-type]
        (lambda: ParamScheduler(lr={"head": 0.1, "body": math.nan}), r"got lr=nan"),
        (lambda: ParamScheduler(weight_decay=-0.1), r"0 <= weight_decay < inf"),
        (lambda: ParamScheduler(weight_decay="auto"), "schedule must be one of"),
        (lambda: ParamScheduler(momentum=1.5), r"0 <= momentum < 1 must hold, got momentum=1\.5"),
        (lambda: OneCycleScheduler(momentum=(0.9, 0.8)), r"0 <= low <= high < 1"),
        (lambda: OneCycleScheduler(max_lr=-1.0), r"0 < max_lr < inf must hold, got max_lr=-1\.0"),
        (lambda: OneCycleScheduler(pct_start=1.5), r"0 < pct_start < 1 must hold, got .*1\.5"),
        (lambda: OneCycleScheduler(total_steps="ten ep"), "ten ep"),
        (lambda: OneCycleScheduler(start_step=-1), "whole start_step >= 0"),
        (lambda: SGDRScheduler(T_mult=0.0), "0 < T_mult < inf"),
        (lambda: SGDRScheduler(T_0=0), "whole T_0 >= 1"),
        (lambda: CyclicalScheduler(max_lr=0.1, min_lr=0.2), "did you swap them"),
        (lambda: CyclicalScheduler(mode="triangle"), "did you mean 'triangular'"),  # type: ignore[arg-type]
        (lambda: WarmupScheduler("cosinus"), "did you mean 'cosine'"),
        (lambda: OneCycleScheduler(on_length_change="crash"), "hold, stretch"),  # type: ignore[arg-type]
    ],
)
def test_wrong_arguments_are_refused_at_once(make: Callable[[], Any], text: str) -> None:
    with pytest.raises(ArgumentError, match=text):
        make()


def test_an_optimizer_that_is_not_there_is_refused() -> None:
    with pytest.raises(ArgumentError, match="optimizer=3, optimizers=1"):
        fit(OneCycleScheduler(max_lr=0.1, optimizer=3))


# -- preview ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "limits",
    [
        {},
        {"accumulate_grad_batches": 3},
        {"limit_train_batches": 5},
        {"limit_train_batches": 0.7},
        {"overfit_batches": 3},
        {"max_steps": 9},
    ],
)
def test_preview_is_what_training_does(limits: dict[str, Any]) -> None:
    scheduler, recorder = OneCycleScheduler(max_lr=0.1, weight_decay=linear(0.5, 16)), Recorder()
    trainer = tiny_trainer(callbacks=[scheduler, recorder], **limits)
    model = TinyModel(sgd_groups())
    shown = scheduler.preview(trainer, model, tiny_loader())
    trainer.fit(model, tiny_loader())
    assert shown.steps.tolist() == recorder.steps
    assert shown.lr.tolist() == recorder.lr
    assert shown.momentum.tolist() == recorder.momentum
    assert shown.weight_decay.tolist() == recorder.weight_decay
    assert len(shown.plot()) == 3


def test_preview_says_what_does_not_fit() -> None:
    scheduler = SGDRScheduler(max_lr=0.1, T_0=7)
    shown = scheduler.preview(tiny_trainer(), TinyModel(), tiny_loader())
    assert len(shown.warnings) == 1
    assert "2 steps before the end" in shown.warnings[0]
    with pytest.raises(UnsupportedError, match="no length"):
        scheduler.preview(tiny_trainer(), TinyModel(), iter([]))
