"""lrtool.range_test: one line, a result, and nothing else left behind."""

import logging
import random
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset

import lrtool
from lrtool import RangeTestResult
from lrtool.errors import ArgumentError
from support.tiny import Batch, TinyModel, tiny_loader
from support.trace import NAMESPACES, differences, make_model, seed_all


@pytest.mark.parametrize("namespace", NAMESPACES)
@pytest.mark.parametrize("kind", ["loader", "pair", "datamodule"])
def test_measures_whatever_data_it_is_given(namespace: str, kind: str) -> None:
    lightning = import_module(namespace)

    class Data(lightning.LightningDataModule):  # type: ignore[name-defined,misc]
        def train_dataloader(self) -> Any:
            return tiny_loader()

    data: Any = {
        "loader": tiny_loader(),
        "pair": (tiny_loader(), tiny_loader()),
        "datamodule": Data(),
    }[kind]
    model = make_model(lightning)
    result = lrtool.range_test(model, data, num_steps=20, max_steps=20)
    assert isinstance(result, RangeTestResult)
    assert 15 <= result.num_steps <= 20
    assert not result.applied


def test_leaves_the_model_the_random_state_and_the_folder_as_they_were(tmp_path: Path) -> None:
    model = TinyModel()
    loader = tiny_loader(shuffle=True, generator=torch.Generator().manual_seed(3))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    generator = loader.generator.get_state()
    seed_all(5)
    lrtool.range_test(model, loader, num_steps=20)
    drawn = (random.random(), np.random.rand(), torch.rand(1))
    seed_all(5)
    assert differences(drawn, (random.random(), np.random.rand(), torch.rand(1))) == []
    assert differences(before, dict(model.state_dict())) == []
    assert torch.equal(generator, loader.generator.get_state())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert model.hparams["lr"] == 0.01
    assert list(tmp_path.iterdir()) == []


class MappedFile(Dataset[Batch]):
    """Rows of a file that is too large to read, and that nobody may write to."""

    def __init__(self, path: Path) -> None:
        self.rows = np.memmap(path, mode="r", dtype=np.float32).reshape(-1, 5)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Batch:
        row = torch.from_numpy(np.array(self.rows[index]))
        return row[:4], row[4:]


def test_measures_on_data_and_buffers_that_cannot_be_written_to(tmp_path: Path) -> None:
    np.random.default_rng(0).normal(size=(32, 5)).astype(np.float32).tofile(tmp_path / "rows")
    model = TinyModel()
    model.register_buffer("mask", torch.ones(1, 4).expand(2, 4))
    model.register_buffer("graph", torch.eye(4).to_sparse())
    loader = DataLoader(MappedFile(tmp_path / "rows"), batch_size=8)
    assert lrtool.range_test(model, loader, num_steps=10, max_steps=10).num_steps > 1
    assert torch.equal(model.get_buffer("graph").to_dense(), torch.eye(4))


@pytest.mark.parametrize("namespace", NAMESPACES)
def test_lightning_says_nothing_of_a_trainer_that_nobody_made(namespace: str) -> None:
    """Its banner, and that there is no validation loop, once a value of a list."""
    lightning = import_module(namespace)
    model = make_model(lightning)
    model.validation_step = lambda batch, batch_idx: None
    said: list[logging.LogRecord] = []
    log = logging.getLogger(lightning.__name__)
    handler = logging.Handler()
    handler.emit = said.append  # type: ignore[method-assign, assignment]
    log.addHandler(handler)
    try:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            lrtool.range_test(model, tiny_loader(), num_steps=10, max_steps=10)
    finally:
        log.removeHandler(handler)
    assert said == []
    assert [str(one.message) for one in warned if "validation" in str(one.message)] == []


def test_the_same_call_gives_the_same_answer() -> None:
    model, loader = TinyModel(), tiny_loader(shuffle=True)
    assert lrtool.range_test(model, loader).curve == lrtool.range_test(model, loader).curve


def test_options_go_to_the_finder_and_trainer_kwargs_to_the_trainer() -> None:
    result = lrtool.range_test(
        TinyModel(),
        tiny_loader(),
        min_lr=1e-5,
        max_lr=1e-2,
        num_steps=12,
        early_stop=None,
        trainer_kwargs={"accumulate_grad_batches": 2, "callbacks": []},
    )
    assert (result.curve.lr[0], result.curve.lr[-1]) == (1e-5, 1e-2)
    assert result.num_steps == 12
    assert result.context["accumulate_grad_batches"] == 2


@pytest.mark.parametrize("options", [{"apply": True}, {"then": "train"}], ids=str)
def test_it_only_measures(options: dict[str, Any]) -> None:
    with pytest.raises(ArgumentError, match="only measures"):
        lrtool.range_test(TinyModel(), tiny_loader(), **options)


def test_no_data_is_an_error() -> None:
    with pytest.raises(ArgumentError, match="at least one batch"):
        lrtool.range_test(TinyModel(), tiny_loader(), trainer_kwargs={"limit_train_batches": 0})


@pytest.mark.parametrize("family", [{}, {"weight_decay": [0.0, 1e-3]}])
def test_what_is_no_module_is_refused_with_what_to_give(family: dict[str, Any]) -> None:
    net: Any = torch.nn.Linear(4, 1)
    with pytest.raises(ArgumentError, match="LightningModule, got a Linear; wrap it in one"):
        lrtool.range_test(net, tiny_loader(), **family)
    kind: Any = TinyModel
    with pytest.raises(
        ArgumentError, match=r"got the class TinyModel; give a model: TinyModel\(\)"
    ):
        lrtool.range_test(kind, tiny_loader(), **family)


def test_tensors_and_datasets_are_told_from_loaders() -> None:
    x, y = tiny_loader().dataset[:]
    with pytest.raises(ArgumentError, match=r"in batches, got a Tensor; give DataLoader\("):
        lrtool.range_test(TinyModel(), (x, y))
    batches = BatchesByIndex(tiny_loader())
    with pytest.warns(UserWarning, match="each item of the BatchesByIndex is taken for a batch"):
        result = lrtool.range_test(TinyModel(), batches, num_steps=20, max_steps=20)
    assert result.num_steps > 10  # it may be right, so it is not refused


class BatchesByIndex(Dataset[Any]):
    def __init__(self, loader: Any) -> None:
        self.batches = list(loader)

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> Any:
        return self.batches[index]
