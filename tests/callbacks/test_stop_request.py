"""Asking a Trainer to stop, and taking it back."""

from types import SimpleNamespace
from typing import Any

import pytest

from lrtool.callbacks._stop_request import StopRequest
from lrtool.stopping import CONTINUE, Decision

STOP = Decision(True, message="enough")


@pytest.mark.parametrize("asked_before", [True, False])
def test_withdrawing_leaves_what_others_asked_for(asked_before: bool) -> None:
    trainer: Any = SimpleNamespace(should_stop=asked_before, current_epoch=3)
    request = StopRequest()
    request.make(trainer, STOP)
    assert (request.stands, request.epoch, trainer.should_stop) == (True, 3, True)
    request.update(trainer, CONTINUE)
    assert (request.stands, request.epoch, trainer.should_stop) == (False, 0, asked_before)


def test_a_final_request_is_not_overtaken() -> None:
    trainer: Any = SimpleNamespace(should_stop=False, current_epoch=3)
    request = StopRequest()
    request.make(trainer, STOP)
    request.final = True
    request.update(trainer, CONTINUE)
    assert request.stands
    assert trainer.should_stop
