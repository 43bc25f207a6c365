"""A model from the user's model_fn: seeded and checked."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from lrtool.callbacks._lightning import LightningModule, lightning_modules
from lrtool.errors import ArgumentError
from lrtool.random_state import RandomState

__all__ = ["check_model", "new_model", "seed_all", "seeded"]


def new_model(model_fn: Callable[[], LightningModule]) -> LightningModule:
    """Call `model_fn`, and see that a model came of it that can train.

    Raises:
        ArgumentError: when it is no LightningModule, or lacks what training needs.
    """
    model: Any = model_fn()
    bases = _bases()
    if not isinstance(model, bases):
        raise ArgumentError(
            f"model_fn() must give a LightningModule, got a {type(model).__name__}; give the "
            "function or class that makes one, with training_step and configure_optimizers"
        )
    for name in ("training_step", "configure_optimizers"):
        if getattr(type(model), name) in [getattr(base, name) for base in bases]:
            raise ArgumentError(
                f"model_fn() must give a model that trains, got a {type(model).__name__} "
                f"without {name}; define {name} in it"
            )
    return model  # type: ignore[no-any-return, unused-ignore]


def check_model(model: Any) -> None:
    """Refuse what Lightning would not train.

    Raises:
        ArgumentError: when `model` is no LightningModule, nor one that was compiled.
    """
    if isinstance(getattr(model, "_orig_mod", model), _bases()):
        return
    if isinstance(model, type):
        got, remedy = f"the class {model.__name__}", f"give a model: {model.__name__}()"
    else:
        got = f"a {type(model).__name__}"
        remedy = "wrap it in one that has training_step and configure_optimizers"
    raise ArgumentError(f"a range test needs a LightningModule, got {got}; {remedy}")


def _bases() -> Any:
    return tuple(module.LightningModule for module in lightning_modules())


def seed_all(seed: int) -> None:
    """Put every random generator at `seed`."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


@contextmanager
def seeded(seed: int | None) -> Iterator[None]:
    """Every random generator at `seed` inside, and as it was outside; None leaves them alone."""
    if seed is None:
        yield
        return
    outside = RandomState()
    seed_all(seed)
    try:
        yield
    finally:
        outside.restore()
