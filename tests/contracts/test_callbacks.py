"""What every public callback must do; found by discovery, so that a new one is tested too."""

import inspect
import pickle
import re
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import optuna
import pytest
import pytorch_lightning as pl
import torch

import lrtool.callbacks
from lrtool.callbacks._lightning import Callback, lightning_modules
from lrtool.schedules import constant
from support.tiny import TinyModel, tiny_loader, tiny_trainer


def _trial() -> optuna.Trial:
    return optuna.create_study().ask()


# What a callback cannot do without; anything not listed here must construct with no argument.
NEEDS: dict[str, Callable[[], dict[str, Any]]] = {
    "EarlyStopping": lambda: {"monitor": "val_loss"},
    "ParamScheduler": lambda: {"lr": constant(0.01)},
    "TrialPruning": lambda: {"trial": _trial(), "monitor": "val_loss"},
    "FineTuneRecipe": lambda: {"body": "net.0", "head": "net.4", "head_epochs": 0},
}
# Best weights, a stage's rates, a whole measurement: these may take what they need.
KEEPS_MORE = {"EarlyStopping", "FineTuneRecipe", "LRRangeTest"}
DECIDES_NOTHING = {"LiveCurve", "ScheduleFreeSwitch"}
NAMES = sorted(
    name
    for name in lrtool.callbacks.__all__
    if inspect.isclass(thing := getattr(lrtool.callbacks, name)) and issubclass(thing, Callback)
)


def build(name: str) -> Callback:
    callback: Callback = getattr(lrtool.callbacks, name)(**NEEDS.get(name, dict)())
    return callback


class Fails(pl.Callback):
    """Raises in the middle of the first epoch, once."""

    done = False

    def on_train_batch_end(self, *_: Any) -> None:
        if not self.done:
            self.done = True
            raise RuntimeError("planned")


def test_discovery_finds_the_contract() -> None:
    assert {"LRRangeTest", "OneCycleScheduler", "EarlyStopping", "TrialPruning"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_belongs_to_every_installed_lightning(name: str) -> None:
    assert all(issubclass(getattr(lrtool.callbacks, name), m.Callback) for m in lightning_modules())


@pytest.mark.parametrize("name", NAMES)
def test_shows_its_settings_and_after_a_fit_what_came_of_it(name: str) -> None:
    callback = build(name)
    new = repr(callback)
    assert new == repr(deepcopy(callback))
    assert re.fullmatch(rf"{name}\(.*\)", new)
    tiny_trainer(callbacks=[callback], max_epochs=1).fit(TinyModel(), tiny_loader(), tiny_loader())
    used = repr(callback)
    assert used == new if name in DECIDES_NOTHING else used.startswith(f"<{new}: ")
    assert "0x" not in used


@pytest.mark.parametrize("name", NAMES)
def test_fits_twice_on_one_trainer(name: str) -> None:
    trainer = tiny_trainer(callbacks=[build(name)], max_epochs=1)
    model = TinyModel()
    trainer.fit(model, tiny_loader(), tiny_loader())
    first = trainer.global_step
    assert first > 0
    trainer.fit_loop.max_epochs = 2
    trainer.fit(model, tiny_loader(), tiny_loader())
    assert trainer.global_step == 2 * first
    assert all(torch.isfinite(p).all() for p in model.parameters())


@pytest.mark.parametrize("name", NAMES)
def test_survives_an_exception_in_training(name: str) -> None:
    trainer = tiny_trainer(callbacks=[build(name), Fails()], max_epochs=1)
    before = list(trainer.callbacks)  # type: ignore[attr-defined]
    with pytest.raises(RuntimeError, match="planned"):
        trainer.fit(TinyModel(), tiny_loader(), tiny_loader())
    assert list(trainer.callbacks) == before  # type: ignore[attr-defined]
    trainer.fit(TinyModel(), tiny_loader(), tiny_loader())
    assert trainer.state.finished


@pytest.mark.parametrize("name", NAMES)
def test_state_is_small_plain_and_loads_with_weights_only(name: str, tmp_path: Path) -> None:
    callback = build(name)
    tiny_trainer(callbacks=[callback], max_epochs=1).fit(TinyModel(), tiny_loader(), tiny_loader())
    state = callback.state_dict()
    torch.save(state, tmp_path / "state.pt")
    assert torch.load(tmp_path / "state.pt", weights_only=True).keys() == state.keys()
    if name not in KEEPS_MORE:
        assert len(pickle.dumps(state)) < 1024


@pytest.mark.parametrize("name", NAMES)
def test_leaves_no_file(name: str) -> None:
    tiny_trainer(callbacks=[build(name)]).fit(TinyModel(), tiny_loader(), tiny_loader())
    assert not list(Path.cwd().rglob("*"))


@pytest.mark.parametrize("name", NAMES)
def test_every_argument_is_documented(name: str) -> None:
    cls = getattr(lrtool.callbacks, name)
    text = (inspect.getdoc(cls) or "") + (inspect.getdoc(cls.__init__) or "")
    arguments = list(inspect.signature(cls).parameters)
    kinds = {p.kind for p in inspect.signature(cls).parameters.values()}
    assert inspect.Parameter.VAR_POSITIONAL not in kinds
    assert not [argument for argument in arguments if f"{argument}" not in text]
