"""How callbacks print: the settings that differ from the defaults, then what came of them."""

import inspect
import pickle
from typing import Any

import optuna
import pytest
import torch

from lrtool.callbacks import (
    CyclicalScheduler,
    EarlyStopping,
    FineTuneRecipe,
    LRRangeTest,
    OneCycleScheduler,
    ParamScheduler,
    PlateauScheduler,
    TrialPruning,
    WarmupScheduler,
)
from lrtool.errors import ArgumentError
from lrtool.result import RangeTestResult
from lrtool.schedules import constant
from support.scripted import loader, scripted, trainer_of
from support.tiny import TinyModel, tiny_loader, tiny_trainer


def my_suggester(curve: Any) -> Any:
    raise NotImplementedError


@pytest.mark.parametrize(
    ("callback", "text"),
    [
        (LRRangeTest(), "LRRangeTest()"),
        (LRRangeTest(num_steps=50, at_epochs=[0]), "LRRangeTest(num_steps=50)"),
        (LRRangeTest(suggester=my_suggester), "LRRangeTest(suggester=my_suggester)"),
        (EarlyStopping("val_loss"), "EarlyStopping('val_loss')"),
        (EarlyStopping("val_loss", 0.0, 5), "EarlyStopping('val_loss', patience=5)"),
        (EarlyStopping("a", snapshots=2), "EarlyStopping('a', snapshots=2)"),
        (OneCycleScheduler(total_steps="10ep"), "OneCycleScheduler(total_steps='10ep')"),
        (CyclicalScheduler(mode="triangular2"), "CyclicalScheduler(mode='triangular2')"),
        (ParamScheduler(lr=constant(0.1)), "ParamScheduler(lr=Constant(lr=0.1))"),
        (WarmupScheduler("cosine"), "WarmupScheduler(schedule='cosine')"),
        (PlateauScheduler(lr=0.1, mode="max"), "PlateauScheduler(mode='max', lr=0.1)"),
        (
            FineTuneRecipe(head="net.4", measure=False),
            "FineTuneRecipe(head='net.4', measure=False)",
        ),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_only_what_differs_from_the_defaults(callback: Any, text: str) -> None:
    assert repr(callback) == text
    assert repr(pickle.loads(pickle.dumps(callback))) == text
    assert repr([callback]) == f"[{text}]"


def test_a_setting_changed_later_is_shown_as_it_is_now() -> None:
    stopper = EarlyStopping("val_loss", patience=5)
    stopper.patience = 20
    assert repr(stopper) == "EarlyStopping('val_loss', patience=20)"
    stopper.patience = 3
    assert repr(stopper) == "EarlyStopping('val_loss')"


class Shorter(OneCycleScheduler):
    """A user's own, with an argument more."""

    def __init__(self, share: float, name: str = "mine", **rest: Any) -> None:
        super().__init__(pct_start=share / 2, **rest)


def test_a_subclass_shows_its_own_arguments() -> None:
    assert repr(Shorter(0.5, max_lr=0.2)) == "Shorter(0.5, max_lr=0.2)"
    assert repr(Shorter(0.5, "theirs")) == "Shorter(0.5, name='theirs')"


class Rude:
    def __repr__(self) -> str:
        raise RuntimeError("no text of me")


def test_arguments_without_a_good_text_do_no_harm() -> None:
    class Odd(LRRangeTest):
        def __init__(self, thing: Any) -> None:
            super().__init__()

    assert repr(Odd(object())) == "Odd(object(...))"
    assert repr(Odd("a" * 1000)).count("a") < 100
    assert "Rude" in repr(Odd(Rude()))
    with pytest.raises(ArgumentError):
        LRRangeTest(num_steps=0)
    assert repr(LRRangeTest.__new__(LRRangeTest)) == "LRRangeTest()"  # half built, in a traceback


def test_annotations_that_cannot_be_looked_up_do_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(call: Any) -> Any:
        if inspect.isclass(call) or call.__name__ == "__init__":
            raise NameError("name 'Curve' is not defined")
        return inspect.signature(call)

    monkeypatch.setattr("lrtool.callbacks._described.signature", fails)

    class Mine(EarlyStopping):
        def __init__(self, monitor: str, *, twice: bool = False) -> None:
            super().__init__(monitor)

    assert repr(Mine("val_loss", twice=True)) == "Mine(twice=True)"


def test_only_texts_are_kept_of_the_arguments() -> None:
    class Holds(LRRangeTest):
        def __init__(self, lock: Any) -> None:
            super().__init__()

    assert pickle.dumps(vars(Holds(lambda: None)))  # a lambda itself cannot be pickled


def test_a_measurement_and_the_cycle_made_of_it() -> None:
    finder, schedule = LRRangeTest(min_lr=1e-5, max_lr=10.0, num_steps=60), OneCycleScheduler()
    trainer = tiny_trainer(callbacks=[finder, schedule], max_epochs=3)
    torch.manual_seed(0)
    trainer.fit(TinyModel(), tiny_loader())
    result = finder.result
    assert result is not None
    assert repr(finder) == (
        f"<LRRangeTest(min_lr=1e-05, max_lr=10.0, num_steps=60): lr {result.lr:.3g}, "
        f"cycle {result.min_lr:.3g}..{result.max_lr:.3g} [{result.suggestion.status.value}]>"
    )
    assert schedule.schedule is not None
    highest = max(schedule.schedule(step) for step in range(24))
    assert repr(schedule) == (
        f"<OneCycleScheduler(): 24 steps, lr {result.max_lr / 25:.3g} at first, "
        f"up to {highest:.3g}>"
    )


def test_a_measurement_without_a_pick() -> None:
    finder = LRRangeTest(min_lr=1e-9, max_lr=1e-8, num_steps=20)
    tiny_trainer(callbacks=[finder], max_epochs=1).fit(TinyModel(), tiny_loader())
    result = finder.result
    assert isinstance(result, RangeTestResult)
    assert not result.suggestion.has_pick
    assert repr(finder).endswith(f": no pick [{result.suggestion.status.value}]>")


def test_the_other_decisions_are_told_in_few_words() -> None:
    stopper, drops = EarlyStopping("val_loss"), PlateauScheduler(patience=0, lr=0.1)
    pruning = TrialPruning(optuna.create_study().ask(), reports=False)
    trainer_of([stopper, drops, pruning]).fit(
        scripted([3.0, 1.0, 2.0, 2.0, 2.0, 2.0]), loader(), loader()
    )
    assert repr(stopper) == ("<EarlyStopping('val_loss'): patience_exhausted, best 1 at step 8>")
    assert repr(drops) == "<PlateauScheduler(patience=0, lr=0.1): lr 0.0001, best 1>"
    assert repr(pruning) == "<TrialPruning(Trial(...), reports=False): best 1>"
    recipe = FineTuneRecipe(head="net.4", measure=False)
    tiny_trainer(callbacks=[recipe]).fit(TinyModel(), tiny_loader())
    assert repr(recipe).endswith(f": stage 'all' from epoch 1, lr {recipe.records[-1].lr:.3g}>")
