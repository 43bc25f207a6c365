"""lrtool: a learning-rate finder and schedule tuner for PyTorch Lightning.

Importing this package is cheap: each public name is loaded when first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lrtool import callbacks as callbacks
    from lrtool import families as families
    from lrtool import optimizers, schedules
    from lrtool import plotting as plotting
    from lrtool.comparison import Comparison
    from lrtool.curve import LossCurve
    from lrtool.family_range_test import range_family
    from lrtool.optimizer_comparison import compare_optimizers
    from lrtool.result import RangeTestResult
    from lrtool.suggest import Suggestion
    from lrtool.tuner import range_test, tune
    from lrtool.types import Status, StopReason

__version__ = "0.1.0"

_HOME = {
    "Comparison": "lrtool.comparison",
    "LossCurve": "lrtool.curve",
    "RangeTestResult": "lrtool.result",
    "Status": "lrtool.types",
    "StopReason": "lrtool.types",
    "Suggestion": "lrtool.suggest",
    "compare_optimizers": "lrtool.optimizer_comparison",
    "range_family": "lrtool.family_range_test",
    "range_test": "lrtool.tuner",
    "tune": "lrtool.tuner",
}

__all__ = [
    "Comparison",
    "LossCurve",
    "RangeTestResult",
    "Status",
    "StopReason",
    "Suggestion",
    "compare_optimizers",
    "optimizers",
    "range_family",
    "range_test",
    "schedules",
    "tune",
]

_MODULES = {"callbacks", "families", "optimizers", "plotting", "schedules"}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"lrtool.{name}")
    if name not in _HOME:
        raise AttributeError(f"module 'lrtool' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
