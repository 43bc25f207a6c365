"""A model from the user's model_fn, seeded and checked."""

import random
from typing import Any

from lrtool.errors import ArgumentError

__all__ = ["build_model"]


def build_model(model_fn: Any, seed: int) -> Any:
    """Call `model_fn` with every random generator at `seed`.

    Raises:
        ArgumentError: when it does not give a LightningModule.
    """
    import numpy as np
    import torch

    from lrtool.callbacks._lightning import lightning_modules

    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
    model = model_fn()
    bases = tuple(module.LightningModule for module in lightning_modules())
    if not isinstance(model, bases):
        raise ArgumentError(
            f"model_fn() must give a LightningModule, got a {type(model).__name__}; "
            "put the network in a LightningModule with training_step and configure_optimizers"
        )
    for name in ("training_step", "configure_optimizers"):
        if getattr(type(model), name) in [getattr(base, name) for base in bases]:
            raise ArgumentError(
                f"model_fn() must give a model that trains, got a {type(model).__name__} "
                f"without {name}; define {name} in it"
            )
    return model
