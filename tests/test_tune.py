"""lrtool.tune, on a tiny model."""

import functools
import gc
import weakref
from pathlib import Path
from typing import Any

import optuna
import pytest
import pytorch_lightning as pl
import torch

import lrtool
from lrtool import param_groups
from lrtool.callbacks._progress import SweepBar
from lrtool.callbacks._terminal_bar import TerminalBar
from lrtool.errors import ArgumentError, UnsupportedError
from lrtool.search import LogNormal, TuneResult
from lrtool.search.trials import RETRY_OF
from support.measurements import measurement
from support.tiny import TinyModel, tiny_loader


def adamw(model: torch.nn.Module) -> torch.optim.Optimizer:
    return torch.optim.AdamW(model.parameters(), lr=1e-3)


def data() -> Any:
    return tiny_loader(shuffle=True), tiny_loader(16)


TINY = functools.partial(TinyModel, adamw)


def tune(model_fn: Any = TINY, **options: Any) -> TuneResult:
    settings: dict[str, Any] = {
        "n_trials": 3,
        "max_epochs": 2,
        "seed": 1,
        "range_test": measurement(0.01),
        "out_dir": "out",
        "progress_bar": False,
        "trainer_kwargs": {"accelerator": "cpu"},
    }
    return lrtool.tune(model_fn, data, **{**settings, **options})


@pytest.mark.parametrize("wanted", [True, False])
def test_the_range_test_inside_shows_its_steps_if_wanted(
    wanted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[SweepBar] = []
    real = TerminalBar.sweep_bar

    def sweep_bar(callback: TerminalBar) -> SweepBar:
        opened.append(real(callback))
        return opened[-1]

    monkeypatch.setattr(TerminalBar, "sweep_bar", sweep_bar)
    tune(range_test=None, n_trials=1, progress_bar=wanted)
    assert len(opened) == wanted


def test_measures_searches_and_returns_the_best() -> None:
    result = tune(range_test=None, n_trials=3)
    assert result.range_test is not None
    assert len(result.study.trials) == 3
    assert {"max_lr", "momentum", "weight_decay"} <= result.best_params.keys()
    first = result.params_of(result.study.trials[0])
    if result.range_test.suggestion.has_pick:
        assert first["max_lr"] == pytest.approx(result.range_test.max_lr)


def test_parameters_reach_the_optimizer_and_the_hyperparameters() -> None:
    seen: list[dict[str, Any]] = []

    class Spy(pl.Callback):
        def on_train_batch_end(self, trainer: Any, module: Any, *_: Any) -> None:
            optimizer = trainer.optimizers[0]
            seen.append(
                {
                    "lr": param_groups.get(optimizer, "lr"),
                    "momentum": param_groups.get(optimizer, "momentum"),
                    "weight_decay": param_groups.get(optimizer, "weight_decay"),
                    "hparam": module.hparams["lr"],
                }
            )

    result = tune(n_trials=1, trainer_kwargs={"accelerator": "cpu", "callbacks": [Spy()]})
    best = result.best_params
    assert max(row["lr"] for row in seen) == pytest.approx(best["max_lr"], rel=0.05)
    for row in seen:
        assert row["momentum"] == pytest.approx(best["momentum"])
        assert row["weight_decay"] == pytest.approx(best["weight_decay"])
        assert row["hparam"] == best["max_lr"]


def test_F11_no_model_is_kept_alive() -> None:
    alive: list[weakref.ref[Any]] = []

    def model_fn() -> TinyModel:
        model = TinyModel(adamw)
        alive.append(weakref.ref(model))
        return model

    tune(model_fn, n_trials=20, max_epochs=1, sampler="random")
    gc.collect()
    assert len(alive) >= 20
    assert [ref for ref in alive if ref() is not None] == []


def test_F11_a_trial_out_of_memory_fails_alone_and_keeps_no_model() -> None:
    alive: list[weakref.ref[Any]] = []

    class Greedy(TinyModel):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            if len(alive) == 3:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return super().training_step(batch, batch_idx)

    def model_fn() -> TinyModel:
        model = Greedy(adamw)
        alive.append(weakref.ref(model))
        return model

    result = tune(model_fn, n_trials=4, max_epochs=1)
    states = [trial.state.name for trial in result.study.trials]
    assert sorted(states) == ["COMPLETE"] * 3 + ["FAIL"]
    failed = result.study.trials[states.index("FAIL")]
    assert "out of memory" in failed.user_attrs["lrtool:reason"]
    gc.collect()
    assert [ref for ref in alive if ref() is not None] == []


def test_F12_best_checkpoint_is_in_a_folder_of_its_own() -> None:
    result = tune()
    folders = {trial.user_attrs["lrtool:folder"] for trial in result.study.trials}
    assert len(folders) == 3
    assert result.best_checkpoint is not None
    weights = torch.load(result.best_checkpoint, weights_only=False)["state_dict"]
    model = TinyModel(adamw)
    model.load_state_dict(weights)
    trainer = pl.Trainer(accelerator="cpu", logger=False, enable_progress_bar=False)
    (row,) = trainer.validate(model, data()[1], verbose=False)
    assert row["val_loss"] == pytest.approx(result.best_value, rel=1e-6)


@pytest.mark.parametrize(("max_steps", "checks"), [(5, [5]), (8, [8]), (13, [8, 13])])
def test_the_end_of_a_schedule_is_checked_wherever_it_lies(
    max_steps: int, checks: list[int]
) -> None:
    seen: list[tuple[int, float]] = []

    class Model(TinyModel):
        def on_validation_end(self) -> None:
            if not self.trainer.sanity_checking:
                value = float(self.trainer.callback_metrics["val_loss"])
                seen.append((self.trainer.global_step, value))

    result = tune(functools.partial(Model, adamw), max_epochs=None, max_steps=max_steps, n_trials=1)
    assert [step for step, _ in seen] == checks
    (trial,) = result.study.trials
    assert sorted(trial.intermediate_values) == checks
    assert trial.value == min(value for _, value in seen)
    assert result.best_checkpoint is not None
    assert len(list(result.best_checkpoint.parent.glob("best*"))) == 1
    best_step = min(seen, key=lambda check: check[1])[0]
    kept = torch.load(result.best_checkpoint, weights_only=False)
    assert kept["global_step"] == best_step


def test_F12_losers_are_deleted_on_request() -> None:
    result = tune(keep="best", n_trials=4)
    kept = sorted(Path("out", "tune").iterdir())
    assert result.best_checkpoint is not None
    assert kept == [result.best_checkpoint.parent]


def test_a_last_trial_that_fails_leaves_no_folder_where_the_best_is_kept() -> None:
    class Model(TinyModel):
        def on_train_epoch_start(self) -> None:
            if self.current_epoch == 1 and len(list(Path("out", "tune").iterdir())) == 2:
                raise RuntimeError("broken")

    result = tune(functools.partial(Model, adamw), keep="best", n_trials=2)
    assert [trial.state.name for trial in result.study.trials] == ["COMPLETE", "FAIL"]
    assert result.best_checkpoint is not None
    assert list(Path("out", "tune").iterdir()) == [result.best_checkpoint.parent]


@pytest.mark.filterwarnings("error:Checkpoint directory")
def test_F7_interrupted_trial_goes_on_from_its_own_checkpoint() -> None:
    steps: list[tuple[int, int]] = []
    runs: list[int] = []

    class Model(TinyModel):
        def on_train_start(self) -> None:
            runs.append(self.global_step)

        def training_step(self, batch: Any, batch_idx: int) -> Any:
            steps.append((len(runs), self.global_step))
            if len(runs) == 1 and self.global_step == 20:
                raise KeyboardInterrupt
            return super().training_step(batch, batch_idx)

    options: dict[str, Any] = {"n_trials": 1, "max_epochs": 4}
    first = tune(functools.partial(Model, adamw), **options)
    assert not first.finished
    second = tune(functools.partial(Model, adamw), **options)
    assert second.finished
    assert runs == [0, 16]  # two epochs of eight steps had been saved
    repeat = second.study.trials[1]
    assert repeat.user_attrs[RETRY_OF] == 0
    assert sorted(repeat.intermediate_values) == [8, 16, 24, 32]


def test_a_trial_whose_checkpoint_was_cut_off_starts_anew() -> None:
    runs: list[int] = []

    class Model(TinyModel):
        def on_train_start(self) -> None:
            runs.append(self.global_step)

        def on_train_epoch_start(self) -> None:
            if len(runs) == 1 and self.current_epoch == 2:
                raise KeyboardInterrupt

    options: dict[str, Any] = {"n_trials": 1, "max_epochs": 3}
    first = tune(functools.partial(Model, adamw), **options)
    last = Path(first.study.trials[0].user_attrs["lrtool:folder"], "last.ckpt")
    last.write_bytes(last.read_bytes()[:-100])
    second = tune(functools.partial(Model, adamw), **options)
    assert second.finished
    assert second.best_value == tune(out_dir="whole", **options).best_value
    assert runs == [0, 0]


def test_F13_two_searches_with_a_seed_are_identical() -> None:
    first, second = (tune(out_dir=name, range_test=None) for name in ("a", "b"))
    assert [t.params for t in first.study.trials] == [t.params for t in second.study.trials]
    assert [t.value for t in first.study.trials] == [t.value for t in second.study.trials]


def test_a_study_goes_on_with_what_it_was_made_with_where_nothing_else_is_said() -> None:
    class Model(TinyModel):
        def validation_step(self, batch: Any, batch_idx: int) -> None:
            super().validation_step(batch, batch_idx)
            self.log("val_acc", 0.25)

        def on_train_epoch_start(self) -> None:
            assert self.current_epoch < 2

    model_fn = functools.partial(Model, adamw)
    tune(model_fn, n_trials=1, monitor="val_acc", mode="max", max_epochs=2)
    result = lrtool.tune(
        model_fn, data, n_trials=2, out_dir="out", progress_bar=False,
        trainer_kwargs={"accelerator": "cpu"},
    )  # fmt: skip
    first, second = result.study.trials
    assert second.value == first.value == 0.25
    assert sorted(second.intermediate_values) == sorted(first.intermediate_values) == [8, 16]


def test_random_state_outside_is_left_alone() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    tune(n_trials=1)
    assert torch.equal(torch.get_rng_state(), before)


def test_rungs_train_short_first_and_each_ends_its_own_schedule() -> None:
    ends: list[tuple[int, float]] = []

    class Spy(pl.Callback):
        def on_train_end(self, trainer: Any, module: Any) -> None:
            rate = param_groups.get(trainer.optimizers[0], "lr")
            assert rate is not None
            ends.append((trainer.global_step, rate))

    result = tune(
        pruner="rungs", n_trials=4, max_epochs=9,
        trainer_kwargs={"accelerator": "cpu", "callbacks": [Spy()]},
    )  # fmt: skip
    assert [end for end, _ in ends[:3]] == [8, 24, 72]
    peaks = [result.params_of(trial)["max_lr"] for trial in result.study.trials]
    assert all(rate < 0.05 * max(peaks) for _, rate in ends)
    assert sorted(result.study.trials[0].intermediate_values) == [1, 3]
    assert {trial.state.name for trial in result.study.trials} >= {"COMPLETE"}
    assert len(ends) < 3 * 4  # not everybody went all the way


def test_without_measurement_or_belief_the_sampler_is_optunas_own() -> None:
    result = tune(range_test=False, n_trials=2)
    assert type(result.study.sampler) is optuna.samplers.TPESampler
    assert result.range_test is None
    believed = tune(
        range_test=False, n_trials=1, study_name="b", priors={"max_lr": LogNormal(0.02)}
    )
    assert believed.best_params["max_lr"] == pytest.approx(0.02)


@pytest.mark.parametrize("schedules", ["constant", iter(["constant"])])
def test_schedules_may_be_one_name_or_any_iterable(schedules: Any) -> None:
    found = tune(schedules=schedules, n_trials=1, max_epochs=1)
    assert found.best_params["schedule"] == "constant"
    assert found.settings["schedules"] == ["constant"]


def test_several_schedules() -> None:
    schedules = ("one_cycle", "sgdr", "triangular2", "cosine", "wsd")
    result = tune(schedules=schedules, n_trials=6, max_epochs=1)
    assert {row["schedule"] for row in result.trials} <= set(schedules)
    assert len({row["schedule"] for row in result.trials}) >= 2
    assert {trial.state.name for trial in result.study.trials} == {"COMPLETE"}


def test_data_module_and_bare_loaders() -> None:
    class Module(pl.LightningDataModule):
        def train_dataloader(self) -> Any:
            return data()[0]

        def val_dataloader(self) -> Any:
            return data()[1]

    for name, source in (("m", Module()), ("l", data())):
        lrtool.tune(
            functools.partial(TinyModel, adamw), source, n_trials=1, max_epochs=1, study_name=name,
            range_test=measurement(), progress_bar=False, trainer_kwargs={"accelerator": "cpu"},
        )  # fmt: skip


def test_a_study_of_another_model_or_optimizer_is_not_gone_on_with() -> None:
    tune(n_trials=1)
    before = torch.get_rng_state()
    with pytest.raises(ArgumentError, match=r"TinyModel of 65 parameters, AdamW.*got 'Wider of 67"):
        tune(Wider, n_trials=2)
    with pytest.raises(ArgumentError, match="got 'TinyModel of 65 parameters, SGD'"):
        tune(TinyModel, n_trials=2)
    assert torch.equal(torch.get_rng_state(), before)
    assert len(tune(n_trials=2).study.trials) == 2


class Wider(TinyModel):
    def __init__(self) -> None:
        super().__init__(adamw)
        self.more = torch.nn.Linear(1, 1)


class Scheduled(TinyModel):
    """Refused before the range test: none of it can be swept."""

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        raise AssertionError("computed")

    def configure_optimizers(self) -> Any:
        optimizer = adamw(self)
        return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, 1)]


class Two(TinyModel):
    def configure_optimizers(self) -> Any:
        return [adamw(self), adamw(self)]


def never() -> Any:
    raise AssertionError("computed")


@pytest.mark.parametrize(
    ("model_fn", "options", "error", "message"),
    [
        (lambda: torch.nn.Linear(1, 1), {}, ArgumentError, "must give a LightningModule"),
        (Two, {}, UnsupportedError, "exactly one optimizer"),
        (functools.partial(TinyModel, adamw), {"monitor": "acc"}, ArgumentError, "got 'acc'"),
        (functools.partial(TinyModel, adamw), {"schedules": ("cycle",)}, ArgumentError, "schedule"),
        (Scheduled, {}, UnsupportedError, "schedules of its own, got a StepLR"),
        (Scheduled, {"range_test": None}, UnsupportedError, "return only the optimizer"),
        (
            never,
            {"trainer_kwargs": {"enable_checkpointing": False}},
            ArgumentError,
            "each trial keeps its checkpoints in out_dir",
        ),
        (
            functools.partial(TinyModel, adamw),
            {"trainer_kwargs": {"accelerator": "cpu", "devices": 2, "strategy": "ddp"}},
            UnsupportedError,
            "ddp_spawn",
        ),
    ],
)
def test_refuses(model_fn: Any, options: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        tune(model_fn, **options)
