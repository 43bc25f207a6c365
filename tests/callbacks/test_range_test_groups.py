"""A range test of each parameter group: measured alone, applied to each, no trace left."""

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, lr_scheduler
from torch.utils.data import DataLoader, TensorDataset

import lrtool
from lrtool import RangeTestResult, Status, Suggestion, optimizers, param_groups
from lrtool.callbacks import FineTuneRecipe, LRRangeTest, OneCycleScheduler
from lrtool.errors import ArgumentError, UnsupportedError
from support.tiny import Rates, TinyModel, tiny_loader, tiny_trainer
from support.trace import NAMESPACES, differences, record

A, B = 100.0, 1.0  # the curvatures of the two groups' losses


class Bowl(pl.LightningModule):
    """Loss A |a|^2 / 2 + B |b|^2 / 2 and a floor: each group diverges at 2 over its curvature."""

    def __init__(self, make: Any = None, extra: bool = False) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.full((8,), A**-0.5))
        self.b = nn.Parameter(torch.full((8,), B**-0.5))
        self.make = make or self.both

    def both(self, lr: float = 0.01, **options: Any) -> Any:
        return SGD(
            [{"params": [self.a], "name": "steep"}, {"params": [self.b], "name": "flat"}],
            lr, **options,
        )  # fmt: skip

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        return A * self.a.square().sum() / 2 + B * self.b.square().sum() / 2 + 1

    def configure_optimizers(self) -> Any:
        return self.make()


def steps(count: int = 200) -> DataLoader[Any]:
    return DataLoader(TensorDataset(torch.zeros(count)), 1)


RANGE: dict[str, Any] = {"min_lr": 1e-5, "max_lr": 10.0, "num_steps": 60}


def test_each_group_is_swept_as_if_it_were_the_only_one_that_learns() -> None:
    """The oracle: an optimizer that holds nothing else, swept from the same weights."""
    found = lrtool.range_test(Bowl(), steps(), per_group=True, **RANGE)
    assert list(found.groups) == ["steep", "flat"]
    for name, own in (("steep", "a"), ("flat", "b")):
        model = Bowl()
        model.make = lambda model=model, own=own: SGD([getattr(model, own)], 0.01)
        alone = lrtool.range_test(model, steps(), **RANGE)
        assert found.groups[name].curve == alone.curve
        assert found.groups[name].suggestion == alone.suggestion


def test_the_rates_stand_in_the_ratio_of_the_curvatures() -> None:
    found = lrtool.range_test(Bowl(), steps(), per_group=True, suggester="minimum")
    assert found.groups["flat"].lr / found.groups["steep"].lr == pytest.approx(A / B, rel=0.3)
    for name, curvature in (("steep", A), ("flat", B)):
        assert found.groups[name].lr < 2 / curvature < found.groups[name].curve.lr.max()
    assert found.lr == found.groups["flat"].lr
    assert found.curve == found.groups["flat"].curve
    assert found.group_lr == {name: one.lr for name, one in found.groups.items()}
    assert found.num_steps == sum(one.num_steps for one in found.groups.values())


def grouped(model: Any) -> Any:
    body, head = list(model.parameters())[:-2], list(model.parameters())[-2:]
    return Adam([{"params": body, "lr": 0.01}, {"params": head, "lr": 0.03}])


@pytest.mark.parametrize("namespace", NAMESPACES)
def test_it_leaves_no_trace(namespace: str, tmp_path: Path) -> None:
    lightning = import_module(namespace)
    finder = LRRangeTest(per_group=True, apply=False, num_steps=12, max_steps=12, early_stop=None)
    options: dict[str, Any] = {"model_options": {"configure": grouped}}
    plain = record(lightning, tmp_path / "plain", None, **options)
    swept = record(lightning, tmp_path / "swept", finder, **options)
    assert finder.result is not None
    assert finder.result.num_steps == 24
    assert differences(plain, swept) == []


# --- applied ------------------------------------------------------------------------------------


def picks(**rates: float | None) -> Any:
    """A suggester that gives the groups, in their order, these rates; None is no pick."""
    left = list(rates.values())

    def suggester(curve: Any) -> Suggestion:
        rate = left.pop(0)
        if rate is None:
            return Suggestion.none("fixed", Status.NO_DESCENT, "it never fell")
        return Suggestion(rate, rate / 4, rate * 2, (rate, rate), "fixed", Status.CLEAR, "test")

    return suggester


def finder(**rates: float | None) -> LRRangeTest:
    return LRRangeTest(per_group=True, num_steps=5, max_steps=5, suggester=picks(**rates))


def trained(model: Any, *callbacks: Any, **options: Any) -> list[list[float]]:
    watch = Rates()
    trainer = tiny_trainer(callbacks=[*callbacks, watch], max_epochs=1, **options)
    trainer.fit(model, steps(10))
    return watch.rates


def test_each_group_trains_at_its_own_pick() -> None:
    assert trained(Bowl(), finder(steep=0.001, flat=0.02)) == [[0.001, 0.02]] * 10


def test_a_group_without_a_pick_keeps_its_ratio_and_gets_no_higher_rate() -> None:
    def ratio(steep: float, flat: float) -> Bowl:
        model = Bowl()
        groups = [{"params": [model.a], "lr": steep, "name": "steep"},
                  {"params": [model.b], "lr": flat, "name": "flat"}]  # fmt: skip
        model.make = lambda: SGD(groups, lr=1.0)
        return model

    test = finder(steep=None, flat=0.02)
    assert trained(ratio(0.001, 0.01), test)[0] == pytest.approx([0.002, 0.02])
    assert test.result is not None
    assert test.result.groups["steep"].suggestion.status is Status.NO_DESCENT
    assert any("steep has no pick" in said for said in test.result.diagnosis)
    assert trained(ratio(0.1, 0.01), finder(steep=None, flat=0.02))[0] == [0.02, 0.02]


def test_without_any_pick_every_rate_is_left_alone() -> None:
    test = finder(steep=None, flat=None)
    assert trained(Bowl(), test)[0] == [0.01, 0.01]
    assert test.result is not None
    assert not test.result.applied
    assert test.result.group_lr == {}


def test_a_frozen_group_is_not_swept_and_stays_frozen() -> None:
    model = Bowl()
    model.c, model.d = nn.Parameter(torch.ones(2), requires_grad=False), nn.Parameter(torch.ones(2))
    groups: list[dict[str, Any]] = [
        {"params": [model.c]}, {"params": [model.a], "name": "steep"},
        {"params": [model.d], "lr": 0.0}, {"params": [model.b], "name": "flat"},
    ]  # fmt: skip
    model.make = lambda: SGD(groups, lr=0.01)
    test = finder(steep=0.001, flat=0.02)
    assert trained(model, test)[0] == pytest.approx([0.02, 0.001, 0.0, 0.02])
    assert test.result is not None
    assert list(test.result.groups) == ["steep", "flat"]
    assert list(test.result.group_lr) == ["group0", "steep", "group2", "flat"]


@pytest.mark.parametrize("first", ["finder", "scheduler"])
def test_lrtools_schedulers_move_each_group_at_its_ratio(first: str) -> None:
    test, cycle = finder(steep=0.001, flat=0.02), OneCycleScheduler()
    rates = trained(Bowl(), *([test, cycle] if first == "finder" else [cycle, test]))
    assert max(flat for _, flat in rates) == pytest.approx(0.04)  # the peak of the flat group
    assert [steep / flat for steep, flat in rates] == pytest.approx([0.05] * 10)


def test_a_scheduler_takes_the_ratios_of_a_measurement_made_before() -> None:
    before = lrtool.range_test(
        Bowl(), steps(), per_group=True, suggester=picks(steep=0.001, flat=0.02), num_steps=5,
        max_steps=5,
    )  # fmt: skip
    again = RangeTestResult.from_dict(json.loads(json.dumps(before.to_dict())))
    assert again == before
    rates = trained(Bowl(), OneCycleScheduler(range_test=again))
    assert [steep / flat for steep, flat in rates] == pytest.approx([0.05] * 10)
    model = Bowl()
    model.make = lambda: SGD([model.a, model.b], lr=0.01)
    with pytest.raises(ArgumentError, match="as many parameter groups"):
        trained(model, OneCycleScheduler(range_test=again))


@pytest.mark.parametrize(
    ("name", "make", "peaks"),
    [
        ("StepLR", lambda o: lr_scheduler.StepLR(o, 4, 0.5), False),
        ("OneCycleLR", lambda o: lr_scheduler.OneCycleLR(o, [0.3, 0.5], total_steps=10), True),
        ("LinearLR", lambda o: lr_scheduler.LinearLR(o, 0.5, total_iters=4), False),
        ("CyclicLR", lambda o: lr_scheduler.CyclicLR(o, 0.1, [0.3, 0.5], 4), True),
    ],
)
def test_torchs_schedulers_move_with_each_group(name: str, make: Any, peaks: bool) -> None:
    """As if the scheduler had been built at the measured rates."""

    def configured(steep: float, flat: float, peak: float) -> Any:
        model = Bowl()

        def both() -> Any:
            own = SGD(
                [{"params": [model.a], "lr": steep}, {"params": [model.b], "lr": flat}],
                lr=1.0, momentum=0.9,
            )  # fmt: skip
            scheduler = make(own)
            if peaks and peak:
                for group, top in zip(own.param_groups, (0.002, 0.04), strict=True):
                    group["lr"] = group.get("max_lr", top)
            return [own], [{"scheduler": scheduler, "interval": "step"}]

        model.make = both
        return model

    moved = trained(configured(0.1, 0.5, 0.0), finder(steep=0.001, flat=0.02))
    plain = trained(configured(0.1, 0.5, 0.0))
    scale = (0.002 / 0.3, 0.04 / 0.5) if peaks else (0.001 / 0.1, 0.02 / 0.5)
    expected = [[rate * own for rate, own in zip(row, scale, strict=True)] for row in plain]
    assert moved == [pytest.approx(row) for row in expected]


@pytest.mark.filterwarnings("ignore:You're resuming from a checkpoint that ended before the epoch")
def test_a_resumed_run_goes_on_at_the_measured_ratios(tmp_path: Path) -> None:
    class Saves(pl.Callback):
        def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
            if trainer.global_step == 4:
                trainer.save_checkpoint(tmp_path / "stop.ckpt")

    whole = trained(Bowl(), finder(steep=0.001, flat=0.02), OneCycleScheduler(), Saves())
    watch = Rates()
    trainer = tiny_trainer(
        callbacks=[finder(steep=9.0, flat=9.0), OneCycleScheduler(), watch], max_epochs=1
    )
    trainer.fit(Bowl(), steps(10), ckpt_path=tmp_path / "stop.ckpt")
    assert watch.rates == whole[4:]


def test_a_second_range_test_sweeps_all_at_the_measured_ratios() -> None:
    def both(rate: float) -> LRRangeTest:
        return LRRangeTest(num_steps=5, max_steps=5, suggester=picks(all=rate))

    together = both(0.004)
    rates = trained(Bowl(), finder(steep=0.001, flat=0.02), together)
    assert rates == [pytest.approx([0.0002, 0.004])] * 10
    assert together.result is not None
    assert together.result.context["lr"] == [0.001, 0.02]
    keys = {one.state_key for one in (together, finder(), LRRangeTest(optimizer=1))}
    assert len(keys) == 3


# --- refused, interrupted, shown ----------------------------------------------------------------


@pytest.mark.parametrize("joint", [False, True])
def test_rates_measured_one_by_one_and_never_together_are_told(joint: bool) -> None:
    finder = LRRangeTest(per_group=True, **RANGE)
    behind = [LRRangeTest(**RANGE)] if joint else []
    trainer = tiny_trainer(max_steps=2, callbacks=[finder, *behind])
    trainer.fit(Bowl(), steps())
    assert finder.result is not None
    said = "too high together; put a second LRRangeTest() behind"
    assert (said in " ".join(finder.result.diagnosis)) is not joint


def test_one_group_is_refused_before_the_first_step() -> None:
    with pytest.raises(
        ArgumentError, match=r"groups >= 2.*got groups=1; give the optimizer a list"
    ):
        lrtool.range_test(TinyModel(), tiny_loader(), per_group=True)


def test_optimizers_with_one_rate_are_refused_by_name() -> None:
    from lrtool.callbacks._group_sweep import check_groups

    prodigy = optimizers.create("prodigy", [nn.Parameter(torch.ones(1))])
    with pytest.raises(UnsupportedError, match="prodigy: it has one rate"):
        check_groups(prodigy)


def test_the_recipe_has_shares_of_its_own() -> None:
    with pytest.raises(ArgumentError, match="layer_decay"):
        FineTuneRecipe(head="head", range_test={"per_group": True})


def test_names_that_occur_twice_are_told_apart() -> None:
    model = Bowl()
    model.make = lambda: SGD(
        [{"params": [model.a], "name": "x"}, {"params": [model.b], "name": "x"}], lr=0.1
    )
    found = lrtool.range_test(model, steps(), per_group=True, num_steps=12, max_steps=12)
    assert list(found.groups) == ["x/0", "x/1"]


def test_an_interrupt_in_the_second_group_gives_all_back() -> None:
    taken: list[int] = []

    class Stopped(Bowl):
        def training_step(self, batch: Any, batch_idx: int) -> Tensor:
            taken.append(batch_idx)
            if len(taken) == 8:
                raise KeyboardInterrupt
            return super().training_step(batch, batch_idx)

    model, test = Stopped(), LRRangeTest(per_group=True, num_steps=5, max_steps=5)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    trainer = tiny_trainer(callbacks=[test])
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        trainer.fit(model, steps())
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert param_groups.get_all(trainer.optimizers[0], "lr") == [0.01, 0.01]
    assert test.result is not None
    assert not test.result.applied
    assert [len(one.curve) for one in test.result.groups.values()] == [5, 2]


def test_the_groups_are_drawn_listed_and_named() -> None:
    found = lrtool.range_test(Bowl(), steps(), per_group=True, **RANGE)
    labels = [str(line.get_label()) for line in found.plot().lines]
    assert {"steep", "flat"} <= set(labels)
    assert "group_lr={steep: " in repr(found)
    assert "; by group: steep: " in str(found)
    page = found._repr_html_()
    for name, one in found.groups.items():
        assert f"<td>{name}</td>" in page
        assert f"{one.lr:.4g}" in page
