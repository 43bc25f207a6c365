"""One range test for all studies of the same model, data, optimizer and batch size."""

from functools import partial
from typing import Any

import pytest
import pytorch_lightning as pl
import torch

import lrtool
from lrtool import tuner
from lrtool.callbacks._fingerprint import fingerprint_of
from lrtool.result import RangeTestResult
from support.measurements import measurement
from support.tiny import TinyModel, tiny_loader

Loaders = tuple[Any, Any]


def adamw(model: torch.nn.Module, decay: float = 0.01) -> torch.optim.Optimizer:
    return torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=decay)


class Wider(TinyModel):
    def __init__(self, make_optimizer: Any) -> None:
        super().__init__(make_optimizer)
        self.more = torch.nn.Linear(1, 1)


class Graph(TinyModel):
    """Has a buffer that is no one piece of memory."""

    def __init__(self) -> None:
        super().__init__(adamw)
        self.register_buffer("graph", torch.eye(2).to_sparse())


class Tiny(pl.LightningDataModule):
    def train_dataloader(self) -> Any:
        return tiny_loader(batch_size=8)


ADAMW = partial(TinyModel, adamw)


def mark(model_fn: Any = ADAMW, data: Any = None, seed: int = 1) -> str:
    found = fingerprint_of(model_fn, data or (lambda: tiny_loader(shuffle=True)), seed, {})
    assert found is not None
    return found


def test_the_same_has_the_same_mark_and_what_differs_another() -> None:
    assert mark() == mark()
    assert mark(data=Tiny()) == mark(data=tiny_loader()) == mark(data=(tiny_loader(), None))
    others = [
        mark(seed=2),
        mark(partial(Wider, adamw)),
        mark(partial(TinyModel, partial(adamw, decay=0.1))),
        mark(TinyModel),  # SGD
        mark(data=tiny_loader()),
        mark(data=tiny_loader(batch_size=16)),
        mark(data=tiny_loader(rows=128)),
        mark(data=[tiny_loader(), tiny_loader()]),
    ]
    assert len({mark(), *others}) == len(others) + 1
    settings: list[dict[str, Any]] = [
        {},
        {"precision": "bf16-true"},
        {"precision": "bf16-true", "max_epochs": 2},
    ]
    assert len({fingerprint_of(ADAMW, tiny_loader(), 1, given) for given in settings}) == 3


def test_reading_the_data_leaves_no_trace() -> None:
    generator = torch.Generator().manual_seed(5)
    loader = tiny_loader(shuffle=True, generator=generator)
    before, everywhere = generator.get_state(), torch.get_rng_state()
    mark(data=loader)
    assert torch.equal(generator.get_state(), before)
    assert torch.equal(torch.get_rng_state(), everywhere)


def test_what_cannot_be_read_has_no_mark() -> None:
    assert fingerprint_of(ADAMW, iter([]), 1, {}) is None
    assert fingerprint_of(Graph, tiny_loader(), 1, {}) is None


def test_weights_of_any_precision_have_a_mark() -> None:
    def model_fn(seed: int) -> Any:
        torch.manual_seed(seed)
        return TinyModel(adamw).bfloat16()

    assert mark(partial(model_fn, 1)) == mark(partial(model_fn, 1)) != mark(partial(model_fn, 2))


def test_data_without_a_batch_is_left_to_the_measurement_to_refuse() -> None:
    assert mark(data=tiny_loader(rows=0)) != mark(data=tiny_loader())


def tuned(study: str, loaders: Any = None, **options: Any) -> RangeTestResult:
    result = lrtool.tune(
        ADAMW, loaders or (lambda: (tiny_loader(shuffle=True), tiny_loader(16))),
        study_name=study, n_trials=1, max_epochs=1, out_dir="out", progress_bar=False,
        trainer_kwargs={"accelerator": "cpu"}, **{"seed": 1, **options},
    )  # fmt: skip
    assert result.range_test is not None
    return result.range_test


def test_a_second_study_takes_the_first_ones_range_test(monkeypatch: pytest.MonkeyPatch) -> None:
    measured: list[RangeTestResult] = []

    def counted(*_: Any, **__: Any) -> RangeTestResult:
        measured.append(measurement(0.01 * (1 + len(measured))))
        return measured[-1]

    monkeypatch.setattr(tuner, "range_test", counted)
    first = tuned("first")
    assert tuned("second", schedules=("cosine",)).to_dict() == first.to_dict()
    assert len(measured) == 1
    tuned("other batches", lambda: (tiny_loader(batch_size=16), tiny_loader(16)))
    tuned("other weights", seed=2)
    tuned("no seed", seed=None)
    tuned("elsewhere", storage="memory://")
    assert len(measured) == 5
