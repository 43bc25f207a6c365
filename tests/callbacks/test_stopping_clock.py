"""Whether a decay has an end that is still to come, against the rates that torch really gives."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.optim import lr_scheduler

from lrtool.callbacks._stopping_clock import _falls_yet, _torch_falls_yet
from lrtool.schedules import Schedule, constant, cosine, exponential, linear, multi_step

ENDING: dict[str, tuple[Callable[[Any], Any], int]] = {
    "CosineAnnealingLR": (lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=5), 5),
    "MultiStepLR": (lambda o: lr_scheduler.MultiStepLR(o, [2, 6], 0.1), 6),
    "PolynomialLR": (lambda o: lr_scheduler.PolynomialLR(o, 7), 7),
    "LinearLR": (lambda o: lr_scheduler.LinearLR(o, 1.0, 0.1, 4), 4),
    "SequentialLR": (
        lambda o: lr_scheduler.SequentialLR(
            o,
            [lr_scheduler.ConstantLR(o, 1.0, 3), lr_scheduler.LinearLR(o, 1.0, 0.1, 4)],
            milestones=[3],
        ), 7),
    "ChainedScheduler": (
        lambda o: lr_scheduler.ChainedScheduler(
            [lr_scheduler.LinearLR(o, 1.0, 0.5, 2), lr_scheduler.PolynomialLR(o, 5)]
        ), 5),
}  # fmt: skip
ENDLESS: dict[str, Callable[[Any], Any]] = {
    "ExponentialLR": lambda o: lr_scheduler.ExponentialLR(o, 0.9),
    "StepLR": lambda o: lr_scheduler.StepLR(o, 2),
    "rising LinearLR": lambda o: lr_scheduler.LinearLR(o, 0.1, 1.0, 4),
    "no milestone": lambda o: lr_scheduler.MultiStepLR(o, []),
}


def answers(make: Callable[[Any], Any], steps: int) -> tuple[list[bool], list[float]]:
    """What is said of each step, and its rate."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = make(optimizer)
    said, rates = [], []
    for _ in range(steps + 1):
        said.append(_torch_falls_yet(scheduler))
        rates.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        scheduler.step()
    return said, rates


@pytest.mark.parametrize("name", ENDING)
def test_a_decay_falls_until_its_last_step_and_no_longer(name: str) -> None:
    make, end = ENDING[name]
    said, rates = answers(make, end)
    assert said == [rates[step] > rates[end] for step in range(end + 1)]
    assert said == [True] * end + [False]


@pytest.mark.parametrize("name", ENDLESS)
def test_without_an_end_to_come_down_to_there_is_none_to_wait_for(name: str) -> None:
    assert answers(ENDLESS[name], 5)[0] == [False] * 6


class Writes:
    """A callback that writes the rate, at a step of its schedule."""

    schedules_lr = True

    def __init__(self, schedule: Schedule, step: int) -> None:
        self.schedule, self.at = schedule, step

    def _step(self, trainer: Any) -> int:
        return self.at


@pytest.mark.parametrize(
    ("schedule", "step", "falls"),
    [
        (cosine(0.5, total_steps=10), 3, True),
        (cosine(0.5, total_steps=10), 10, False),
        (cosine(0.5, total_steps=10), 12, False),
        (linear(0.1, total_steps=10, end_lr=0.5), 3, False),  # it rises
        (multi_step(0.5, milestones=[4, 8]), 7, True),
        (multi_step(0.5, milestones=[4, 8]), 8, False),
        (exponential(0.5, gamma=0.9), 3, False),  # it has no end
        (constant(0.5), 3, False),
    ],
    ids=repr,
)
def test_our_schedules_fall_until_they_are_as_low_as_at_their_end(
    schedule: Schedule, step: int, falls: bool
) -> None:
    trainer: Any = SimpleNamespace(callbacks=[Writes(schedule, step)], lr_scheduler_configs=[])
    assert _falls_yet(trainer) is falls
