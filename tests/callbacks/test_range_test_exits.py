"""However a sweep ends (exception, Ctrl-C, stop), the Trainer and the model are given back."""

import gc
import os
import signal
import weakref
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

import lrtool.callbacks._borrow as borrow
from lrtool import StopReason
from lrtool.callbacks import LRRangeTest
from lrtool.snapshot import Snapshot
from support.tiny import TinyModel, silent_trainer, tiny_loader, tiny_trainer
from support.trace import (
    LOADERS,
    NAMESPACES,
    differences,
    left_behind,
    make_model,
    memory_logger,
    seed_all,
    spy,
)

EXITS: dict[str, Callable[[], None]] = {}


def leaves_by(name: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
    def register(action: Callable[[], None]) -> Callable[[], None]:
        EXITS[name] = action
        return action

    return register


@leaves_by("exception")
def _raise() -> None:
    raise RuntimeError("planned")


@leaves_by("interrupt")
def _interrupt() -> None:
    raise KeyboardInterrupt


@leaves_by("signal")
def _signal() -> None:
    os.kill(os.getpid(), signal.SIGINT)
    for _ in range(1000):  # the handler runs between two bytecodes
        pass


class Fuse:
    """Burns in one training_step: the `after`-th of its life."""

    def __init__(self, action: Callable[[], None], after: int) -> None:
        self.action, self.left = action, after

    def __call__(self, model: Any, batch_idx: int) -> None:
        self.left -= 1
        if self.left == 0:
            self.action()


def build(
    lightning: ModuleType, finder: LRRangeTest | None, on_step: Any, **options: Any
) -> tuple[Any, Any, Any, Any]:
    model = make_model(lightning, on_step=on_step)
    watch, logger = spy(lightning), memory_logger(lightning)
    callbacks = [*([finder] if finder else []), watch]
    trainer = silent_trainer(
        lightning, max_epochs=2, logger=logger, log_every_n_steps=1, callbacks=callbacks, **options
    )
    return trainer, model, watch, logger


def breaks_at_train_start(lightning: ModuleType) -> Any:
    """Breaks a plain fit off where a broken sweep does, loaders opened and no step taken."""

    class Breaks(lightning.Callback):  # type: ignore[name-defined,misc]
        def on_train_start(self, *args: Any) -> None:
            raise RuntimeError("at the start")

    return Breaks()


def fit(trainer: Any, model: Any, loader: Any) -> None:
    seed_all(1)
    trainer.fit(model, loader)


@pytest.mark.parametrize("kind", ["shuffle, own generator", "stateful loader", "iterable dataset"])
@pytest.mark.parametrize("exit_", EXITS)
@pytest.mark.parametrize(
    "namespace", [NAMESPACES[0], pytest.param(NAMESPACES[1], marks=pytest.mark.slow)]
)
def test_B6_after_a_broken_sweep_a_second_fit_equals_a_plain_one(
    namespace: str, exit_: str, kind: str, tmp_path: Path
) -> None:
    lightning = import_module(namespace)
    finder = LRRangeTest(apply=False, num_steps=20)
    trainer, model, watch, logger = build(lightning, finder, Fuse(EXITS[exit_], after=7))
    loader = LOADERS[kind]()
    callbacks, limits = list(trainer.callbacks), (trainer.max_steps, trainer.limit_val_batches)
    handler = signal.getsignal(signal.SIGINT)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(RuntimeError if exit_ == "exception" else SystemExit):
        fit(trainer, model, loader)
    assert signal.getsignal(signal.SIGINT) == handler
    assert trainer.callbacks == callbacks
    assert trainer.loggers == [logger]
    assert (trainer.max_steps, trainer.limit_val_batches) == limits
    assert (trainer.global_step, trainer.current_epoch) == (0, 0)
    assert differences(before, dict(model.state_dict())) == []
    assert model.steps_seen == 0
    assert [row[0] for row in watch.diary][-1] == "on_exception"

    finder.at_epochs = ()
    watch.diary.clear()
    logger.rows.clear()
    fit(trainer, model, loader)
    plain_trainer, plain_model, plain_watch, plain_logger = build(lightning, None, Fuse(_raise, 0))
    loader = LOADERS[kind]()
    stop = breaks_at_train_start(lightning)
    plain_trainer.callbacks.insert(0, stop)
    with pytest.raises(RuntimeError, match="at the start"):
        fit(plain_trainer, plain_model, loader)
    plain_trainer.callbacks.remove(stop)
    plain_watch.diary.clear()
    plain_logger.rows.clear()
    fit(plain_trainer, plain_model, loader)
    assert differences(left_behind(plain_trainer, plain_model), left_behind(trainer, model)) == []
    assert differences(plain_watch.diary, watch.diary) == []
    assert differences(plain_logger.rows, logger.rows) == []


@pytest.mark.parametrize("exit_", EXITS)
def test_B6_the_trainer_proceeds_as_after_the_same_exit_in_plain_training(exit_: str) -> None:
    lightning = import_module(NAMESPACES[0])
    raised, states, hooks = [], [], []
    for finder in (None, LRRangeTest(num_steps=20)):
        trainer, model, watch, _ = build(lightning, finder, Fuse(EXITS[exit_], after=1))
        with pytest.raises(BaseException) as caught:
            fit(trainer, model, LOADERS["in order"]())
        raised.append((caught.type, caught.value.args))
        states.append((trainer.state.status, trainer.interrupted, trainer.should_stop))
        hooks.append([row[0] for row in watch.diary])
    assert raised[0] == raised[1]
    assert states[0] == states[1]
    during = ["on_train_start", "on_train_epoch_start", "on_train_batch_start"]
    assert [hook for hook in hooks[0] if hook not in during] == hooks[1]


def test_G7_an_interrupted_sweep_keeps_what_it_measured_and_applies_nothing() -> None:
    finder = LRRangeTest(num_steps=20)
    trainer, model, _, _ = build(import_module(NAMESPACES[0]), finder, Fuse(_interrupt, after=8))
    with pytest.raises(SystemExit):
        fit(trainer, model, LOADERS["in order"]())
    assert finder.result is not None
    assert finder.result.num_steps == 7
    assert finder.result.curve.stop_reason is StopReason.INTERRUPTED
    assert not finder.result.applied
    assert trainer.optimizers[0].param_groups[0]["lr"] == 0.02


def test_G8_a_second_fit_on_one_trainer_sweeps_again_with_the_same_curve() -> None:
    finder = LRRangeTest(num_steps=20, then="stop")
    trainer, model, _, _ = build(import_module(NAMESPACES[0]), finder, Fuse(_raise, 0))
    curves = []
    for _ in range(2):
        fit(trainer, model, LOADERS["shuffle, global seed"]())
        assert finder.result is not None
        curves.append(finder.result.curve)
        assert trainer.global_step == 0
    assert curves[0] == curves[1]


def test_B6_a_stop_asked_for_during_the_sweep_ends_it() -> None:
    def stop(model: Any, batch_idx: int) -> None:
        if model.steps_seen == 4:
            model.trainer.should_stop = True

    finder = LRRangeTest(num_steps=20)
    trainer, model, _, _ = build(import_module(NAMESPACES[0]), finder, stop)
    fit(trainer, model, LOADERS["in order"]())
    assert finder.result is not None
    assert finder.result.num_steps == 4
    assert finder.result.curve.stop_reason is StopReason.INTERRUPTED
    assert trainer.global_step >= 5  # the sweep's own stop did not end the training


def test_then_stop_ends_the_fit_without_a_step_whatever_the_minimum() -> None:
    finder = LRRangeTest(num_steps=20, then="stop")
    trainer, model, _, _ = build(
        import_module(NAMESPACES[0]), finder, Fuse(_raise, 0), min_epochs=2, min_steps=5
    )
    fit(trainer, model, LOADERS["in order"]())
    assert trainer.state.finished
    assert (trainer.global_step, model.steps_seen) == (0, 0)
    assert (trainer.min_steps, trainer.min_epochs) == (5, 2)


@pytest.mark.parametrize("exit_", [None, *EXITS])
def test_B7_B8_no_file_on_any_exit_path_in_a_read_only_folder(
    exit_: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "read-only"
    home.mkdir()
    monkeypatch.chdir(home)
    home.chmod(0o555)
    opened = _watch_writes(monkeypatch)
    trainer, model, _, _ = build(
        import_module(NAMESPACES[0]),
        LRRangeTest(num_steps=20),
        Fuse(EXITS.get(exit_ or "", _raise), 5 if exit_ else 0),
        default_root_dir=str(home),
    )
    if exit_ is None:
        fit(trainer, model, LOADERS["in order"]())
    else:
        with pytest.raises(BaseException):  # noqa: B017
            fit(trainer, model, LOADERS["in order"]())
    assert list(home.iterdir()) == []
    assert opened == []


def _watch_writes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every path opened for writing, from Python or by torch.save."""
    import builtins

    opened: list[str] = []
    real = builtins.open

    def watched(file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        if any(letter in mode for letter in "wax+") and str(file) != os.devnull:
            opened.append(str(file))
        return real(file, mode, *args, **kwargs)

    monkeypatch.setattr(builtins, "open", watched)
    monkeypatch.setattr(torch, "save", lambda *args, **kwargs: opened.append("torch.save"))
    return opened


def test_B9_hyperparameters_of_any_kind_survive() -> None:
    class Picky(TinyModel):
        def __init__(self) -> None:
            super().__init__()
            self.hparams["loss_fn"] = torch.nn.MSELoss()

    model = Picky()
    loss_fn = model.hparams["loss_fn"]
    tiny_trainer(callbacks=[LRRangeTest(num_steps=20)]).fit(model, tiny_loader())
    assert model.hparams["loss_fn"] is loss_fn


def test_B17_the_copy_is_freed_at_once_and_is_one_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[weakref.ref[Any]] = []
    sizes: list[int] = []

    class Watched(Snapshot):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            kept.append(weakref.ref(self))
            kept.extend(weakref.ref(copy) for _, _, copy, _, _ in self._tensors)
            sizes.append(self.nbytes)

    class Wide(TinyModel):
        def __init__(self) -> None:
            super().__init__()
            self.net = torch.nn.Sequential(torch.nn.Linear(4, 2000), torch.nn.Linear(2000, 1))

    monkeypatch.setattr(borrow, "Snapshot", Watched)
    model = Wide()
    gc.disable()
    try:
        tiny_trainer(callbacks=[LRRangeTest(num_steps=20)], max_epochs=1).fit(model, tiny_loader())
        assert kept
        assert all(ref() is None for ref in kept)
    finally:
        gc.enable()
    model_bytes = sum(p.nbytes for p in model.parameters())
    assert sizes[0] <= 1.05 * model_bytes
