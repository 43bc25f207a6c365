"""The sweep's short way through a step: the Trainer's to the last bit, and only where it may be."""

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import Any

import pytest
import torch
from torch.optim import SGD, Adam

from lrtool.callbacks import LRRangeTest
from lrtool.callbacks._borrow_plain import HOOKS
from support.tiny import TinyModel, tiny_loader, tiny_trainer
from support.trace import NAMESPACES, differences, make_model

STEPS = 12
SEEN: list[Any] = []  # not the module's: what a sweep leaves there is taken back


def finder() -> LRRangeTest:
    return LRRangeTest(
        min_lr=1e-5, max_lr=1e-2, num_steps=STEPS, early_stop=None, apply=False, then="stop"
    )


def calls_of_hook(name: str, **options: Any) -> int:
    """How often a sweep calls the module's own `name`."""
    calls: list[str] = []

    def noted(self: Any, *args: Any, **kwargs: Any) -> Any:
        calls.append(name)
        return getattr(super(type(self), self), name)(*args, **kwargs)

    model = type("Model", (TinyModel,), {name: noted})()
    tiny_trainer(callbacks=[finder()], max_epochs=1, **options).fit(model, tiny_loader())
    return len(calls)


@pytest.mark.parametrize("name", HOOKS)
def test_every_hook_that_is_overridden_is_called(name: str) -> None:
    assert calls_of_hook(name) == STEPS


def swept(model: Any, **options: Any) -> dict[str, Any]:
    """All that a sweep shows: its curve, and what the module saw in each step."""
    test = finder()
    SEEN.clear()
    torch.manual_seed(0)
    tiny_trainer(callbacks=[test], max_epochs=1, **options).fit(model, tiny_loader())
    assert test.result is not None
    return {**test.result.to_dict(), "seen": list(SEEN)}


class Watching(TinyModel):
    """Keeps what can be seen from inside a step; gives no loss now and then."""

    def __init__(self, make_optimizer: Any, skips: bool) -> None:
        super().__init__(make_optimizer)
        self.skips = skips

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        weights = torch.cat([p.detach().flatten() for p in self.parameters()])
        grads = [p.grad is None for p in self.parameters()]
        SEEN.append((self.global_step, batch_idx, self._current_fx_name, weights, grads))
        if self.skips and batch_idx % 5 == 3:
            return None
        return {"loss": super().training_step(batch, batch_idx), "more": 1}


class WholeWay(Watching):
    """The same with a hook of its own, which does nothing."""

    def on_after_backward(self) -> None:
        pass


OPTIMIZERS: Mapping[str, Callable[[Any], Any]] = {
    "sgd": lambda model: SGD(model.parameters(), lr=0.01, momentum=0.9),
    "adam": lambda model: Adam(model.parameters(), lr=0.01),
}


@pytest.mark.filterwarnings("ignore:.*returned `None`")
@pytest.mark.parametrize("skips", [False, True])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_short_way_is_the_whole_way_to_the_last_bit(name: str, skips: bool) -> None:
    torch.manual_seed(1)
    short = swept(Watching(OPTIMIZERS[name], skips))
    torch.manual_seed(1)
    whole = swept(WholeWay(OPTIMIZERS[name], skips))
    assert len(short["seen"]) >= STEPS
    assert differences(short, whole) == []


@pytest.mark.parametrize("namespace", NAMESPACES)
@pytest.mark.parametrize(
    ("options", "is_short"),
    [
        ({}, True),
        ({"precision": "bf16-mixed"}, False),
        ({"precision": "64-true"}, False),
        ({"gradient_clip_val": 0.1}, False),
        ({"accumulate_grad_batches": 2}, False),
    ],
    ids=str,
)
def test_it_is_taken_only_where_nothing_else_is_due(
    options: dict[str, Any], is_short: bool, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lightning = import_module(namespace)
    loop = import_module(f"{namespace}.loops.optimization.automatic")._AutomaticOptimization
    whole: list[int] = []
    run = loop.run

    def counted(self: Any, *args: Any) -> Any:
        whole.append(1)
        return run(self, *args)

    monkeypatch.setattr(loop, "run", counted)
    trainer = lightning.Trainer(
        accelerator="cpu", devices=1, logger=False, enable_checkpointing=False, max_epochs=1,
        enable_progress_bar=False, enable_model_summary=False, callbacks=[finder()], **options,
    )  # fmt: skip
    trainer.fit(make_model(lightning), tiny_loader())
    assert bool(whole) is not is_short


class Kept:
    """Hands out the same batches, the very objects, in every pass."""

    def __init__(self) -> None:
        self.batches = list(tiny_loader())

    def __iter__(self) -> Iterator[Any]:
        return iter(self.batches)


def test_a_step_that_writes_into_its_batch_writes_into_a_copy() -> None:
    class Writing(TinyModel):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            loss = self.loss(batch)
            batch.clear()
            return loss

    data = Kept()
    tiny_trainer(callbacks=[finder()], max_epochs=1).fit(Writing(), data)
    assert [len(batch) for batch in data.batches] == [2] * 8


def test_one_loader_in_a_list_gives_lists_of_one_batch() -> None:
    class Unpacking(TinyModel):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            (only,) = batch
            return self.loss(only)

    alone, listed = finder(), finder()
    for test, model, data in (
        (alone, TinyModel, tiny_loader()),
        (listed, Unpacking, [tiny_loader()]),
    ):
        torch.manual_seed(0)
        tiny_trainer(callbacks=[test], max_epochs=1).fit(model(), data)
    assert alone.result is not None
    assert listed.result is not None
    assert listed.result.curve.loss.tolist() == alone.result.curve.loss.tolist()


def test_an_optimizer_that_ignores_its_closure_is_an_error() -> None:
    class Deaf(SGD):
        def step(self, closure: Any = None) -> None:  # type: ignore[override]
            super().step()

    model = TinyModel(lambda model: Deaf(model.parameters(), lr=0.1))
    with pytest.raises(Exception, match="closure hasn't been executed"):
        tiny_trainer(callbacks=[finder()], max_epochs=1).fit(model, tiny_loader())
