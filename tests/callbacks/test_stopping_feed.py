"""Step metrics are read once every so many optimizer steps, however many a batch takes."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from lrtool.callbacks._stopping_feed import Feed


@pytest.mark.parametrize(
    ("steps", "every", "read"),
    [
        ((1, 2, 3, 4), 2, {2: 1.5, 4: 3.5}),
        ((2, 4, 6, 8), 3, {4: 1.5, 6: 3.0}),  # two optimizers: no batch ends at step 3
        ((1, 1, 2, 2, 3, 3), 2, {2: 2.0}),  # accumulation: the second batch at step 2 is not due
    ],
)
def test_means_are_taken_where_a_multiple_is_reached_or_passed(
    steps: tuple[int, ...], every: int, read: dict[int, float]
) -> None:
    """The metric is 1, 2, 3, ...; `last` is, as in the callback, the step of the latest value."""
    feed = Feed(("loss",), None, None, every, strict=True)
    found: dict[int, float] = {}
    last = 0
    for value, step in enumerate(steps, start=1):
        metrics = {"loss": torch.tensor(float(value))}
        trainer: Any = SimpleNamespace(callback_metrics=metrics, global_step=step, world_size=1)
        values = feed.after_step(trainer, last)
        if values:
            assert step not in found
            found[step], last = values["loss"], step
    assert found == read
