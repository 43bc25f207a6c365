"""The pick takes hold: in every group, through every scheduler, and wherever the rate is shown."""

import importlib
from collections.abc import Callable
from dataclasses import replace
from math import nan
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import LearningRateMonitor
from pytorch_lightning.loggers import CSVLogger
from torch import Tensor, nn
from torch.optim import SGD, Adam, lr_scheduler

from lrtool import LossCurve, RangeTestResult, Status, Suggestion
from lrtool.callbacks import LRRangeTest, OneCycleScheduler
from lrtool.callbacks._announce import announce
from lrtool.callbacks._measured import measured
from lrtool.callbacks._rebase import check_schedulers, rebase
from lrtool.errors import UnsupportedError
from support.tiny import Rates, TinyModel, Untouched, silent_trainer, tiny_loader, tiny_trainer
from support.trace import NAMESPACES, memory_logger

PICK = Suggestion(0.0123, 0.0045, 0.0678, (0.01, 0.02), "fixed", Status.CLEAR, "for the test")
NO_PICK = Suggestion.none("fixed", Status.NO_DESCENT, "the loss never fell")
STEPS = 24  # three epochs of eight


def finder(pick: Suggestion = PICK, **options: Any) -> LRRangeTest:
    return LRRangeTest(
        **{"suggester": lambda curve: pick, "num_steps": 5, "max_steps": 5, **options}
    )


def two_groups(model: Any, lr: Any = 0.5) -> SGD:
    body, head = list(model.parameters())[:-2], list(model.parameters())[-2:]
    return SGD([{"params": body, "lr": lr / 10}, {"params": head}], lr=lr, momentum=0.9)


def rates_of(configure: Any, *callbacks: Any, epochs: int = 3, **options: Any) -> np.ndarray:
    seen = Rates()
    trainer = tiny_trainer(callbacks=[*callbacks, seen], max_epochs=epochs, **options)
    trainer.fit(TinyModel(configure), tiny_loader())
    return np.array(seen.rates)


def checkpoint_after_one_epoch(folder: Path, configure: Any = None) -> Path:
    trainer = tiny_trainer(callbacks=[finder()], max_epochs=1)
    trainer.fit(TinyModel(configure), tiny_loader())
    trainer.save_checkpoint(folder / "one.ckpt")
    return folder / "one.ckpt"


# --- a second fit on the same Trainer -----------------------------------------------------------


@pytest.mark.parametrize("scheduled", [False, True])
def test_G8_a_second_fit_of_the_model_goes_on_at_the_pick_without_measuring_again(
    scheduled: bool,
) -> None:
    """Lightning makes its optimizer anew, at the rate that configure_optimizers wrote down."""

    def configure(model: Any) -> Any:
        optimizer = SGD(model.parameters(), lr=0.5)
        schedulers = [lr_scheduler.StepLR(optimizer, 1, gamma=0.5)] if scheduled else []
        return [optimizer], schedulers

    test, seen, model = finder(), Rates(), TinyModel(configure)
    trainer = tiny_trainer(callbacks=[test, seen], max_epochs=1)
    trainer.fit(model, tiny_loader())
    first = test.result
    trainer.fit_loop.max_epochs = 3
    trainer.fit(model, tiny_loader())
    assert test.result is first
    ends = [PICK.lr * 0.5**epoch if scheduled else PICK.lr for epoch in (0, 0, 1)]
    np.testing.assert_allclose(np.array(seen.rates)[::8, 0], ends, rtol=1e-12)


def test_G8_another_model_on_the_same_trainer_is_measured_anew() -> None:
    test, seen = finder(), Rates()
    trainer = tiny_trainer(callbacks=[test, seen], max_epochs=1)
    trainer.fit(TinyModel(), tiny_loader())
    first = test.result
    trainer.fit_loop.max_epochs = 2
    test.suggester = lambda curve: replace(PICK, lr=0.03)
    trainer.fit(TinyModel(), tiny_loader())
    assert test.result is not None
    assert test.result is not first
    assert [row[0] for row in seen.rates[::8]] == [PICK.lr, 0.03]


def test_G8_a_new_training_does_not_start_from_the_measurement_of_the_last() -> None:
    """The cycle stands before the range test, which finds nothing the second time."""
    test, cycle, seen = finder(), OneCycleScheduler(), Rates()
    tiny_trainer(callbacks=[cycle, test], max_epochs=1).fit(TinyModel(), tiny_loader())
    test.suggester = lambda curve: NO_PICK
    with pytest.warns(UserWarning, match="takes the optimizer's own rate 0.01 as its highest"):
        tiny_trainer(callbacks=[cycle, test, seen], max_epochs=1).fit(TinyModel(), tiny_loader())
    assert seen.rates[0][0] == pytest.approx(0.01 / 25)


# --- without a scheduler ------------------------------------------------------------------------


def test_A21_A22_every_step_runs_at_the_pick_times_each_groups_ratio() -> None:
    rates = rates_of(two_groups, finder())
    assert rates.shape == (STEPS, 2)
    assert (rates[:, 1] == PICK.lr).all()
    np.testing.assert_allclose(rates[:, 0] / rates[:, 1], 0.1, rtol=1e-12)


def test_A21_ratios_hold_during_the_sweep() -> None:
    seen: list[list[float]] = []

    class Watching(TinyModel):
        def training_step(self, batch: Any, batch_idx: int) -> Tensor:
            seen.append([group["lr"] for group in self.trainer.optimizers[0].param_groups])
            return super().training_step(batch, batch_idx)

    test = finder(num_steps=30, min_lr=1e-8, max_lr=1.0, early_stop=None)
    tiny_trainer(callbacks=[test], max_epochs=1).fit(Watching(two_groups), tiny_loader())
    swept = np.array(seen[:30])
    assert test.result is not None
    assert swept[:, 1].tolist() == test.result.curve.lr.tolist()
    np.testing.assert_allclose(swept[:, 0] / swept[:, 1], 0.1, rtol=1e-12)


@pytest.mark.parametrize("apply", [True, False])
def test_the_applied_pick_and_its_reason_are_in_the_trainers_log(
    apply: bool, caplog: pytest.LogCaptureFixture
) -> None:
    test = finder(apply=apply)
    with caplog.at_level("INFO"):
        tiny_trainer(callbacks=[test], max_epochs=1).fit(TinyModel(), tiny_loader())
    assert (f"LR range test: {test.result}" in caplog.text) is apply


def test_A4_without_a_pick_nothing_is_touched_and_the_reason_is_kept(
    caplog: pytest.LogCaptureFixture,
) -> None:
    test = finder(NO_PICK)
    model = TinyModel(two_groups, lr=0.5)
    seen = Rates()
    tiny_trainer(callbacks=[test, seen], max_epochs=1).fit(model, tiny_loader())
    assert "left the rate as it is: the loss never fell" in caplog.text
    assert np.array(seen.rates).tolist() == [[0.05, 0.5]] * 8
    assert model.hparams["lr"] == 0.5
    assert test.result is not None
    assert not test.result.applied
    assert test.result.suggestion.reason == "the loss never fell"


def test_A4_a_flat_loss_has_no_pick() -> None:
    class Flat(TinyModel):
        def training_step(self, batch: Any, batch_idx: int) -> Tensor:
            return self.loss(batch) * 0 + 1

    test = LRRangeTest(num_steps=30, max_steps=30)
    tiny_trainer(callbacks=[test], max_epochs=1).fit(Flat(), tiny_loader())
    assert test.result is not None
    assert np.isnan(test.result.lr)


def test_apply_false_measures_and_changes_nothing() -> None:
    test = finder(apply=False)
    assert (rates_of(two_groups, test) == [0.05, 0.5]).all()
    assert test.result is not None
    assert not test.result.applied
    assert test.state_dict() == {}


def test_a_tensor_rate_stays_that_tensor() -> None:
    tensors: list[Any] = []

    def configure(model: Any) -> Any:
        optimizer = Adam(model.parameters(), lr=torch.tensor(0.5), capturable=False, foreach=False)
        tensors.append(optimizer.param_groups[0]["lr"])
        return optimizer

    rates = rates_of(configure, finder())
    np.testing.assert_allclose(rates, np.float32(PICK.lr))
    assert float(tensors[0]) == np.float32(PICK.lr)


# --- with torch's schedulers ----------------------------------------------------------------------

DECAYING: dict[str, Callable[[Any], Any]] = {
    "LambdaLR": lambda o: lr_scheduler.LambdaLR(o, lambda step: 1 / (1 + step)),
    "MultiplicativeLR": lambda o: lr_scheduler.MultiplicativeLR(o, lambda step: 0.9),
    "StepLR": lambda o: lr_scheduler.StepLR(o, 5, 0.3),
    "MultiStepLR": lambda o: lr_scheduler.MultiStepLR(o, [3, 11], 0.2),
    "ConstantLR": lambda o: lr_scheduler.ConstantLR(o, 1.0, 4),
    "LinearLR": lambda o: lr_scheduler.LinearLR(o, 1.0, 0.1, 20),
    "ExponentialLR": lambda o: lr_scheduler.ExponentialLR(o, 0.8),
    "PolynomialLR": lambda o: lr_scheduler.PolynomialLR(o, 15, 2.0),
    "CosineAnnealingLR": lambda o: lr_scheduler.CosineAnnealingLR(o, 20, 0.001),
    "SequentialLR": lambda o: lr_scheduler.SequentialLR(
        o,
        [lr_scheduler.ExponentialLR(o, 0.9), lr_scheduler.CosineAnnealingLR(o, 10)],
        milestones=[8],
    ),
    "ChainedScheduler": lambda o: lr_scheduler.ChainedScheduler(
        [lr_scheduler.ExponentialLR(o, 0.9), lr_scheduler.StepLR(o, 6, 0.5)]
    ),
}
CYCLICAL: dict[str, Callable[[Any], Any]] = {
    "CosineAnnealingWarmRestarts": lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 5, 2),
    "CyclicLR": lambda o: lr_scheduler.CyclicLR(o, [0.01, 0.1], [0.06, 0.6], 4),
    "OneCycleLR": lambda o: lr_scheduler.OneCycleLR(o, [0.06, 0.6], STEPS),
    "SequentialLR with restarts": lambda o: lr_scheduler.SequentialLR(
        o,
        [
            lr_scheduler.LinearLR(o, 0.1, 1.0, 4),
            lr_scheduler.CosineAnnealingWarmRestarts(o, 6),
        ],
        milestones=[4],
    ),
}


def scheduled(make: Callable[[Any], Any], lr: Any = 0.5) -> Callable[[Any], Any]:
    def configure(model: Any) -> Any:
        optimizer = two_groups(model, lr)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": make(optimizer), "interval": "step"},
        }

    return configure


@pytest.mark.parametrize("name", DECAYING)
def test_A23_a_schedule_that_starts_from_its_rate_starts_from_the_pick(name: str) -> None:
    """The whole schedule is the plain one times one factor, to the last step."""
    plain = rates_of(scheduled(DECAYING[name]))
    moved = rates_of(scheduled(DECAYING[name]), finder())
    assert moved[0, 1] == PICK.lr
    np.testing.assert_allclose(moved, plain * (PICK.lr / plain[0, 1]), rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("name", CYCLICAL)
def test_A23_a_cycle_peaks_at_the_measured_maximum(name: str) -> None:
    plain = rates_of(scheduled(CYCLICAL[name]))
    moved = rates_of(scheduled(CYCLICAL[name]), finder())
    factor = PICK.max_lr / {"CyclicLR": 0.6, "OneCycleLR": 0.6}.get(name, 0.5)
    np.testing.assert_allclose(moved, plain * factor, rtol=1e-9, atol=1e-15)
    assert moved.max() <= PICK.max_lr * (1 + 1e-12)


def test_A23_a_warm_up_ends_at_the_pick() -> None:
    """What begins below its base rate has the pick for its base."""
    moved = rates_of(scheduled(lambda o: lr_scheduler.LinearLR(o, 0.25, 1.0, 10)), finder())
    assert moved[0, 1] == pytest.approx(PICK.lr / 4, rel=1e-12)
    assert moved[-1, 1] == pytest.approx(PICK.lr, rel=1e-12)


def test_A23_plateau_reduces_from_the_pick() -> None:
    def configure(model: Any) -> Any:
        optimizer = two_groups(model)
        plateau = lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, factor=0.5, threshold=1e9)
        config = {"scheduler": plateau, "monitor": "train_loss", "interval": "step"}
        return {"optimizer": optimizer, "lr_scheduler": config}

    plain = rates_of(configure)
    moved = rates_of(configure, finder())
    assert moved[0, 1] == PICK.lr
    np.testing.assert_allclose(moved[:16], plain[:16] * (PICK.lr / 0.5), rtol=1e-9)


@pytest.mark.parametrize("name", [*DECAYING, *CYCLICAL])
def test_A23_a_rebased_schedule_resumes_from_its_checkpoint(name: str, tmp_path: Path) -> None:
    make = {**DECAYING, **CYCLICAL}[name]
    whole = rates_of(scheduled(make), finder())
    path = checkpoint_after_one_epoch(tmp_path, scheduled(make))
    seen, resumed = Rates(), finder()
    trainer = tiny_trainer(callbacks=[resumed, seen], max_epochs=3)
    trainer.fit(TinyModel(scheduled(make)), tiny_loader(), ckpt_path=path)
    assert np.array(seen.rates).tolist() == whole[8:].tolist()
    assert resumed.result is not None
    assert resumed.result.lr == PICK.lr  # for other callbacks to read
    assert measured(trainer, 0) == resumed.result


def test_A23_tensor_rates_are_rebased_in_place() -> None:
    for name in ("StepLR", "OneCycleLR", "CyclicLR", "CosineAnnealingLR"):
        make = {**DECAYING, **CYCLICAL}[name]
        floats = rates_of(scheduled(make), finder(apply=True))
        tensors = rates_of(scheduled(make, torch.tensor(0.5, dtype=torch.float64)), finder())
        np.testing.assert_allclose(tensors, floats, rtol=1e-6)


class Homemade(lr_scheduler.LRScheduler):
    def get_lr(self) -> list[float | Tensor]:
        return [0.1 / (1 + self.last_epoch) for _ in self.optimizer.param_groups]


class Overriding(lr_scheduler.StepLR):
    def get_lr(self) -> list[float | Tensor]:
        return [0.1 for _ in self.optimizer.param_groups]


@pytest.mark.parametrize(
    "make",
    [
        Homemade,
        lambda o: Overriding(o, 3),
        lambda o: lr_scheduler.SequentialLR(
            o, [lr_scheduler.LinearLR(o), Homemade(o)], milestones=[3]
        ),
    ],
    ids=["own class", "overridden", "inside another"],
)
def test_A23_A24_a_scheduler_that_cannot_be_moved_is_refused_before_the_first_step(
    make: Any,
) -> None:
    with pytest.raises(UnsupportedError, match=r"apply=False"):
        tiny_trainer(callbacks=[finder()]).fit(Untouched(scheduled(make)), tiny_loader())
    rates_of(scheduled(make), finder(apply=False), epochs=1)


def test_A23_two_schedulers_and_a_second_sweep_in_mid_training() -> None:
    def configure(model: Any) -> Any:
        optimizer = two_groups(model)
        first = lr_scheduler.ExponentialLR(optimizer, 0.9)
        second = lr_scheduler.StepLR(optimizer, 6, 0.5)
        return [optimizer], [
            {"scheduler": first, "interval": "step"},
            {"scheduler": second, "interval": "step"},
        ]

    plain = rates_of(configure)
    moved = rates_of(configure, finder())
    np.testing.assert_allclose(moved, plain * (PICK.lr / 0.5), rtol=1e-9)
    again = rates_of(configure, finder(at_epochs=(1,)))
    np.testing.assert_allclose(again[:8], plain[:8], rtol=1e-12)
    assert again[8, 1] == pytest.approx(PICK.lr, rel=1e-12)
    np.testing.assert_allclose(again[8:], plain[8:] * (PICK.lr / plain[8, 1]), rtol=1e-9)


@pytest.mark.parametrize("name", ["StepLR", "ReduceLROnPlateau", "CosineAnnealingWarmRestarts"])
def test_A23_a_schedule_at_zero_cannot_be_scaled_and_is_refused(name: str) -> None:
    """It would stay at zero, and the result say that the pick was applied."""
    kind = {"T_0": 4} if "Restarts" in name else {"step_size": 4} if name == "StepLR" else {}
    optimizer = SGD(nn.Linear(1, 1).parameters(), lr=0.0)
    with pytest.raises(UnsupportedError, match=r"got 0\.0 in every group; give the optimizer"):
        check_schedulers([getattr(lr_scheduler, name)(optimizer, **kind)])


def test_A23_a_schedule_that_has_come_down_to_zero_is_moved_by_its_first_rate() -> None:
    result = RangeTestResult(LossCurve(np.array([1.0]), np.array([1.0])), PICK)
    optimizer = two_groups(nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1)))
    schedule = lr_scheduler.CosineAnnealingLR(optimizer, T_max=4)
    for _ in range(4):
        optimizer.step()
        schedule.step()
    assert [group["lr"] for group in optimizer.param_groups] == [0.0, 0.0]
    rebase(optimizer, [schedule], result)
    assert schedule.base_lrs == pytest.approx([PICK.lr / 10, PICK.lr], rel=1e-12)
    optimizer.step()
    schedule.step()
    assert optimizer.param_groups[1]["lr"] > 0


def test_rebase_returns_the_rate_it_applied() -> None:
    result = RangeTestResult(LossCurve(np.array([1.0]), np.array([1.0])), PICK)
    parameters = nn.Linear(1, 1).parameters()
    optimizer = SGD(parameters, lr=0.5)
    assert rebase(optimizer, [], result) == PICK.lr
    cycle = lr_scheduler.CyclicLR(optimizer, 0.1, 0.6, 4)
    assert rebase(optimizer, [cycle], replace(result)) == PICK.max_lr


# --- where the rate is shown ----------------------------------------------------------------------


@pytest.mark.parametrize("namespace", NAMESPACES)
def test_G4_hparams_loggers_and_checkpoints_show_the_applied_rate(
    namespace: str, tmp_path: Path
) -> None:
    lightning = importlib.import_module(namespace)

    class Model(lightning.LightningModule):  # type: ignore[name-defined,misc]
        def __init__(self, lr: float = 0.5, width: int = 4) -> None:
            super().__init__()
            self.save_hyperparameters()
            self.lr = lr
            self.layer = nn.Linear(width, 1)

        def training_step(self, batch: Any, batch_idx: int) -> Tensor:
            return nn.functional.mse_loss(self.layer(batch[0]), batch[1])

        def configure_optimizers(self) -> Any:
            return SGD(self.parameters(), lr=self.hparams["lr"])

    logger, model = memory_logger(lightning), Model()
    trainer = silent_trainer(lightning, max_epochs=1, logger=logger, callbacks=[finder()])
    trainer.fit(model, tiny_loader())
    assert model.lr == model.hparams["lr"] == PICK.lr
    logged = [row[1] for row in logger.rows if row[0] == "hparams"]
    assert logged[0] == {"lr": 0.5, "width": 4}
    assert logged[-1] == {"lr": PICK.lr, "width": 4}
    trainer.save_checkpoint(tmp_path / "after.ckpt")
    checkpoint = torch.load(tmp_path / "after.ckpt", weights_only=False)
    assert checkpoint["hyper_parameters"]["lr"] == PICK.lr


def test_G4_hyperparameters_that_are_not_to_be_logged_are_not() -> None:
    class Model(TinyModel):
        def __init__(self) -> None:
            super().__init__()
            self.save_hyperparameters({"lr": 0.5}, logger=False)

    logger, model = memory_logger(pl), Model()
    tiny_trainer(callbacks=[finder()], max_epochs=1, logger=logger).fit(model, tiny_loader())
    assert model.hparams["lr"] == PICK.lr
    assert [row for row in logger.rows if row[0] == "hparams"] == []


def test_G4_learning_rate_by_its_long_name_and_a_csv_logger(tmp_path: Path) -> None:
    class Model(TinyModel):
        def __init__(self) -> None:
            super().__init__()
            self.learning_rate = 0.5

    model = Model()
    logger = CSVLogger(tmp_path)
    tiny_trainer(callbacks=[finder()], max_epochs=1, logger=logger).fit(model, tiny_loader())
    assert model.learning_rate == PICK.lr
    assert f"lr: {PICK.lr}" in (Path(logger.log_dir) / "hparams.yaml").read_text()


def test_G4_a_trainer_from_before_autologging_could_be_left_is_told_too() -> None:
    logger = memory_logger(pl)
    model = TinyModel()
    announce(SimpleNamespace(lightning_module=model, loggers=[logger]), PICK.lr)  # type: ignore[arg-type]
    assert model.hparams["lr"] == PICK.lr
    assert logger.rows == [("hparams", {"lr": PICK.lr})]


def test_G3_no_rate_attribute_at_all() -> None:
    class Bare(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 1)

        def training_step(self, batch: Any, batch_idx: int) -> Tensor:
            return nn.functional.mse_loss(self.layer(batch[0]), batch[1])

        def configure_optimizers(self) -> Any:
            return SGD(self.parameters(), lr=0.5)

    seen = Rates()
    tiny_trainer(callbacks=[finder(), seen], max_epochs=1).fit(Bare(), tiny_loader())
    assert seen.rates == [[PICK.lr]] * 8


@pytest.mark.parametrize("interval", ["step", "epoch"])
def test_G5_the_monitors_first_value_is_the_pick(interval: Any) -> None:
    logger = memory_logger(pl)
    tiny_trainer(
        callbacks=[finder(), LearningRateMonitor(interval)],
        logger=logger,
        max_epochs=1,
        log_every_n_steps=1,
    ).fit(TinyModel(), tiny_loader())
    rates = [row[1]["lr-SGD"] for row in logger.rows if "lr-SGD" in row[1]]
    assert rates
    assert set(rates) == {PICK.lr}


def test_G6_the_experiment_swallows_what_the_sweep_writes() -> None:
    class Writing(TinyModel):
        def training_step(self, batch: Any, batch_idx: int) -> Tensor:
            assert self.logger is not None
            self.logger.experiment.add_scalar("x", 1.0, batch_idx)  # type: ignore[attr-defined]
            self.logger.log_metrics({"own": 1.0}, step=batch_idx)
            with self.logger.experiment.nested[0].anything(2) as inner:  # type: ignore[attr-defined]
                inner["x"] = 1
            assert self.logger.name == "memory"
            assert self.trainer.log_dir is None
            return super().training_step(batch, batch_idx)

    logger = memory_logger(pl)
    test = finder(min_lr=1e-6, max_lr=1e-2, num_steps=20, early_stop=None, then="stop", apply=False)
    tiny_trainer(callbacks=[test], logger=logger, max_epochs=1).fit(Writing(), tiny_loader())
    assert test.result is not None
    assert test.result.num_steps == 20
    assert [row for row in logger.rows if row[0] != "hparams"] == []


def test_C5_a_result_carried_to_another_batch_is_warned_of(tmp_path: Path) -> None:
    path = checkpoint_after_one_epoch(tmp_path)
    resumed = finder()
    with pytest.warns(UserWarning, match="batch_size was 8, is 16"):
        tiny_trainer(callbacks=[resumed], max_epochs=2).fit(
            TinyModel(), tiny_loader(batch_size=16), ckpt_path=path
        )
    assert resumed.result is not None
    assert resumed.result.context["batch_size"] == 8


def test_a_suggestion_of_nan_never_reaches_an_optimizer() -> None:
    broken = Suggestion(nan, nan, nan, (nan, nan), "x", Status.TOO_FEW_POINTS, "none")
    assert np.isfinite(rates_of(two_groups, finder(broken))).all()
