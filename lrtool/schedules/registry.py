"""Every schedule by its name."""

from dataclasses import Field, fields
from typing import Any

from lrtool._check import one_of
from lrtool.errors import ArgumentError
from lrtool.schedules.base import Schedule
from lrtool.schedules.compose import Join, Product, Repeat, Scale
from lrtool.schedules.constant import Constant
from lrtool.schedules.cosine import Cosine
from lrtool.schedules.custom import Lambda
from lrtool.schedules.cyclical import Cyclical, ExpRange, Triangular, Triangular2
from lrtool.schedules.exponential import Exponential
from lrtool.schedules.inverse import InverseSqrt, InverseTime
from lrtool.schedules.linear import Linear
from lrtool.schedules.one_cycle import OneCycle
from lrtool.schedules.opposed import Opposed
from lrtool.schedules.polynomial import Polynomial
from lrtool.schedules.rex import Rex
from lrtool.schedules.sgdr import Sgdr
from lrtool.schedules.slanted_triangular import SlantedTriangular
from lrtool.schedules.step import MultiStep, Step
from lrtool.schedules.warmup import Warmup
from lrtool.schedules.wsd import Wsd

__all__ = ["SCHEDULES", "arguments", "create", "names"]

SCHEDULES: dict[str, type[Schedule]] = {
    "constant": Constant,
    "cosine": Cosine,
    "cyclical": Cyclical,
    "exp_range": ExpRange,
    "exponential": Exponential,
    "inverse_sqrt": InverseSqrt,
    "inverse_time": InverseTime,
    "join": Join,
    "lambda": Lambda,
    "linear": Linear,
    "multi_step": MultiStep,
    "one_cycle": OneCycle,
    "opposed": Opposed,
    "polynomial": Polynomial,
    "product": Product,
    "repeat": Repeat,
    "rex": Rex,
    "scale": Scale,
    "sgdr": Sgdr,
    "slanted_triangular": SlantedTriangular,
    "step": Step,
    "triangular": Triangular,
    "triangular2": Triangular2,
    "warmup": Warmup,
    "wsd": Wsd,
}


def names() -> list[str]:
    """The name of every schedule, for `create` and `recipe`.

    >>> "one_cycle" in names()
    True
    """
    return sorted(SCHEDULES)


def arguments(name: str) -> "dict[str, Field[Any]]":
    """The fields of the schedule of that name, by their names."""
    kind: Any = SCHEDULES[name]
    return {entry.name: entry for entry in fields(kind)}


def create(name: str, **params: Any) -> Schedule:
    """Make a schedule by its name.

    Args:
        name: one of `names()`.
        params: the schedule's own arguments.

    Raises:
        ArgumentError: for an unknown name or argument, a missing argument, or one out of its range.

    >>> create("constant", lr=0.1)
    Constant(lr=0.1)
    """
    one_of("schedule", name, SCHEDULES)
    kind = SCHEDULES[name]
    known = arguments(name)
    for given in params:
        one_of(f"argument of {name}", given, known)
    try:
        return kind(**params)
    except TypeError as error:
        raise ArgumentError(f"{name} needs more than {sorted(params)}: {error}") from error
