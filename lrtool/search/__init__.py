"""The search: Optuna with measured priors. Optuna itself is imported when first needed."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from lrtool.search.measured import Knobs, measured_space
from lrtool.search.prior import CategoricalPrior, LogNormal, LogUniform, Normal, Prior
from lrtool.search.space import SCHEDULES, Space

if TYPE_CHECKING:
    from lrtool.search.report import Diverged, Interrupted, Report
    from lrtool.search.result import TuneResult
    from lrtool.search.sampler import PriorSampler
    from lrtool.search.search import search

_HOME = {
    "Diverged": "report",
    "Interrupted": "report",
    "PriorSampler": "sampler",
    "Report": "report",
    "TuneResult": "result",
    "search": "search",
}

__all__ = [
    "SCHEDULES",
    "CategoricalPrior",
    "Diverged",
    "Interrupted",
    "Knobs",
    "LogNormal",
    "LogUniform",
    "Normal",
    "Prior",
    "PriorSampler",
    "Report",
    "Space",
    "TuneResult",
    "measured_space",
    "search",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'lrtool.search' has no attribute {name!r}")
    value = getattr(import_module(f"lrtool.search.{_HOME[name]}"), name)
    globals()[name] = value
    return value
