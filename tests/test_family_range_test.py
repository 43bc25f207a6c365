"""range_family: one range test per value, from the same start, and nothing left behind."""

from typing import Any

import numpy as np
import pytest
import torch

import lrtool
from lrtool.errors import ArgumentError
from lrtool.family_range_test import range_family
from support.tiny import TinyModel, tiny_loader

STEPS: dict[str, Any] = {"min_lr": 1e-4, "max_lr": 1.0, "num_steps": 20, "early_stop": None}


def sgd(model: torch.nn.Module) -> Any:
    return torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-3)


def adam(model: torch.nn.Module) -> Any:
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    return {"optimizer": optimizer, "lr_scheduler": torch.optim.lr_scheduler.StepLR(optimizer, 9)}


def test_the_value_the_optimizer_has_anyway_gives_the_plain_range_test() -> None:
    model, loader = TinyModel(sgd), tiny_loader()
    plain = lrtool.range_test(model, loader, **STEPS)
    chosen = range_family(model, loader, weight_decay=[1e-3, 1.0], **STEPS)
    assert chosen.results[1e-3].curve == plain.curve
    assert not np.array_equal(chosen.results[1.0].curve.loss, plain.curve.loss)
    assert chosen.setting == "weight_decay"


@pytest.mark.parametrize("make", [sgd, adam])
def test_momentum_reaches_sgd_and_adam_in_any_shape_of_configuration(make: Any) -> None:
    model = TinyModel(make)
    chosen = range_family(model, tiny_loader(), momentum=[0.0, 0.9], **STEPS)
    first, second = (chosen.results[value].curve for value in (0.0, 0.9))
    assert first.loss[0] == second.loss[0]
    assert not np.array_equal(first.loss, second.loss)


def test_all_start_from_the_same_weights_and_batches_and_the_model_is_left_as_it_was() -> None:
    model, loader = TinyModel(sgd), tiny_loader(shuffle=True)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    chosen = range_family(model, loader, weight_decay=[0.0, 1e-3, 1e-1], **STEPS)
    assert len({float(result.curve.loss[0]) for result in chosen.results.values()}) == 1
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert "configure_optimizers" not in vars(model)
    assert model.configure_optimizers().param_groups[0]["weight_decay"] == 1e-3


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "exactly one"),
        ({"momentum": [0.9], "weight_decay": [0.0]}, "exactly one"),
        ({"momentum": []}, "differ"),
        ({"weight_decay": [0.1, 0.1]}, "differ"),
        ({"weight_decay": [-0.1]}, "weight_decay"),
        ({"momentum": [1.0]}, "momentum < 1"),
        ({"momentum": [float("nan")]}, "momentum"),
    ],
)
def test_bad_settings_are_refused_before_the_first_step(settings: Any, said: str) -> None:
    with pytest.raises(ArgumentError, match=said):
        range_family(TinyModel(sgd), tiny_loader(), **settings)


def test_an_optimizer_without_the_setting_is_refused_by_name() -> None:
    model = TinyModel(lambda m: torch.optim.Adagrad(m.parameters(), lr=0.1))
    with pytest.raises(ArgumentError, match=r"momentum.*Adagrad"):
        range_family(model, tiny_loader(), momentum=[0.5], **STEPS)
    assert "configure_optimizers" not in vars(model)
