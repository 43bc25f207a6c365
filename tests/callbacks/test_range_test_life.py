"""The finder in the life of a Trainer: resume, validation, set-up hooks, other tools, the bar."""

import io
from contextlib import redirect_stdout
from importlib import import_module
from inspect import signature
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import BatchSizeFinder, RichProgressBar, TQDMProgressBar
from torch import Tensor, nn
from torch.optim import SGD
from torch.utils.data import DataLoader

from lrtool import Status, Suggestion
from lrtool.callbacks import LRRangeTest
from lrtool.callbacks._range_test_context import lost_between_ranks
from lrtool.errors import LRToolError
from support.tiny import TinyModel, silent_trainer, tiny_data, tiny_loader, tiny_trainer
from support.trace import (
    LOADERS,
    NAMESPACES,
    differences,
    left_behind,
    make_model,
    record,
    seed_all,
)

PICK = Suggestion(0.0123, 0.0045, 0.0678, (0.01, 0.02), "fixed", Status.CLEAR, "for the test")


@pytest.fixture(params=NAMESPACES)
def lightning(request: pytest.FixtureRequest) -> ModuleType:
    return import_module(request.param)


def finder(**options: Any) -> LRRangeTest:
    """Sweeps exactly 20 steps."""
    defaults = {"min_lr": 1e-6, "max_lr": 1e-2, "num_steps": 20, "early_stop": None}
    return LRRangeTest(**{**defaults, **options})


def quiet_trainer(lightning: ModuleType, *callbacks: Any, **options: Any) -> Any:
    return silent_trainer(lightning, callbacks=list(callbacks), **options)


# --- resume ---------------------------------------------------------------------------------------


@pytest.fixture
def checkpoint(tmp_path: Path, lightning: ModuleType) -> Path:
    """Two epochs of training without a finder."""
    trainer = quiet_trainer(lightning, max_epochs=2)
    seed_all(0)
    trainer.fit(make_model(lightning), LOADERS["in order"]())
    trainer.save_checkpoint(tmp_path / "two.ckpt")
    return tmp_path / "two.ckpt"


def resume(lightning: ModuleType, path: Path, *callbacks: Any) -> tuple[Any, Any]:
    trainer = quiet_trainer(lightning, *callbacks, max_epochs=4)
    model = make_model(lightning)
    seed_all(1)
    whole = {"weights_only": False} if "weights_only" in signature(trainer.fit).parameters else {}
    trainer.fit(model, LOADERS["shuffle, global seed"](), ckpt_path=path, **whole)
    return trainer, model


def test_B1_a_resumed_fit_is_the_one_without_the_finder(
    lightning: ModuleType, checkpoint: Path
) -> None:
    plain = left_behind(*resume(lightning, checkpoint))
    test = finder()
    skipped = left_behind(*resume(lightning, checkpoint, test))
    assert plain["steps"] == (24, 4, [])
    assert test.result is None
    assert differences(plain, skipped) == []


def test_B1_sweeping_on_resume_measures_the_resumed_state_and_leaves_it(
    lightning: ModuleType, checkpoint: Path
) -> None:
    plain = left_behind(*resume(lightning, checkpoint))
    test = finder(on_resume="run", apply=False)
    swept = left_behind(*resume(lightning, checkpoint, test))
    assert test.result is not None
    assert test.result.context["global_step"] == 12
    assert differences(plain, swept) == []


def test_B1_a_pick_applied_on_resume_moves_the_resumed_scheduler(
    lightning: ModuleType, checkpoint: Path
) -> None:
    rates: list[float] = []

    class Rates(lightning.Callback):  # type: ignore[name-defined,misc]
        def on_train_batch_start(self, trainer: Any, *_: Any) -> None:
            rates.append(trainer.optimizers[0].param_groups[0]["lr"])

    plain_trainer, _ = resume(lightning, checkpoint, Rates())
    plain, rates[:] = list(rates), []
    test = finder(on_resume="run", suggester=lambda curve: PICK)
    resume(lightning, checkpoint, test, Rates())
    assert plain_trainer.global_step == 24
    assert test.result is not None
    assert test.result.applied
    assert rates[0] == pytest.approx(test.result.lr, rel=1e-12)
    np.testing.assert_allclose(rates, np.array(plain) * (test.result.lr / plain[0]), rtol=1e-9)


# --- validation ---------------------------------------------------------------------------------


def test_B10_B11_B12_validation_is_as_without_the_finder() -> None:
    def run(*callbacks: Any) -> tuple[list[tuple[int, int]], Any]:
        seen: list[tuple[int, int]] = []

        class Model(TinyModel):
            def validation_step(self, batch: Any, batch_idx: int) -> None:
                seen.append((self.trainer.global_step, batch_idx))
                super().validation_step(batch, batch_idx)

        trainer = tiny_trainer(
            callbacks=list(callbacks),
            max_epochs=2,
            num_sanity_val_steps=0,
            val_check_interval=4,
            limit_val_batches=3,
        )
        trainer.fit(Model(), tiny_loader(), tiny_loader())
        return seen, trainer.num_val_batches

    plain, swept = run(), run(finder(apply=False))
    assert plain == swept
    assert swept[1] == [3]
    assert [step for step, index in plain[0] if index == 0] == [4, 8, 12, 16]


# --- set-up hooks, data modules -------------------------------------------------------------------


def test_B15_layers_made_in_setup_and_configure_model(lightning: ModuleType) -> None:
    class Late(lightning.LightningModule):  # type: ignore[name-defined,misc]
        def setup(self, stage: str) -> None:
            self.body = nn.Linear(4, 8)

        def configure_model(self) -> None:
            if not hasattr(self, "head"):
                self.head = nn.Linear(8, 1)

        def training_step(self, batch: Any, batch_idx: int) -> Tensor:
            return nn.functional.mse_loss(self.head(self.body(batch[0]).relu()), batch[1])

        def configure_optimizers(self) -> Any:
            return SGD(self.parameters(), lr=0.1)

    test = finder()
    quiet_trainer(lightning, test, max_epochs=1).fit(Late(), tiny_loader())
    assert test.result is not None
    assert test.result.num_steps == 20


def test_B16_a_datamodule_is_prepared_and_set_up_once(lightning: ModuleType) -> None:
    calls: list[str] = []

    class Data(lightning.LightningDataModule):  # type: ignore[name-defined,misc]
        def prepare_data(self) -> None:
            calls.append("prepare_data")

        def setup(self, stage: str) -> None:
            calls.append("setup")

        def train_dataloader(self) -> Any:
            calls.append("train_dataloader")
            return tiny_loader()

        def val_dataloader(self) -> Any:
            calls.append("val_dataloader")
            return tiny_loader()

    test = finder(apply=False)
    model = make_model(lightning)
    quiet_trainer(lightning, test, max_epochs=1).fit(model, datamodule=Data())
    assert test.result is not None
    assert sorted(calls) == ["prepare_data", "setup", "train_dataloader", "val_dataloader"]


def test_B18_the_batch_size_finder_goes_first(tmp_path: Path) -> None:
    class Sized(TinyModel):
        def __init__(self) -> None:
            super().__init__()
            self.batch_size = 2

        def train_dataloader(self) -> Any:
            return DataLoader(tiny_data(256), self.batch_size)

        def val_dataloader(self) -> Any:
            return tiny_loader()

    sizes: list[int] = []

    class Watching(Sized):
        def training_step(self, batch: Any, batch_idx: int) -> Tensor:
            sizes.append(len(batch[0]))
            return super().training_step(batch, batch_idx)

    model, test = Watching(), finder(apply=False)
    grower = BatchSizeFinder(max_trials=3, steps_per_trial=2)
    trainer = tiny_trainer(callbacks=[test, grower], max_epochs=1, default_root_dir=tmp_path)
    trainer.fit(model)
    size = model.batch_size
    assert size > 2
    assert test.result is not None
    assert test.result.context["batch_size"] == size
    last = 20 + 256 // size  # of the sweep and of training, at the final size
    assert sizes[-last:] == [size] * last


@pytest.mark.filterwarnings("ignore")
def test_G3_the_command_line_of_lightning(
    lightning: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["train.py"])
    pytest.importorskip("jsonargparse", reason="jsonargparse is not installed")
    cli = import_module(f"{lightning.__name__}.cli").LightningCLI

    class Model(lightning.LightningModule):  # type: ignore[name-defined,misc]
        def __init__(self, width: int = 8) -> None:
            super().__init__()
            self.net = nn.Sequential(nn.Linear(4, width), nn.ReLU(), nn.Linear(width, 1))

        def training_step(self, batch: Any, batch_idx: int) -> Tensor:
            return nn.functional.mse_loss(self.net(batch[0]), batch[1])

        def train_dataloader(self) -> Any:
            return tiny_loader()

    arguments = [
        "fit",
        "--optimizer=SGD",
        "--optimizer.lr=0.5",
        "--trainer.max_epochs=1",
        "--trainer.accelerator=cpu",
        "--trainer.logger=false",
        "--trainer.enable_checkpointing=false",
        "--trainer.enable_progress_bar=false",
        "--trainer.enable_model_summary=false",
        "--trainer.callbacks=lrtool.callbacks.LRRangeTest",
        "--trainer.callbacks.num_steps=40",
    ]
    ran = cli(Model, args=arguments, save_config_callback=None, seed_everything_default=1)
    (test,) = [one for one in ran.trainer.callbacks if isinstance(one, LRRangeTest)]
    assert test.config.num_steps == 40
    assert test.result is not None
    applied = test.result.lr if test.result.applied else 0.5
    assert ran.trainer.optimizers[0].param_groups[0]["lr"] == applied


# --- compiled models, profilers, precision --------------------------------------------------------


class Unlogged(TinyModel):
    """torch cannot compile Lightning's `self.log`, so no logging here."""

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        return self.loss(batch)


@pytest.mark.filterwarnings("ignore")
def test_C9_a_compiled_model_and_a_compiled_optimizer_do_not_recompile_per_rate() -> None:
    def compilations(num_steps: int) -> int:
        torch._dynamo.reset()
        counters = import_module("torch._dynamo.utils").counters
        counters.clear()

        def configure(model: Any) -> Any:
            optimizer: Any = SGD(model.parameters(), lr=torch.tensor(0.1), foreach=True)
            optimizer.step = torch.compile(optimizer.step, backend="eager")
            return optimizer

        model = Unlogged(configure)
        model.net.compile(backend="eager")
        before = {name: value.clone() for name, value in model.state_dict().items()}
        test = LRRangeTest(min_lr=1e-6, max_lr=1e-2, num_steps=num_steps, apply=False, then="stop")
        tiny_trainer(callbacks=[test], max_epochs=1).fit(model, tiny_loader())
        assert test.result is not None
        assert test.result.num_steps == num_steps
        assert differences(before, dict(model.state_dict())) == []
        return int(counters["stats"]["unique_graphs"])

    assert compilations(100) <= compilations(2) + 2
    torch._dynamo.reset()


@pytest.mark.filterwarnings("ignore")
def test_a_whole_compiled_lightning_module() -> None:
    torch._dynamo.reset()
    model = Unlogged()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    test = finder(apply=False, then="stop")
    compiled: Any = torch.compile(model, backend="eager")
    tiny_trainer(callbacks=[test], max_epochs=1).fit(compiled, tiny_loader())
    assert test.result is not None
    assert test.result.num_steps == 20
    assert differences(before, dict(model.state_dict())) == []
    torch._dynamo.reset()


def test_the_profiler_does_not_see_the_sweep() -> None:
    def actions(*callbacks: Any) -> dict[str, int]:
        trainer = tiny_trainer(callbacks=list(callbacks), max_epochs=1, profiler="simple")
        with redirect_stdout(io.StringIO()):
            trainer.fit(TinyModel(), tiny_loader())
        recorded = trainer.profiler.recorded_durations  # type: ignore[attr-defined]
        return {name: len(times) for name, times in recorded.items() if "LRRangeTest" not in name}

    assert actions() == actions(finder(apply=False))


def with_scaler(lightning: ModuleType, **options: Any) -> Any:
    precision = import_module(f"{lightning.__name__}.plugins.precision").MixedPrecision
    scaler = torch.amp.GradScaler("cpu", **options)
    return precision("16-mixed", "cpu", scaler)


def test_C7_the_gradient_scaler_is_given_back(lightning: ModuleType, tmp_path: Path) -> None:
    def run(name: str, test: Any) -> tuple[Any, Any]:
        plugin = with_scaler(lightning, init_scale=2.0**8, growth_interval=3)
        options: dict[str, Any] = {"plugins": [plugin], "max_epochs": 2}
        return record(lightning, tmp_path / name, test, **options), plugin.scaler.state_dict()

    test = finder(apply=False)
    plain, swept = run("plain", None), run("swept", test)
    assert test.result is not None
    assert plain[1]["scale"] > 2.0**8
    assert differences(plain, swept) == []


def test_C8_a_step_that_the_scaler_skips_is_no_step_of_the_sweep() -> None:
    """The scale starts so high that gradients overflow until it has halved a few times."""
    plugin = with_scaler(pl, init_scale=2.0**26, growth_interval=10_000)
    taken: list[float] = []

    class Counting(SGD):
        def step(self, closure: Any = None) -> Any:
            taken.append(self.param_groups[0]["lr"])
            return super().step(closure)

    test = finder(apply=False, then="stop")
    calls: list[int] = []

    class Model(TinyModel):
        def training_step(self, batch: Any, batch_idx: int) -> Tensor:
            calls.append(batch_idx)
            return super().training_step(batch, batch_idx)

    model = Model(lambda m: Counting(m.parameters(), lr=0.1))
    tiny_trainer(callbacks=[test], plugins=[plugin], max_epochs=1).fit(model, tiny_loader())
    assert test.result is not None
    assert len(calls) > 20
    assert taken == test.result.curve.lr.tolist()
    assert np.isfinite(test.result.curve.loss).all()
    assert plugin.scaler is not None
    assert plugin.scaler.get_scale() == 2.0**26


# --- progress bars --------------------------------------------------------------------------------


@pytest.mark.parametrize("bar", [TQDMProgressBar, RichProgressBar])
def test_a_bar_in_the_trainers_style_shows_rate_loss_and_why_it_ended(
    bar: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    test = finder(apply=False)
    trainer = tiny_trainer(callbacks=[test, bar()], max_epochs=1, enable_progress_bar=True)
    trainer.fit(TinyModel(), tiny_loader(), tiny_loader())
    captured = capsys.readouterr()
    text = captured.out + captured.err
    assert "LR range test" in text
    assert "completed: took all 20 steps" in text
    assert "Epoch 0" in text


def test_no_bar_where_the_trainer_has_none(capsys: pytest.CaptureFixture[str]) -> None:
    tiny_trainer(callbacks=[finder()], max_epochs=1).fit(TinyModel(), tiny_loader())
    assert "LR range test" not in "".join(capsys.readouterr())


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["FSDPStrategy", "DeepSpeedStrategy", "ModelParallelStrategy", "SingleDeviceXLAStrategy"],
)
def test_C6_other_strategies_are_refused_by_name_before_the_first_step(
    name: str, lightning: ModuleType
) -> None:
    other = getattr(import_module(f"{lightning.__name__}.strategies"), name)

    class Shell:
        strategy: Any = object.__new__(other)  # to be made whole it needs its device or package
        optimizers: tuple[Any, ...] = ()

    with pytest.raises(LRToolError, match=rf"got {name}; measure on one device"):
        finder().on_fit_start(Shell(), None)  # type: ignore[arg-type]


def test_the_finder_is_a_callback_of_both_namespaces(lightning: ModuleType) -> None:
    assert isinstance(finder(), lightning.Callback)


def test_what_ddp_keeps_of_a_sweep_is_said_from_three_ranks_on() -> None:
    class Shell:
        world_size = 2

    shell: Any = Shell()
    assert lost_between_ranks(shell) == ()
    shell.world_size = 3
    assert "over 3 ranks" in lost_between_ranks(shell)[0]
