"""Schedules: pure values of the optimizer step.

Each is a frozen dataclass (`OneCycle`) with a lower-case name to call (`one_cycle`).
"""

from lrtool.schedules.base import Cycle, Schedule
from lrtool.schedules.compose import (
    Join,
    Product,
    Repeat,
    Scale,
    join,
    product,
    repeat,
    scale,
)
from lrtool.schedules.constant import Constant, constant
from lrtool.schedules.cosine import Cosine, cosine
from lrtool.schedules.cyclical import (
    Cyclical,
    ExpRange,
    Triangular,
    Triangular2,
    cyclical,
    exp_range,
    triangular,
    triangular2,
)
from lrtool.schedules.exponential import Exponential, exponential
from lrtool.schedules.linear import Linear, linear
from lrtool.schedules.one_cycle import OneCycle, one_cycle
from lrtool.schedules.opposed import Opposed, opposed
from lrtool.schedules.polynomial import Polynomial, polynomial
from lrtool.schedules.recipe import Horizon, Recipe, ScheduleLike, recipe, resolve
from lrtool.schedules.registry import create, names
from lrtool.schedules.sgdr import Sgdr, sgdr
from lrtool.schedules.step import MultiStep, Step, multi_step, step
from lrtool.schedules.warmup import Warmup, warmup

__all__ = [
    "Constant",
    "Cosine",
    "Cycle",
    "Cyclical",
    "ExpRange",
    "Exponential",
    "Horizon",
    "Join",
    "Linear",
    "MultiStep",
    "OneCycle",
    "Opposed",
    "Polynomial",
    "Product",
    "Recipe",
    "Repeat",
    "Scale",
    "Schedule",
    "ScheduleLike",
    "Sgdr",
    "Step",
    "Triangular",
    "Triangular2",
    "Warmup",
    "constant",
    "cosine",
    "create",
    "cyclical",
    "exp_range",
    "exponential",
    "join",
    "linear",
    "multi_step",
    "names",
    "one_cycle",
    "opposed",
    "polynomial",
    "product",
    "recipe",
    "repeat",
    "resolve",
    "scale",
    "sgdr",
    "step",
    "triangular",
    "triangular2",
    "warmup",
]
