"""What a preview counts and refuses; test_schedule_writing holds it against a training."""

from types import SimpleNamespace
from typing import Any

import pytest

from lrtool.callbacks import ParamScheduler
from lrtool.callbacks._preview import _num_batches
from lrtool.errors import LRToolError
from support.tiny import TinyModel, tiny_loader, tiny_trainer


@pytest.mark.parametrize(
    ("limit", "world", "batches"), [(1.0, 2, 4), (0.5, 2, 2), (8, 2, 4), (3, 2, 3), (0.0, 1, 0)]
)
def test_preview_counts_each_process_own_batches(limit: float, world: int, batches: int) -> None:
    trainer: Any = SimpleNamespace(limit_train_batches=limit, world_size=world)
    assert _num_batches(trainer, range(8)) == batches


def test_preview_of_data_without_length_needs_a_limit() -> None:
    trainer: Any = SimpleNamespace(limit_train_batches=5, world_size=1)
    assert _num_batches(trainer, iter([])) == 5


@pytest.mark.parametrize(
    ("options", "limits", "text"),
    [
        ({"optimizer": 1}, {}, "got optimizer=1, optimizers=1"),
        ({"start_step": 20, "total_steps": 10}, {}, "got start_step=20, total_steps=10"),
        ({}, {"limit_train_batches": 0.0}, "at least 1 optimizer step, got 0"),
    ],
)
def test_preview_refuses_what_cannot_be(options: Any, limits: Any, text: str) -> None:
    with pytest.raises(LRToolError, match=text):
        ParamScheduler(lr="cosine", **options).preview(
            tiny_trainer(**limits), TinyModel(), tiny_loader()
        )


def test_a_preview_shows_itself_in_one_line_and_can_be_compared() -> None:
    one, other = (
        ParamScheduler(lr="linear", total_steps=8).preview(
            tiny_trainer(), TinyModel(lr=0.5), tiny_loader()
        )
        for _ in range(2)
    )
    assert repr(one) == "Preview(8 steps, 1 group, lr 0.0625 .. 0.5)"
    assert one != other  # by identity: arrays have no single truth to compare by
