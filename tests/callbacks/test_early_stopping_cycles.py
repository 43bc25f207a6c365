"""EarlyStopping beside schedules: cycles are judged at their ends, rises are not judged."""

from collections.abc import Callable
from importlib import import_module
from math import nan
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import nn
from torch.optim import lr_scheduler
from torch.optim.swa_utils import update_bn

from lrtool import schedules
from lrtool.callbacks import EarlyStopping, OneCycleScheduler, ParamScheduler, SGDRScheduler
from lrtool.callbacks._stopping_clock import _torch_position
from lrtool.errors import UnsupportedError
from lrtool.stopping import StoppingReason
from support.scripted import loader, same_weights, scripted, trainer_of, weights_of
from support.tiny import TinyModel, tiny_loader, tiny_trainer

# 4 steps an epoch. Falls to 0.5 in the first cycle of 3 epochs, never gets there again.
WAVES = [1.0, 0.7, 0.5, 1.2, 0.9, 0.6, 1.2, 0.9, 0.6, 1.2, 0.9, 0.6]


def fit(stopper: EarlyStopping, script: Any, *callbacks: Any, **options: Any) -> tuple[Any, Any]:
    model = scripted(script, schedulers=options.pop("schedulers", None))
    trainer = trainer_of([stopper, *callbacks], **{"max_epochs": 12, **options})
    trainer.fit(model, loader(), loader(1))
    return model, trainer


def test_one_cycle_is_never_stopped_before_its_end() -> None:
    """Lightning's rule would end this run at epoch 5; it wins in the last two."""
    script = [0.8, 0.6, 0.9, 1.1, 1.2, 1.1, 1.0, 0.9, 0.8, 0.7, 0.5, 0.4]
    stopper = EarlyStopping("val_loss", patience=3, restore_best=True)
    _, trainer = fit(stopper, script, OneCycleScheduler(max_lr=0.01))
    assert trainer.current_epoch == 12
    assert stopper.best_value == 0.4
    blind = EarlyStopping("val_loss", patience=3, schedule_aware=False)
    _, trainer = fit(blind, script, OneCycleScheduler(max_lr=0.01))
    assert trainer.current_epoch == 5


def test_one_cycle_is_stopped_at_once_when_it_diverges() -> None:
    for script in ([1.0, 0.9, nan], [1.0, 0.9, 50.0]):
        stopper = EarlyStopping("val_loss", divergence_threshold=10.0)
        _, trainer = fit(stopper, script, OneCycleScheduler(max_lr=0.01))
        assert trainer.current_epoch == 3


@pytest.mark.parametrize(("patience", "epochs"), [(1, 6), ("1cycle", 6), (2, 9), ("4ep", 9)])
def test_sgdr_is_judged_at_the_ends_of_cycles(patience: Any, epochs: int) -> None:
    stopper = EarlyStopping("val_loss", patience=patience)
    _, trainer = fit(stopper, WAVES, SGDRScheduler(max_lr=0.01, T_0=12, T_mult=1))
    assert trainer.current_epoch == epochs
    assert stopper.stopping_reason is StoppingReason.PATIENCE_EXHAUSTED


def test_a_verdict_that_min_steps_held_back_waits_for_the_end_of_the_next_cycle() -> None:
    """It fell at step 24, and may be carried out from step 26 on, in the middle of a cycle."""
    stopper = EarlyStopping("val_loss", patience=1)
    waves = SGDRScheduler(max_lr=0.01, T_0=12, T_mult=1)
    model, trainer = fit(stopper, WAVES, waves, min_steps=26)
    assert trainer.global_step == 36
    assert model.validations == 9  # one more, after a request, would be in the midst of the third


def test_message_counts_cycles() -> None:
    stopper = EarlyStopping("val_loss", patience=2)
    fit(stopper, WAVES, SGDRScheduler(max_lr=0.01, T_0=12, T_mult=1))
    assert stopper.stopping_reason_message == (
        "val_loss did not improve for 2 cycles: best 0.5 after 3 epochs (12 steps), now 0.6"
    )


TORCH: dict[str, tuple[Callable[[Any], Any], int]] = {
    "OneCycleLR": (lambda o: lr_scheduler.OneCycleLR(o, 0.01, total_steps=48), 12),
    "CosineAnnealingWarmRestarts": (
        lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, T_0=12), 6),
    "CyclicLR": (lambda o: lr_scheduler.CyclicLR(o, 0.001, 0.01, step_size_up=6), 6),
    "CosineAnnealingLR": (lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=12), 9),
    "lrtool's": (lambda o: schedules.sgdr(max_lr=0.01, T_0=12).as_torch(o), 6),
}  # fmt: skip


POSITIONS: dict[str, tuple[Callable[[Any], Any], list[int]]] = {
    "OneCycleLR": (lambda o: lr_scheduler.OneCycleLR(o, 0.01, total_steps=20), [20]),
    "T_mult=2": (lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 3, 2), [3, 9, 21]),
    "T_mult=1": (lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 7), [7, 14, 21]),
    "CyclicLR": (
        lambda o: lr_scheduler.CyclicLR(o, 0.001, 0.01, 2.5, 3),  # type: ignore[arg-type]
        [6, 11, 17, 22],
    ),
    "CosineAnnealingLR": (lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=5), [5, 15, 25]),
}  # fmt: skip


@pytest.mark.parametrize("name", POSITIONS)
def test_cycles_of_torchs_schedulers_end_where_their_rate_is_low(name: str) -> None:
    """The ends are counted off the rates torch really gives."""
    make, ends = POSITIONS[name]
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.01, momentum=0.9)
    scheduler = make(optimizer)
    rates, found, cycles = [scheduler.get_last_lr()[0]], [], []
    for done in range(1, 26 if len(ends) > 1 else 21):
        optimizer.step()
        scheduler.step()
        rates.append(scheduler.get_last_lr()[0])
        position = _torch_position(scheduler, done, moved=True)
        cycles.append(position.cycle)
        if position.at_end:
            found.append(done)
        later = _torch_position(scheduler, done, moved=False)
        assert not later.at_end
        assert later.cycle in ({0} if ends == [done] else {1 + sum(e <= done for e in ends)})
    assert found == ends
    assert cycles == [1 + sum(end < done for end in ends) for done in range(1, len(cycles) + 1)]
    for end in ends[:-1]:  # the rate was lower at the end than soon after it
        assert rates[end - 1] < rates[end + 2]


@pytest.mark.parametrize("name", TORCH)
def test_torchs_cyclical_schedulers_by_step(name: str) -> None:
    """One cycle of patience. CosineAnnealingLR is low after 3, 9, 15 epochs."""
    make, epochs = TORCH[name]
    _, trainer = fit(
        EarlyStopping("val_loss", patience="1cycle"),
        WAVES,
        schedulers=lambda o: {"scheduler": make(o), "interval": "step"},
    )
    assert trainer.current_epoch == epochs


def test_a_torch_scheduler_that_moves_once_an_epoch() -> None:
    """Cycles of 3 epochs with two validations in each: none between is taken for an end."""
    script = [1.0, 0.9, 0.8, 0.7, 0.6, 0.5, *([1.0] * 20)]
    stopper = EarlyStopping("val_loss", patience=1)
    _, trainer = fit(
        stopper,
        script,
        schedulers=lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, T_0=3),
        val_check_interval=0.5,
    )
    assert trainer.global_step == 24


def test_a_cycle_that_ends_between_checks_is_judged_at_its_end() -> None:
    """Cycles of 10 steps, checks every 4: Lightning validates once more at step 20, and stops."""
    stopper = EarlyStopping("val_loss", patience=1)
    model, trainer = fit(stopper, [0.5, 0.6, 0.7], SGDRScheduler(max_lr=0.01, T_0=10, T_mult=1))
    assert trainer.global_step == 20
    assert model.validations == 6 - 1 + (20 % 4 != 0)


def test_the_check_at_the_end_of_a_cycle_can_withdraw_the_verdict() -> None:
    """Checks at 4, 8, 12, 16 steps, and at 20 where the second cycle ends: that one improves."""
    script = [0.5, 0.6, 0.7, 0.7, 0.4, 0.7, 0.7, 0.7, 0.7, 0.7, 0.7, 0.7]
    stopper = EarlyStopping("val_loss", patience=1)
    _, trainer = fit(stopper, script, SGDRScheduler(max_lr=0.01, T_0=10, T_mult=1))
    assert trainer.global_step == 30
    assert stopper.best_step == 20


@pytest.mark.parametrize("other", [EarlyStopping, pl.callbacks.EarlyStopping])
def test_what_is_withdrawn_is_not_anothers_request(other: Any) -> None:
    """As above; at the very same check another metric's patience has run out."""
    options = {"schedule_aware": False} if other is EarlyStopping else {}
    second = other("rises", patience=4, check_on_train_epoch_end=False, **options)
    script = {"val_loss": [0.5, 0.6, 0.7, 0.7, 0.4, *[0.7] * 7], "rises": [1.0, *[2.0] * 11]}
    model = scripted(script)
    first, waves = EarlyStopping("val_loss", patience=1), SGDRScheduler(max_lr=0.01, T_0=10)
    trainer = trainer_of([second, first, waves], max_epochs=12)
    trainer.fit(model, loader(), loader(1))
    assert trainer.global_step == 20
    assert first.stopping_reason is StoppingReason.NOT_STOPPED


def test_in_the_middle_of_an_epoch_validation_has_the_last_word() -> None:
    """The first cycle ends at step 10, with patience run out; the validation there is the best."""
    stopper = EarlyStopping("val_loss", patience="1ep")
    _, trainer = fit(stopper, [0.5, 0.6, 0.4, *[0.7] * 20], SGDRScheduler(max_lr=0.01, T_0=10))
    assert stopper.best_step == 10
    assert trainer.global_step > 10


def test_in_the_middle_of_an_epoch_a_metric_of_epochs_has_not() -> None:
    """The epoch is cut at step 10, where the first cycle ends; what it logged counts no more."""
    model = scripted([0.0], train_script=[1.0] * 4 + [2.0] * 4 + [0.5] * 40)
    stopper = EarlyStopping("train_metric", patience="1ep")
    trainer = trainer_of([stopper, SGDRScheduler(max_lr=0.01, T_0=10)], max_epochs=12)
    trainer.fit(model, loader(), loader(1))
    assert trainer.global_step == 10


def test_a_metric_of_an_epoch_that_ends_with_a_cycle_is_waited_for() -> None:
    """Each cycle is an epoch long, and what the epoch logs at its end is the best so far."""

    class Improving(TinyModel):
        def on_train_epoch_end(self) -> None:
            self.log("falls", 1.0 / (1 + self.current_epoch))

    stopper, waves = EarlyStopping("falls", patience=1), SGDRScheduler(max_lr=0.01, T_0=8)
    trainer = tiny_trainer(callbacks=[stopper, waves], max_epochs=4)
    trainer.fit(Improving(), tiny_loader())
    assert (trainer.global_step, stopper.best_value) == (32, 0.25)


def test_a_metric_of_whole_epochs_is_judged_where_the_cycle_ends() -> None:
    stopper = EarlyStopping("train_loss", patience=1, min_delta=100.0)
    _, trainer = fit(stopper, [0.0], SGDRScheduler(max_lr=0.01, T_0=10, T_mult=1))
    assert trainer.global_step == 20
    stopper = EarlyStopping("train_loss", patience=1, min_delta=100.0)
    _, trainer = fit(stopper, [0.0], SGDRScheduler(max_lr=0.01, T_0=8, T_mult=1))
    assert trainer.global_step == 16


def test_a_train_metric_every_n_steps_is_judged_where_the_cycle_ends() -> None:
    model = scripted([0.0], train_script=[1.0] * 3 + [2.0] * 100)
    stopper = EarlyStopping("train_metric", patience=1, every_n_train_steps=3)
    trainer = trainer_of([stopper, SGDRScheduler(max_lr=0.01, T_0=10, T_mult=1)])
    trainer.fit(model, loader(), loader(1))
    assert trainer.global_step == 20


def test_E7_a_verdict_under_min_steps_waits_for_the_next_cycles_end() -> None:
    stopper = EarlyStopping("val_loss", patience=1)
    _, trainer = fit(stopper, WAVES, SGDRScheduler(max_lr=0.01, T_0=12, T_mult=1), min_steps=28)
    assert trainer.global_step == 36


# Over 8 of 12 epochs: worse and worse until the rate is nearly nothing, and then the best.
LATE = [0.5, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.4, 0.6, 0.6, 0.6, 0.6]
DECAYS: dict[str, Any] = {
    "cosine": schedules.cosine(0.01, total_steps=32),
    "linear": schedules.linear(0.01, total_steps=32),
    "polynomial": schedules.polynomial(0.01, total_steps=32, power=2.0),
    "wsd": schedules.wsd(0.01, total_steps=32, warmup_frac=0.0),
    "warmup": schedules.warmup(schedules.cosine(0.01, total_steps=24), warmup_steps=8),
    "multi_step": schedules.multi_step(0.01, milestones=(16, 32)),
    "torch, lrtool's": lambda o: schedules.cosine(0.01, total_steps=32).as_torch(o),
    "torch, MultiStepLR": lambda o: lr_scheduler.MultiStepLR(o, [16, 32]),
    "torch, PolynomialLR": lambda o: lr_scheduler.PolynomialLR(o, total_iters=32),
    "torch, LinearLR": lambda o: lr_scheduler.LinearLR(o, 1.0, 0.0, total_iters=32),
    "torch, SequentialLR": lambda o: lr_scheduler.SequentialLR(
        o,
        [lr_scheduler.LinearLR(o, 0.1, total_iters=8), lr_scheduler.CosineAnnealingLR(o, 24)],
        [8],
    ),
    "torch, ChainedScheduler": lambda o: lr_scheduler.ChainedScheduler(
        [lr_scheduler.ConstantLR(o, 0.5, 4), lr_scheduler.PolynomialLR(o, 32)], o
    ),
    "torch, CosineAnnealingLR": lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=32),
}


def fit_decay(stopper: EarlyStopping, decay: Any) -> Any:
    if isinstance(decay, schedules.Schedule):
        return fit(stopper, LATE, ParamScheduler(lr=decay))[1]
    return fit(stopper, LATE, schedulers=lambda o: {"scheduler": decay(o), "interval": "step"})[1]


@pytest.mark.filterwarnings("ignore:the schedule is over:UserWarning")
@pytest.mark.parametrize("name", DECAYS)
def test_a_decay_is_not_judged_before_its_end(name: str) -> None:
    stopper = EarlyStopping("val_loss", patience="2ep")
    trainer = fit_decay(stopper, DECAYS[name])
    assert stopper.best_value == 0.4
    rises_again = name in ("torch, CosineAnnealingLR", "torch, SequentialLR")
    assert trainer.current_epoch == (12 if rises_again else 10)
    blind = EarlyStopping("val_loss", patience="2ep", schedule_aware=False)
    assert fit_decay(blind, DECAYS[name]).current_epoch == 3


@pytest.mark.parametrize(
    "plan",
    [
        schedules.constant(0.01),
        schedules.exponential(0.01, gamma=0.99),
        schedules.inverse_sqrt(0.01),
    ],
    ids=str,
)
def test_a_decay_without_an_end_is_judged_at_every_check(plan: schedules.Schedule) -> None:
    assert fit_decay(EarlyStopping("val_loss", patience="2ep"), plan).current_epoch == 3


@pytest.mark.parametrize("kind", ["lrtool", "torch"])
def test_E8_warm_up_is_not_judged(kind: str) -> None:
    """Worse and worse while the rate rises for 5 epochs; patience runs from there."""
    script = [0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.0, 1.0, 1.0, 1.0]
    stopper, callbacks, options = EarlyStopping("val_loss", patience=2), [], {}
    if kind == "lrtool":
        plan = schedules.warmup(schedules.constant(0.01), warmup_steps=20)
        callbacks = [ParamScheduler(lr=plan)]
    else:
        options["schedulers"] = lambda o: lr_scheduler.LinearLR(o, 0.1, total_iters=5)
    _, trainer = fit(stopper, script, *callbacks, **options)
    assert trainer.current_epoch == 7
    _, trainer = fit(EarlyStopping("val_loss", patience=2, schedule_aware=False), script)
    assert trainer.current_epoch == 3


@pytest.mark.parametrize("kind", ["lrtool", "torch"])
def test_E8_until_the_peak_nothing_counts(kind: str) -> None:
    """One cycle of 12 epochs with its peak at epoch 6: the low values before it are forgotten."""
    script = [0.1, 0.2, 0.3, 0.3, 0.3, 0.9, 0.8, 0.7, 0.75, 0.8, 0.8, 0.8]
    stopper, options = EarlyStopping("val_loss", start_from="peak", restore_best=True), {}
    callbacks = []
    if kind == "lrtool":
        callbacks = [OneCycleScheduler(max_lr=0.01, pct_start=0.5)]
    else:
        options["schedulers"] = lambda o: {
            "scheduler": lr_scheduler.OneCycleLR(o, 0.01, total_steps=48, pct_start=0.5),
            "interval": "step",
        }
    model, _ = fit(stopper, script, *callbacks, **options)
    assert stopper.best_value == 0.7
    assert same_weights(weights_of(model), model.weights_at[7])


def test_counting_cycles_without_a_cyclical_schedule_is_refused() -> None:
    for stopper in (
        EarlyStopping("val_loss", patience="2cycle"),
        EarlyStopping("val_loss", snapshots=3),
    ):
        with pytest.raises(UnsupportedError, match="needs a schedule with cycles"):
            fit(stopper, WAVES)


@pytest.mark.filterwarnings("ignore:the schedule is over:UserWarning")
def test_a_tail_after_the_last_cycle_is_judged_check_by_check() -> None:
    """One cycle of 6 epochs, then the rate stays: out of patience 2 checks later."""
    script = [1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.5, 0.5, 0.5, 0.5]
    stopper = EarlyStopping("val_loss", patience=2)
    plan = schedules.one_cycle(max_lr=0.01, total_steps=24)
    _, trainer = fit(stopper, script, ParamScheduler(lr=plan))
    assert trainer.current_epoch == 8


# -- snapshots ---------------------------------------------------------------------------------


def with_snapshots(**options: Any) -> tuple[EarlyStopping, Any, Any]:
    stopper = EarlyStopping("val_loss", patience=9, snapshots=2, **options)
    script = [1.0, 0.5, 0.7, 0.9, 0.8, 0.6, 0.9, 0.3, 0.4]
    model, trainer = fit(
        stopper, script, SGDRScheduler(max_lr=0.05, T_0=12, T_mult=1), max_epochs=9
    )
    return stopper, model, trainer


def test_snapshots_are_the_best_of_each_of_the_last_cycles() -> None:
    stopper, model, _ = with_snapshots()
    assert [(s.cycle, s.value, s.step) for s in stopper.snapshots] == [(2, 0.6, 24), (3, 0.3, 32)]
    assert same_weights(stopper.snapshots[0].weights, model.weights_at[5])
    assert same_weights(stopper.snapshots[1].weights, model.weights_at[7])


def test_averaged_weights_with_batch_norm_measured_anew() -> None:
    stopper, model, _ = with_snapshots()
    before = weights_of(model)
    twin = stopper.averaged(model, loader())
    one, two = (snapshot.weights for snapshot in stopper.snapshots)
    for name, parameter in twin.named_parameters():
        expected = ((one[name].double() + two[name].double()) / 2).float()
        assert torch.equal(parameter.detach(), expected)
    reference = stopper.averaged(model, loader())
    net: Any = reference.net
    with torch.no_grad():
        update_bn(loader(), net)  # torch's own, on a model without dropout
    assert same_weights(weights_of(twin), weights_of(reference))
    assert not torch.equal(net[1].running_mean, before["net.1.running_mean"])
    assert same_weights(weights_of(model), before)


def test_batch_norm_cannot_be_left_stale() -> None:
    stopper, model, _ = with_snapshots()
    with pytest.raises(ValueError, match="give the training loader"):
        stopper.averaged(model)


def test_ensemble_is_the_mean_of_its_members() -> None:
    stopper, model, _ = with_snapshots()
    x = torch.randn(5, 4)
    ensemble = stopper.ensemble(model, link=torch.sigmoid).eval()
    assert len(ensemble.members) == 2
    outputs = []
    for snapshot in stopper.snapshots:
        model.load_state_dict({k: v for k, v in snapshot.weights.items() if k != "seen"})
        outputs.append(torch.sigmoid(model.eval()(x)))
    assert torch.equal(ensemble(x), torch.stack(outputs).mean(0))
    assert isinstance(ensemble, nn.Module)


def test_E5_snapshots_and_cycles_survive_a_resume(tmp_path: Path) -> None:
    checkpoint: Any = import_module("pytorch_lightning").callbacks.ModelCheckpoint
    straight, _, _ = with_snapshots()

    def parts() -> list[Any]:
        return [
            EarlyStopping("val_loss", patience=9, snapshots=2),
            SGDRScheduler(max_lr=0.05, T_0=12, T_mult=1),
            checkpoint(tmp_path, filename="{epoch}", save_top_k=-1),
        ]

    script = [1.0, 0.5, 0.7, 0.9, 0.8, 0.6, 0.9, 0.3, 0.4]
    options: dict[str, Any] = {"max_epochs": 9, "enable_checkpointing": True}
    trainer_of(parts(), **options).fit(scripted(script), loader(), loader(1))
    resumed = parts()
    trainer_of(resumed, **options).fit(
        scripted(script), loader(), loader(1), ckpt_path=tmp_path / "epoch=5.ckpt",
        weights_only=True,
    )  # fmt: skip
    assert resumed[0]._states == straight._states
    for one, two in zip(resumed[0].snapshots, straight.snapshots, strict=True):
        assert (one.cycle, one.value, one.step) == (two.cycle, two.value, two.step)
        assert all(
            torch.equal(one.weights[name], two.weights[name])
            for name in one.weights
            if name != "seen"
        )
