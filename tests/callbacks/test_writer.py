"""Which rates a schedule is built for: the measured, the checkpoint's, or the optimizer's own."""

import pytest
import torch

from lrtool.callbacks._writer import Writer
from lrtool.schedules import Horizon, triangular
from support.measurements import measurement
from support.results import no_pick

SAVED = {"lr": 0.2, "min_lr": 0.05, "max_lr": 0.6}


def optimizer() -> torch.optim.Optimizer:
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.4)


def test_the_measured_rates_come_first_then_the_checkpoints_then_the_optimizers_own() -> None:
    found = measurement(0.01)
    cases = [
        (found, SAVED, (found.min_lr, found.max_lr)),
        (found, {}, (found.min_lr, found.max_lr)),
        (None, SAVED, (0.05, 0.6)),
        (None, {}, (0.1, 0.4)),  # a quarter of the optimizer's rate, and the rate
    ]
    for result, saved, (low, high) in cases:
        writer = Writer({"lr": "triangular"}, saved)
        writer.set_horizon(Horizon(total_steps=80))
        writer.resolve(optimizer(), result)
        assert writer.lr == triangular(max_lr=high, min_lr=low, step_size_up=10, step_size_down=10)


def test_a_measurement_without_a_pick_is_said_and_the_optimizers_rate_is_the_highest() -> None:
    writer = Writer({"lr": "one_cycle"}, {}, quiet=True)
    writer.set_horizon(Horizon(total_steps=80))
    writer.resolve(optimizer(), no_pick())
    assert writer.horizon is not None
    assert (writer.horizon.min_lr, writer.horizon.max_lr) == (0.1, 0.4)
    assert "has no pick" in writer.said[0]
    assert "own rate 0.4 as its highest" in writer.said[0]


def test_what_it_says_it_says_once() -> None:
    writer = Writer({}, {})
    with pytest.warns(UserWarning, match="twice"):
        writer.say("twice")
    writer.say("twice")  # a warning would be an error here
    assert writer.said == ["twice"]
