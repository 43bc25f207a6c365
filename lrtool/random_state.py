"""The states of random generators: the global ones, and any single one."""

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

__all__ = ["RandomState", "generator_state"]


class RandomState:
    """The state of Python's, NumPy's and torch's global generators, CUDA's and Apple's included.

    >>> state = RandomState()
    >>> first = torch.rand(1)
    >>> state.restore()
    >>> bool(torch.rand(1) == first)
    True
    """

    def __init__(self) -> None:
        self._python = random.getstate()
        self._numpy = np.random.get_state()
        self._torch = torch.get_rng_state()
        cuda: Any = torch.cuda
        self._cuda = cuda.get_rng_state_all() if cuda.is_initialized() else []
        self._mps = torch.mps.get_rng_state() if torch.backends.mps.is_available() else None

    def restore(self) -> None:
        """Put every generator back where it was."""
        random.setstate(self._python)
        np.random.set_state(self._numpy)
        torch.set_rng_state(self._torch)
        if self._cuda:
            torch.cuda.set_rng_state_all(self._cuda)
        if self._mps is not None:
            torch.mps.set_rng_state(self._mps)


def generator_state(thing: object) -> tuple[Callable[[Any], object], Any] | None:
    """How to put a random generator back, its setter and today's state; None for no generator."""
    if isinstance(thing, torch.Generator):
        return thing.set_state, thing.get_state().clone()
    if isinstance(thing, random.Random):
        return thing.setstate, thing.getstate()
    if isinstance(thing, np.random.RandomState):
        return thing.set_state, thing.get_state()
    if isinstance(thing, np.random.Generator):
        bits = thing.bit_generator
        return (lambda state: setattr(bits, "state", state)), bits.state
    return None
