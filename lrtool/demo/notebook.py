"""What the lessons in notebooks/ share: silence, a fast mode, a model and its data."""

import os
from contextlib import ExitStack
from typing import Any

import pytorch_lightning as pl

from lrtool._quiet import quiet
from lrtool.callbacks import _fit
from lrtool.demo.model import DigitsNet
from lrtool.plotting import style

__all__ = ["QUIET", "new_model", "start"]

QUIET: dict[str, Any] = {"accelerator": "cpu", **_fit.QUIET}
"""Options of a Trainer that prints nothing and writes nothing."""

_SESSION = ExitStack()


def start() -> bool:
    """Hold back Lightning's chatter and draw in one style for the rest of the session.

    Returns:
        Whether to be fast and coarse: LRTOOL_FAST=1 is set.
    """
    _SESSION.enter_context(quiet())
    _SESSION.enter_context(style())
    return os.environ.get("LRTOOL_FAST") == "1"


def new_model(seed: int = 0, **options: Any) -> DigitsNet:
    """A DigitsNet whose weights depend on nothing but `seed`."""
    pl.seed_everything(seed, verbose=False)
    return DigitsNet(**options)
