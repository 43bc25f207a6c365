"""Step 1: the range test."""

import pytorch_lightning as pl

import lrtool
from lrtool.callbacks._terminal_bar import TerminalBar
from lrtool.demo.data import digits
from lrtool.demo.model import DigitsNet
from lrtool.demo.settings import Settings
from lrtool.result import RangeTestResult

__all__ = ["measure"]


def measure(settings: Settings) -> RangeTestResult:
    """Measure which rates the model takes: a few hundred steps, and no trace left in it."""
    pl.seed_everything(settings.seed, verbose=False)
    train, _ = digits(seed=settings.seed)
    options = {**settings.trainer_kwargs(), "callbacks": [TerminalBar()]}
    return lrtool.range_test(DigitsNet(), train, trainer_kwargs=options)
