"""LightningCLI: lrtool's callbacks from YAML, every option with its help, in both Lightnings."""

import inspect
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from torch import Tensor, nn
from torch.optim import SGD

import lrtool.callbacks
from lrtool.callbacks._lightning import lightning_modules
from support.tiny import tiny_loader

pytest.importorskip("jsonargparse", reason="jsonargparse is not installed")
pytestmark = pytest.mark.filterwarnings("ignore")

CONFIG = """
trainer:
  max_epochs: 2
  accelerator: cpu
  logger: false
  enable_checkpointing: false
  enable_progress_bar: false
  enable_model_summary: false
  callbacks:
    - class_path: lrtool.callbacks.LRRangeTest
      init_args:
        min_lr: 1.0e-5
        max_lr: 3.0
        num_steps: 60
    - class_path: lrtool.callbacks.OneCycleScheduler
      init_args:
        pct_start: 0.25
    - class_path: lrtool.callbacks.EarlyStopping
      init_args:
        monitor: val_loss
        patience: 2
        restore_best: true
"""

NAMES = [name for name in lrtool.callbacks.__all__ if name != "TrialPruning"]  # needs a live trial


@pytest.fixture(params=lightning_modules(), ids=lambda module: module.__name__)
def lightning(request: pytest.FixtureRequest) -> ModuleType:
    return request.param  # type: ignore[no-any-return]


def command(lightning: ModuleType, monkeypatch: pytest.MonkeyPatch, *words: str) -> Any:
    """`python train.py ...` in this process."""

    class Model(lightning.LightningModule):  # type: ignore[name-defined,misc]
        def __init__(self, width: int = 8) -> None:
            super().__init__()
            self.net = nn.Sequential(nn.Linear(4, width), nn.ReLU(), nn.Linear(width, 1))

        def training_step(self, batch: Any, batch_idx: int) -> Tensor:
            return nn.functional.mse_loss(self.net(batch[0]), batch[1])

        def validation_step(self, batch: Any, batch_idx: int) -> None:
            self.log("val_loss", self.training_step(batch, batch_idx))

        def configure_optimizers(self) -> Any:
            return SGD(self.parameters(), lr=0.01, momentum=0.9)

        def train_dataloader(self) -> Any:
            return tiny_loader(1024, batch_size=64)

        def val_dataloader(self) -> Any:
            return tiny_loader(64)

    monkeypatch.setattr("sys.argv", ["train.py"])
    cli = import_module(f"{lightning.__name__}.cli").LightningCLI
    return cli(Model, args=list(words), save_config_callback=None, seed_everything_default=1)


def test_a_config_file_runs(
    lightning: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "train.yaml").write_text(CONFIG)
    ran = command(lightning, monkeypatch, "fit", "--config=train.yaml")
    finder, schedule, stopping = (
        next(one for one in ran.trainer.callbacks if type(one).__name__ == name)
        for name in ("LRRangeTest", "OneCycleScheduler", "EarlyStopping")
    )
    assert finder.result.curve.lr[0] == 1e-5
    assert schedule.schedule.max_lr == finder.result.max_lr
    assert schedule.schedule.pct_start == 0.25
    assert stopping.restore_best


def test_callbacks_are_added_on_the_command_line(
    lightning: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "train.yaml").write_text(CONFIG.split("  callbacks:")[0])
    ran = command(
        lightning, monkeypatch, "fit", "--config=train.yaml",
        "--trainer.callbacks+=lrtool.callbacks.LRRangeTest", "--trainer.callbacks.num_steps=40",
        "--trainer.callbacks.min_lr=1e-5", "--trainer.callbacks.max_lr=3.0",
        "--trainer.callbacks+=lrtool.callbacks.OneCycleScheduler",
    )  # fmt: skip
    kinds = [type(one).__name__ for one in ran.trainer.callbacks]
    assert {"LRRangeTest", "OneCycleScheduler"} <= set(kinds)


@pytest.mark.parametrize("name", NAMES)
def test_print_config_shows_every_option(
    lightning: ModuleType,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = ["--trainer.callbacks.monitor=val_loss"] if name == "EarlyStopping" else []
    words = (f"--trainer.callbacks=lrtool.callbacks.{name}", *given, "--print_config")
    with pytest.raises(SystemExit) as end:
        command(lightning, monkeypatch, "fit", *words)
    assert end.value.code in (0, None)
    shown = capsys.readouterr().out
    options = inspect.signature(getattr(lrtool.callbacks, name)).parameters
    assert f"class_path: lrtool.callbacks.{name}" in shown
    missing = [option for option in options if f"      {option}:" not in shown]
    assert not missing


@pytest.mark.parametrize("name", NAMES)
def test_every_option_has_its_help(
    lightning: ModuleType,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    words = ("fit", f"--trainer.callbacks.help=lrtool.callbacks.{name}")
    with pytest.raises(SystemExit):
        command(lightning, monkeypatch, *words)
    shown = capsys.readouterr().out
    options = inspect.signature(getattr(lrtool.callbacks, name)).parameters
    lines = [line.strip() for line in shown.partition("Help for")[2].splitlines()]
    for option in options:
        first = next(
            index
            for index, line in enumerate(lines)
            if line.startswith(f"--trainer.callbacks.{option} ")
        )
        told = lines[first + 1].split("(type:")[0]
        assert any(letter.isalpha() for letter in told), option
