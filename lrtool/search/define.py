"""What a new study searches: measured, believed, or neither."""

from collections.abc import Callable, Iterable, Mapping
from typing import Literal

from lrtool.result import RangeTestResult
from lrtool.search.beliefs import Belief
from lrtool.search.measured import Knobs, measured_space
from lrtool.search.prior import LogNormal
from lrtool.search.study import Definition

__all__ = ["define"]


def define(
    knobs: Knobs,
    measure: Callable[[], RangeTestResult],
    *,
    range_test: RangeTestResult | Literal[False] | None = None,
    schedules: Iterable[str] = ("one_cycle",),
    priors: Mapping[str, Belief] | None = None,
) -> Definition:
    """Make a study's definition.

    An optimizer that no range test says anything about is searched around its own rate.

    Args:
        knobs: the optimizer's.
        measure: runs the range test; called only when it is needed.
        range_test: a measurement, None to make one, False for none.
        schedules: to search over.
        priors: beliefs that replace measured ones.
    """
    if range_test is None and not knobs.swept:
        range_test, priors = False, {"max_lr": LogNormal(knobs.lr, factor=3.0), **(priors or {})}
    if range_test is False:
        wide = measured_space(None, knobs, schedules=schedules, priors=priors)
        return Definition(wide, None, plain=not priors)
    result = measure() if range_test is None else range_test
    return Definition(measured_space(result, knobs, schedules=schedules, priors=priors), result)
