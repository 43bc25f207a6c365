"""What a study is defined by when nothing can be measured."""

import pytest

from lrtool.result import RangeTestResult
from lrtool.search.define import define
from lrtool.search.measured import Knobs
from lrtool.search.prior import LogNormal, Prior
from lrtool.search.space import LR


def never() -> RangeTestResult:
    raise AssertionError("measured")


def test_an_optimizer_no_range_test_judges_is_searched_around_its_own_rate() -> None:
    knobs = Knobs(lr=0.5, momentum=None, weight_decay=None, swept=False)
    space = define(knobs, never).space
    assert space.params(space.start())["max_lr"] == pytest.approx(0.5)
    prior = space.priors[LR]
    assert isinstance(prior, Prior)
    assert 10**prior.scale == pytest.approx(3.0)
    believed = define(knobs, never, priors={"max_lr": LogNormal(0.01, factor=2)}).space
    assert believed.params(believed.start())["max_lr"] == pytest.approx(0.01)
