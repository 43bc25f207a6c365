"""What `data` may be: a data module, what Lightning trains on, or a tuple of two."""

from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from lrtool.callbacks._fit import QUIET, fit, validate
from lrtool.callbacks._lightning import namespace_of
from lrtool.errors import ArgumentError
from support.tiny import TinyModel


class Watching(TinyModel):
    """Keeps what it was fed."""

    def __init__(self) -> None:
        super().__init__()
        self.trained: list[Any] = []
        self.validated: list[Any] = []

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        self.trained.append(batch)
        loss: torch.Tensor = sum(p.sum() for p in self.parameters()) * torch.ones(())
        return loss

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.validated.append(batch)


def loader(value: float) -> "DataLoader[Any]":
    return DataLoader(TensorDataset(torch.full((2, 1), value)))


def fed(data: Any) -> Watching:
    model = Watching()
    trainer = namespace_of(model).Trainer(max_epochs=1, **QUIET)
    fit(trainer, model, data)
    return model


def test_a_tuple_is_training_and_validation() -> None:
    model = fed((loader(1.0), loader(2.0)))
    assert [float(x) for (x,) in model.trained] == [1.0, 1.0]
    assert [float(x) for (x,) in model.validated] == [2.0, 2.0]
    trainer = namespace_of(model).Trainer(**QUIET)
    model.validated.clear()
    validate(trainer, model, (loader(1.0), loader(3.0)))
    assert [float(x) for (x,) in model.validated] == [3.0, 3.0]


def test_a_list_is_several_training_loaders() -> None:
    model = fed([loader(1.0), loader(2.0)])
    assert [[float(x) for (x,) in batch] for batch in model.trained] == [[1.0, 2.0]] * 2
    assert model.validated == []


def test_a_tuple_of_three_is_refused() -> None:
    with pytest.raises(ArgumentError, match=r"pair .* members=3.*a list or a dict"):
        fed((loader(1.0), loader(2.0), loader(3.0)))
