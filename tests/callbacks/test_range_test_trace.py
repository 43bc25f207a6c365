"""A fit with the finder (apply=False) and the same fit without it leave the same things behind."""

from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.optim import SGD
from torch.utils.data import DataLoader, Dataset

from lrtool.callbacks import LRRangeTest, _borrow_data
from lrtool.snapshot import Snapshot
from support.tiny import tiny_loader, tiny_trainer
from support.trace import (
    LOADERS,
    NAMESPACES,
    WORKER_LOADERS,
    Drawing,
    Jitter,
    differences,
    make_model,
    record,
    seed_all,
)


@pytest.fixture(params=NAMESPACES)
def lightning(request: pytest.FixtureRequest) -> ModuleType:
    return import_module(request.param)


def finder(**options: Any) -> LRRangeTest:
    defaults = {"apply": False, "num_steps": 20, "max_steps": 40, "early_stop": None}
    return LRRangeTest(**{**defaults, **options})


def assert_no_trace(
    lightning: ModuleType, folder: Path, finder: LRRangeTest, *args: Any, **options: Any
) -> None:
    plain = record(lightning, folder / "plain", None, *args, **options)
    swept = record(lightning, folder / "swept", finder, *args, **options)
    assert finder.result is not None
    assert finder.result.num_steps >= 20
    assert finder.result.not_restored == ()
    assert differences(plain, swept) == []


@pytest.mark.parametrize("snapshot", ["cpu", "device"])
def test_B2_parameters_and_buffers_are_as_before_though_the_sweep_has_moved_them(
    snapshot: Any,
) -> None:
    """Right after the sweep, before any training; BatchNorm's buffers and unsaved ones too."""
    module = import_module(NAMESPACES[0])
    moved: list[bool] = []

    def tensors(model: Any) -> dict[str, Tensor]:
        named = [*model.named_parameters(), *model.named_buffers()]
        return {name: tensor.detach().clone() for name, tensor in named}

    class Watched(LRRangeTest):
        def on_train_start(self, trainer: Any, pl_module: Any) -> None:
            self.before = tensors(pl_module)
            super().on_train_start(trainer, pl_module)
            self.after = tensors(pl_module)

    def compare(model: Any, batch_idx: int) -> None:
        now = tensors(model)
        moved[:] = [not torch.equal(now[name], test.before[name]) for name in now]

    test = Watched(apply=False, num_steps=20, then="stop", snapshot=snapshot)
    tiny_trainer(callbacks=[test]).fit(make_model(module, on_step=compare), tiny_loader())
    assert {"ema", "net.1.running_var"} < set(test.before)
    assert all(moved)  # each of them, in the sweep's last step
    assert differences(test.before, test.after) == []


@pytest.mark.parametrize("kind", LOADERS)
def test_B4_no_trace_whatever_the_loader(kind: str, lightning: ModuleType, tmp_path: Path) -> None:
    assert_no_trace(lightning, tmp_path, finder(), LOADERS[kind])


@pytest.mark.parametrize("kind", WORKER_LOADERS)
def test_B4_no_trace_with_workers(kind: str, tmp_path: Path) -> None:
    assert_no_trace(import_module(NAMESPACES[0]), tmp_path, finder(), WORKER_LOADERS[kind])


def bound(name: str, **options: Any) -> Any:
    """A callback of the namespace under test, made when it is known."""

    def make(lightning: ModuleType) -> Any:
        callbacks = import_module(f"{lightning.__name__}.callbacks")
        if not hasattr(callbacks, name):
            pytest.skip(f"this Lightning has no {name}")
        return getattr(callbacks, name)(**options)

    return make


SETUPS: dict[str, dict[str, Any]] = {
    "accumulation": {"accumulate_grad_batches": 4},
    "limited batches, max_steps": {"limit_train_batches": 3, "max_steps": 5},
    "validation inside the epoch": {"val_check_interval": 2, "limit_val_batches": 2},
    "clipping": {"gradient_clip_val": 0.1},
    "bf16": {"precision": "bf16-mixed"},
    "loaders reloaded": {"reload_dataloaders_every_n_epochs": 1},
    "overfit": {"overfit_batches": 2, "make_loader": LOADERS["in order"]},
    "weight averaging": {
        "max_epochs": 4,
        "model_options": {"configure": lambda model: SGD(model.parameters(), 0.01, momentum=0.9)},
        "callbacks": [
            bound("StochasticWeightAveraging", swa_lrs=0.01, swa_epoch_start=1, annealing_epochs=1)
        ],
    },
    "exponential averaging": {"callbacks": [bound("EMAWeightAveraging")]},
    "monitor and stopping": {
        "callbacks": [
            bound("LearningRateMonitor", log_momentum=True),
            bound("EarlyStopping", monitor="val_loss", patience=1),
        ]
    },
    "accumulation by schedule": {
        "callbacks": [bound("GradientAccumulationScheduler", scheduling={0: 2, 1: 3})]
    },
    "anomaly detection": {"detect_anomaly": True},
}


@pytest.mark.parametrize("setup", SETUPS)
@pytest.mark.parametrize(
    "namespace", [NAMESPACES[0], pytest.param(NAMESPACES[1], marks=pytest.mark.slow)]
)
def test_B13_B14_no_trace_whatever_the_setup(setup: str, namespace: str, tmp_path: Path) -> None:
    lightning = import_module(namespace)
    options = dict(SETUPS[setup])
    makers = options.pop("callbacks", [])
    plain = record(
        lightning, tmp_path / "plain", None, callbacks=[m(lightning) for m in makers], **options
    )
    swept = finder()
    found = record(
        lightning, tmp_path / "swept", swept, callbacks=[m(lightning) for m in makers], **options
    )
    assert swept.result is not None
    assert swept.result.num_steps >= 20
    assert differences(plain, found) == []


class Averages:
    """Averaged weights kept by a plain object, not by a module: a list, a dict, a tuple."""

    def __init__(self) -> None:
        self.weights: list[Tensor] = []
        self.counts = {"updates": 0}
        self.last: tuple[float, ...] = ()

    def update(self, model: Any, batch_idx: int) -> None:
        now = [parameter.detach() for parameter in model.net.parameters()]
        self.weights = self.weights or [one.clone() for one in now]
        for mean, new in zip(self.weights, now, strict=True):
            mean.lerp_(new, 0.1)
        self.counts["updates"] += 1
        self.last = (float(self.weights[0].sum()), batch_idx)


def test_B13_a_helper_of_the_models_own_comes_back(tmp_path: Path) -> None:
    def run(finder: LRRangeTest | None) -> dict[str, Any]:
        model = make_model(import_module(NAMESPACES[0]))
        model.averages = helper = Averages()
        helper.update(model, 0)
        model.on_train_batch_end = lambda output, batch, batch_idx: helper.update(model, batch_idx)
        seed_all(1)
        callbacks = [finder] if finder else []
        tiny_trainer(callbacks=callbacks).fit(model, tiny_loader(shuffle=True))
        return vars(helper)

    plain, swept = run(None), run(finder())
    assert plain["counts"] == {"updates": 17}
    assert differences(plain, swept) == []


def test_B16_a_datamodule_whose_hooks_draw_and_count_comes_back() -> None:
    lightning: Any = import_module(NAMESPACES[0])

    class Augmented(lightning.LightningDataModule):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.jitter = Jitter()

        def train_dataloader(self) -> Any:
            return tiny_loader(shuffle=True)

        def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
            return [self.jitter(batch[0]), batch[1]]

        def state_dict(self) -> dict[str, Any]:
            return {"calls": len(self.jitter.calls), "rng": self.jitter.rng.bit_generator.state}

    def run(finder: LRRangeTest | None) -> dict[str, Any]:
        model, data = make_model(lightning), Augmented()
        seed_all(1)
        tiny_trainer(callbacks=[finder] if finder else []).fit(model, datamodule=data)
        return {"data": data.state_dict(), "weights": dict(model.state_dict())}

    plain, swept = run(None), run(finder())
    assert plain["data"]["calls"] == 16
    assert differences(plain, swept) == []


def test_A16_validation_data_that_draws_and_counts_comes_back() -> None:
    def run(finder: LRRangeTest | None) -> list[float]:
        lightning = import_module(NAMESPACES[0])
        validated: list[float] = []

        class Noting(lightning.Callback):  # type: ignore[name-defined,misc]
            def on_validation_batch_start(
                self, trainer: Any, module: Any, batch: Any, *_: Any
            ) -> None:
                validated.append(float(batch[0].sum()))

        callbacks = [Noting(), *([finder] if finder else [])]
        seed_all(1)
        tiny_trainer(callbacks=callbacks, max_epochs=1, num_sanity_val_steps=0).fit(
            make_model(lightning), tiny_loader(), DataLoader(Drawing(), 8)
        )
        return validated

    plain, swept = run(None), run(finder(val_batches=2, monitor="val_loss"))
    assert len(plain) == 6
    assert plain == swept


def test_A16_validation_data_that_training_would_ask_for_later_is_asked_for_without_a_trace(
    tmp_path: Path,
) -> None:
    """No sanity check, and the first validation is in the second epoch."""
    test = finder(val_batches=2, monitor="val_loss")
    limits = {"check_val_every_n_epoch": 2, "num_sanity_val_steps": 0, "max_epochs": 4}
    assert_no_trace(import_module(NAMESPACES[0]), tmp_path, test, **limits)
    assert test.result is not None
    assert test.result.context["loss"] == "val_loss"


def test_B17_a_dataset_in_memory_is_not_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    class InMemory(Dataset[tuple[Tensor, Tensor]]):
        def __init__(self) -> None:
            self.x, self.y = torch.zeros(2**17, 4), torch.zeros(2**17, 1)
            self.served = 0

        def __len__(self) -> int:
            return 64

        def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
            self.served += 1
            return self.x[index] + self.served, self.y[index]

    copied: list[int] = []

    class Watched(Snapshot):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            copied.append(self.nbytes)

    monkeypatch.setattr(_borrow_data, "Snapshot", Watched)
    data, test = InMemory(), finder(then="stop")
    data.y = data.y[:64].clone()  # this one is small enough to be given back
    tiny_trainer(callbacks=[test]).fit(
        make_model(import_module(NAMESPACES[0])), DataLoader(data, 8)
    )
    assert copied == [data.y.nbytes]
    assert data.served == 0
    assert test.result is not None
    assert test.result.not_restored == ()


def test_B4_data_too_large_to_copy_that_is_written_to_is_said() -> None:
    class Visited(Dataset[tuple[Tensor, Tensor]]):
        def __init__(self) -> None:
            self.visits = torch.zeros(2**19)

        def __len__(self) -> int:
            return 64

        def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
            self.visits[index] += 1
            return torch.ones(4), torch.ones(1)

    test = finder(then="stop")
    model = make_model(import_module(NAMESPACES[0]))
    with pytest.warns(UserWarning, match="too large to copy"):
        tiny_trainer(callbacks=[test]).fit(model, DataLoader(Visited(), 8))
    assert test.result is not None
    (sentence,) = test.result.not_restored
    assert "changed 1 of its tensors" in sentence


@pytest.mark.parametrize(
    "options",
    [{"snapshot": "device"}, {"repeats": 3}, {"at_epochs": (1,)}, {"at_epochs": (0, 1, 2)}],
    ids=str,
)
def test_A25_no_trace_however_it_sweeps(options: dict[str, Any], tmp_path: Path) -> None:
    lightning = import_module(NAMESPACES[0])
    assert_no_trace(lightning, tmp_path, finder(**options), max_epochs=3)
