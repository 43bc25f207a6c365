"""What a module's own code may do in a sweep: skip steps, add groups, save checkpoints."""

from collections.abc import Iterator
from contextlib import nullcontext
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset

from lrtool.callbacks import LRRangeTest
from lrtool.errors import UnsupportedError
from support.tiny import TinyModel, tiny_data, tiny_loader, tiny_trainer


def swept(model: Any, *, num_steps: int = 8, **options: Any) -> LRRangeTest:
    finder = LRRangeTest(
        min_lr=1e-6, max_lr=1e-1, num_steps=num_steps, early_stop=None, apply=False, then="stop"
    )
    tiny_trainer(callbacks=[finder], **options).fit(model, tiny_loader())
    return finder


def test_A12_a_batch_without_a_step_is_no_step_of_the_sweep() -> None:
    """The module steps its optimizer on every third batch only."""
    stepped: list[tuple[float, float]] = []

    class Every3(TinyModel):
        def training_step(self, batch: Any, batch_idx: int) -> Tensor:
            self.last = super().training_step(batch, batch_idx)
            return self.last

        def optimizer_step(
            self, epoch: int, batch_idx: int, optimizer: Any, optimizer_closure: Any = None
        ) -> None:
            optimizer_closure()
            if batch_idx % 3 == 2:
                stepped.append((optimizer.param_groups[0]["lr"], float(self.last.detach())))
                optimizer.step()

    result = swept(Every3()).result
    assert result is not None
    assert stepped == list(zip(result.curve.lr.tolist(), result.curve.loss.tolist(), strict=True))
    assert len(stepped) == 8


@pytest.mark.parametrize("hook", ["on_train_start", "on_train_epoch_start"])
def test_A24_a_group_that_a_hook_adds_is_refused_with_the_remedy_and_taken_back(hook: str) -> None:
    def add_group(model: Any) -> None:
        late = nn.Parameter(torch.zeros(1))
        model.trainer.optimizers[0].add_param_group({"params": [late], "lr": 0.5})

    model = type("Growing", (TinyModel,), {hook: add_group})()
    finder = LRRangeTest(num_steps=20)
    trainer = tiny_trainer(callbacks=[finder])
    with pytest.raises(UnsupportedError, match=r"1 more from .*make them in configure_optimizers"):
        trainer.fit(model, tiny_loader())
    assert len(trainer.optimizers[0].param_groups) == 1


def test_B7_a_checkpoint_that_the_training_step_saves_is_not_saved_by_the_sweep(
    tmp_path: Path,
) -> None:
    class Saving(TinyModel):
        def training_step(self, batch: Any, batch_idx: int) -> Tensor:
            self.trainer.save_checkpoint(tmp_path / f"{self.global_step}.ckpt")
            return super().training_step(batch, batch_idx)

    swept(Saving())
    assert list(tmp_path.iterdir()) == []
    model = Saving()
    finder = LRRangeTest(num_steps=20, apply=False)
    trainer = tiny_trainer(callbacks=[finder], max_steps=2)
    trainer.fit(model, tiny_loader())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.ckpt", "1.ckpt"]
    assert "save_checkpoint" not in vars(trainer)


def endless(loader: Any) -> Any:
    while True:
        yield from loader


@pytest.mark.parametrize(
    ("make", "kind"),
    [(endless, "generator"), (lambda loader: iter(list(loader)), "list_iterator"), (iter, "Iter")],
)
def test_B4_an_iterator_that_the_module_draws_from_is_said_not_to_come_back(
    make: Any, kind: str
) -> None:
    class Both(TinyModel):
        unlabelled: Any
        idle: Any

        def training_step(self, batch: Any, batch_idx: int) -> Tensor:
            return super().training_step(batch, batch_idx) + self.loss(next(self.unlabelled))

    model = Both()
    model.unlabelled = make(tiny_loader(rows=400))
    with pytest.warns(UserWarning, match="make them in on_train_start"):
        result = swept(model).result
    assert result is not None
    (sentence,) = result.not_restored
    assert kind in sentence


def test_B4_an_iterator_made_at_the_start_or_not_drawn_from_needs_no_word() -> None:
    class Both(TinyModel):
        unlabelled: Any
        idle: Any

        def on_train_start(self) -> None:
            self.unlabelled = iter(tiny_loader(rows=400))

        def training_step(self, batch: Any, batch_idx: int) -> Tensor:
            return super().training_step(batch, batch_idx) + self.loss(next(self.unlabelled))

    model = Both()
    model.idle = iter(tiny_loader())
    result = swept(model).result
    assert result is not None
    assert result.not_restored == ()


@pytest.mark.parametrize("num_workers", [0, 1])
def test_B4_an_iterator_inside_the_training_data_is_said_not_to_come_back(num_workers: int) -> None:
    class Lines(IterableDataset[Any]):
        def __init__(self) -> None:
            self.lines = (row for row in endless(tiny_data()))

        def __iter__(self) -> Iterator[Any]:
            return islice(self.lines, 64)

    finder = LRRangeTest(num_steps=20, max_steps=20, apply=False, then="stop")
    data = DataLoader(
        Lines(), 8, num_workers=num_workers,
        multiprocessing_context="fork" if num_workers else None,
    )  # fmt: skip
    expected: Any = pytest.warns(UserWarning, match=r"iterators \(generator\)")
    with expected if num_workers == 0 else nullcontext():
        tiny_trainer(callbacks=[finder]).fit(TinyModel(), data)
    assert finder.result is not None
    assert bool(finder.result.not_restored) is (num_workers == 0)
