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
from lrtool.schedules.custom import Lambda, lambda_
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
from lrtool.schedules.fit import misfits
from lrtool.schedules.inverse import InverseSqrt, InverseTime, inverse_sqrt, inverse_time
from lrtool.schedules.linear import Linear, linear
from lrtool.schedules.one_cycle import OneCycle, one_cycle
from lrtool.schedules.opposed import Opposed, opposed
from lrtool.schedules.plateau import Plateau, PlateauState, plateau
from lrtool.schedules.polynomial import Polynomial, polynomial
from lrtool.schedules.recipe import Horizon, Recipe, ScheduleLike, recipe, resolve
from lrtool.schedules.registry import create, names
from lrtool.schedules.rex import Rex, rex
from lrtool.schedules.sgdr import Sgdr, sgdr
from lrtool.schedules.slanted_triangular import SlantedTriangular, slanted_triangular
from lrtool.schedules.step import MultiStep, Step, multi_step, step
from lrtool.schedules.warmup import Warmup, warmup
from lrtool.schedules.wsd import Wsd, wsd

__all__ = [
    "Constant",
    "Cosine",
    "Cycle",
    "Cyclical",
    "ExpRange",
    "Exponential",
    "Horizon",
    "InverseSqrt",
    "InverseTime",
    "Join",
    "Lambda",
    "Linear",
    "MultiStep",
    "OneCycle",
    "Opposed",
    "Plateau",
    "PlateauState",
    "Polynomial",
    "Product",
    "Recipe",
    "Repeat",
    "Rex",
    "Scale",
    "Schedule",
    "ScheduleLike",
    "Sgdr",
    "SlantedTriangular",
    "Step",
    "Triangular",
    "Triangular2",
    "Warmup",
    "Wsd",
    "constant",
    "cosine",
    "create",
    "cyclical",
    "exp_range",
    "exponential",
    "inverse_sqrt",
    "inverse_time",
    "join",
    "lambda_",
    "linear",
    "misfits",
    "multi_step",
    "names",
    "one_cycle",
    "opposed",
    "plateau",
    "polynomial",
    "product",
    "recipe",
    "repeat",
    "resolve",
    "rex",
    "scale",
    "sgdr",
    "slanted_triangular",
    "step",
    "triangular",
    "triangular2",
    "warmup",
    "wsd",
]
