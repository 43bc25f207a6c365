"""Asking a Trainer to stop, and taking it back."""

from types import SimpleNamespace
from typing import Any

import pytest

from lrtool.callbacks._stop_request import StopRequest
from lrtool.stopping import CONTINUE, Decision

STOP = Decision(True, message="enough")


class Asker:
    """What the callbacks of a Trainer's early stoppings show of a request."""

    def __init__(self) -> None:
        self.request = StopRequest()

    @property
    def stopping_reason_message(self) -> str | None:
        return self.request.verdict.message or None

    @property
    def stopped_epoch(self) -> int:
        return self.request.epoch


def stand_in(*askers: Any, should_stop: bool = False) -> Any:
    """A Trainer in its fourth epoch."""
    return SimpleNamespace(
        should_stop=should_stop, current_epoch=3, early_stopping_callbacks=list(askers)
    )


@pytest.mark.parametrize("asked_before", [True, False])
def test_withdrawing_leaves_what_others_asked_for(asked_before: bool) -> None:
    trainer = stand_in(should_stop=asked_before)
    request = StopRequest()
    request.make(trainer, STOP)
    assert (request.stands, request.epoch, trainer.should_stop) == (True, 3, True)
    request.update(trainer, CONTINUE)
    assert (request.stands, request.epoch, trainer.should_stop) == (False, 0, asked_before)


def test_a_final_request_is_not_overtaken() -> None:
    trainer = stand_in()
    request = StopRequest()
    request.make(trainer, STOP)
    request.final = True
    request.update(trainer, CONTINUE)
    assert request.stands
    assert trainer.should_stop


def test_of_two_that_ask_either_may_take_it_back() -> None:
    one, two = Asker(), Asker()
    trainer = stand_in(one, two)
    one.request.make(trainer, STOP)
    two.request.make(trainer, STOP)
    one.request.update(trainer, CONTINUE)
    assert trainer.should_stop
    two.request.update(trainer, CONTINUE)
    assert not trainer.should_stop


@pytest.mark.parametrize(("epoch", "stays"), [(3, True), (1, False)])
def test_lightnings_own_request_of_this_epoch_stays(epoch: int, stays: bool) -> None:
    """It says so by its message, which outlives the fit, and its epoch."""
    theirs = SimpleNamespace(stopping_reason_message=None, stopped_epoch=0)
    mine = Asker()
    trainer = stand_in(theirs, mine)
    mine.request.make(trainer, STOP)
    theirs.stopping_reason_message, theirs.stopped_epoch = "no improvement", epoch
    mine.request.update(trainer, CONTINUE)
    assert trainer.should_stop is stays
