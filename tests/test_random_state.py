"""Every global generator comes back."""

import random

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from lrtool.random_state import RandomState
from support.trace import differences


@given(st.integers(0, 2**32 - 1), st.integers(0, 20))
def test_B5_random_state_comes_back(seed: int, draws: int) -> None:
    def draw() -> tuple[float, float, Tensor]:
        return random.random(), float(np.random.rand()), torch.rand(3)

    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    for _ in range(draws):
        draw()
    state = RandomState()
    first = draw()
    draw()
    state.restore()
    assert differences(first, draw()) == []


def test_B5_the_generator_of_an_apple_device_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(3)  # in its place
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(torch.mps, "get_rng_state", generator.get_state)
    monkeypatch.setattr(torch.mps, "set_rng_state", generator.set_state)
    state = RandomState()
    first = torch.rand(3, generator=generator)
    state.restore()
    assert torch.equal(torch.rand(3, generator=generator), first)
