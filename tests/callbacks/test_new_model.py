import random
from typing import Any

import numpy as np
import pytest
import torch

from lrtool.callbacks._lightning import lightning_modules
from lrtool.callbacks._new_model import new_model, seeded
from lrtool.errors import ArgumentError
from support.tiny import TinyModel


def test_what_cannot_train_is_refused_by_what_it_lacks() -> None:
    base: Any = lightning_modules()[0].LightningModule

    class Idle(base):  # type: ignore[misc, unused-ignore]
        def training_step(self, batch: Any, batch_idx: int) -> None:
            """Nothing."""

    for make, lacks in ((base, "training_step"), (Idle, "configure_optimizers")):
        with pytest.raises(ArgumentError, match=f"without {lacks}"):
            new_model(make)
    with pytest.raises(ArgumentError, match="got a Linear; give the function or class"):
        new_model(lambda: torch.nn.Linear(1, 1))  # type: ignore[arg-type, return-value]
    assert isinstance(new_model(TinyModel), TinyModel)


def test_seeded_is_the_same_inside_and_leaves_no_trace_outside() -> None:
    def draw() -> tuple[float, float, float]:
        return random.random(), float(np.random.rand()), float(torch.rand(()))

    before = (random.getstate(), torch.get_rng_state())
    with seeded(3):
        first = draw()
    with seeded(3):
        assert draw() == first
    assert random.getstate() == before[0]
    assert torch.equal(torch.get_rng_state(), before[1])
    with seeded(None):
        assert draw() != first
