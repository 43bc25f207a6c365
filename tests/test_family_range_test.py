"""range_test with a list: one range test per value, from the same start, nothing left behind."""

import sys
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset

import lrtool
from lrtool import optimizers, param_groups, range_test
from lrtool.errors import ArgumentError, MissingDependencyError, UnsupportedError
from lrtool.families import Family
from lrtool.family_range_test import range_family
from support.tiny import Batch, TinyModel, Untouched, tiny_data, tiny_loader

STEPS: dict[str, Any] = {"min_lr": 1e-4, "max_lr": 1.0, "num_steps": 20, "early_stop": None}


def sgd(model: torch.nn.Module) -> Any:
    return torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-3)


def adam(model: torch.nn.Module) -> Any:
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    return {"optimizer": optimizer, "lr_scheduler": torch.optim.lr_scheduler.StepLR(optimizer, 9)}


def test_the_value_the_optimizer_has_anyway_gives_the_plain_range_test() -> None:
    model, loader = TinyModel(sgd), tiny_loader()
    plain = lrtool.range_test(model, loader, **STEPS)
    chosen = range_test(model, loader, weight_decay=[1e-3, 1.0], **STEPS)
    assert isinstance(chosen, Family)
    assert chosen.results[1e-3].curve == plain.curve
    assert not np.array_equal(chosen.results[1.0].curve.loss, plain.curve.loss)
    assert chosen.setting == "weight_decay"


@pytest.mark.parametrize("make", [sgd, adam])
def test_momentum_reaches_sgd_and_adam_in_any_shape_of_configuration(make: Any) -> None:
    model = TinyModel(make)
    chosen = range_family(model, tiny_loader(), momentum=[0.0, 0.9], **STEPS)
    first, second = (chosen.results[value].curve for value in (0.0, 0.9))
    assert first.loss[0] == second.loss[0]
    assert not np.array_equal(first.loss, second.loss)


def test_all_start_from_the_same_weights_and_batches_and_the_model_is_left_as_it_was() -> None:
    model, loader = TinyModel(sgd), tiny_loader(shuffle=True)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    chosen = range_family(model, loader, weight_decay=[0.0, 1e-3, 1e-1], **STEPS)
    assert len({float(result.curve.loss[0]) for result in chosen.results.values()}) == 1
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert "configure_optimizers" not in vars(model)
    assert model.configure_optimizers().param_groups[0]["weight_decay"] == 1e-3


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "exactly one"),
        ({"optimizer": ["sgd"], "batch_size": [4]}, "exactly one"),
        ({"momentum": 0.9}, r"a list of values for momentum.*write momentum=\[0.9\]"),
        ({"batch_size": "16"}, r"write batch_size=\['16'\]"),
        ({"optimizer": "adamw"}, r"write optimizer=\['adamw'\]"),
        ({"optimizer": None}, r"a list of optimizers, or the index of one.*got optimizer=None"),
        ({"optimizer": []}, "differ"),
        ({"optimizer": ["sgd", "sgd"]}, "differ by name"),
        ({"optimizer": [lambda p: None, lambda p: None]}, "differ by name"),
        ({"optimizer": ["adamm"]}, "did you mean 'adam'"),
        ({"batch_size": [4, 0]}, "batch_size >= 1"),
        ({"batch_size": [4, 4.5]}, "batch_size >= 1"),
        ({"batch_size": [8, 8]}, "differ"),
        ({"momentum": [0.9], "weight_decay": [0.0]}, "exactly one"),
        ({"momentum": []}, "differ"),
        ({"weight_decay": [0.1, 0.1]}, "differ"),
        ({"weight_decay": [-0.1]}, "weight_decay"),
        ({"momentum": [1.0]}, "momentum < 1"),
        ({"momentum": [float("nan")]}, "momentum"),
    ],
)
def test_bad_settings_are_refused_before_the_first_step(settings: Any, said: str) -> None:
    with pytest.raises(ArgumentError, match=said):
        range_family(TinyModel(sgd), tiny_loader(), **settings)


def test_an_optimizer_without_the_setting_is_refused_by_name() -> None:
    model = TinyModel(lambda m: torch.optim.Adagrad(m.parameters(), lr=0.1))
    with pytest.raises(ArgumentError, match=r"momentum.*Adagrad"):
        range_family(model, tiny_loader(), momentum=[0.5], **STEPS)
    assert "configure_optimizers" not in vars(model)


@pytest.mark.parametrize("given", [["sgdm", "prodigy"], {"mine": "rprop"}, ["lbfgs"]])
def test_optimizers_without_a_rate_to_sweep_are_refused_by_name_before_the_first_step(
    given: Any,
) -> None:
    with pytest.raises(UnsupportedError, match=r"nothing about (prodigy|rprop|lbfgs)"):
        range_test(Untouched(), tiny_loader(), optimizer=given)


def test_what_a_module_was_given_by_hand_is_given_back() -> None:
    model = TinyModel(sgd)
    mine = lambda: torch.optim.Adam(model.parameters(), lr=0.02)  # noqa: E731
    model.configure_optimizers = mine  # type: ignore[method-assign]
    range_test(model, tiny_loader(), momentum=[0.5, 0.9], **STEPS)
    assert model.configure_optimizers is mine


# --- optimizers ---------------------------------------------------------------------------------


def twin_of(model: TinyModel, make: Any) -> TinyModel:
    """The same weights under another optimizer, and the random state at its seed."""
    twin = TinyModel(make)
    twin.load_state_dict(model.state_dict())
    torch.manual_seed(0)
    return twin


def test_each_optimizer_sweeps_as_if_the_model_had_configured_it() -> None:
    model = TinyModel(sgd)
    torch.manual_seed(0)
    chosen = range_test(model, tiny_loader(), optimizer=["sgdm", "adamw"], **STEPS)
    for name in ("sgdm", "adamw"):
        own = twin_of(model, lambda m, name=name: optimizers.create(name, m))
        assert chosen.results[name].curve == range_test(own, tiny_loader(), **STEPS).curve
        assert chosen.results[name].context["optimizer"] == {"sgdm": "SGD", "adamw": "AdamW"}[name]
    assert isinstance(model.configure_optimizers(), torch.optim.SGD)


class Grouped(TinyModel):
    """Two groups, the second at a tenth of the rate and without decay; a scheduler beside it."""

    def configure_optimizers(self) -> Any:
        groups: list[dict[str, Any]] = [
            {"params": self.net[:3].parameters(), "name": "body"},
            {"params": self.net[3:].parameters(), "lr": 0.001, "weight_decay": 0.0, "name": "head"},
        ]
        own = torch.optim.SGD(groups, lr=0.01, momentum=0.9, weight_decay=1e-3)
        return [own], [torch.optim.lr_scheduler.StepLR(own, 5)]


def test_the_models_own_groups_stay_with_their_ratios() -> None:
    seen: list[Any] = []

    class Watching(Grouped):
        def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
            seen.append(self.optimizers().optimizer)  # type: ignore[union-attr]

    nadam = lambda params: torch.optim.NAdam(params, lr=0.02)  # noqa: E731
    makes = {"a": "adamw", "b": nadam}
    chosen = range_test(Watching(), tiny_loader(), optimizer=makes, **STEPS)
    assert list(chosen.results) == ["a", "b"]
    for optimizer in {id(one): one for one in seen}.values():
        assert [group["name"] for group in optimizer.param_groups] == ["body", "head"]
        assert param_groups.ratios(optimizer, "lr") == pytest.approx([1.0, 0.1])
    adamw = next(one for one in seen if isinstance(one, torch.optim.AdamW))
    assert param_groups.get_all(adamw, "weight_decay") == [0.01, 0.0]
    assert "momentum" not in adamw.param_groups[0]


def test_a_part_of_the_model_stays_a_part() -> None:
    """An optimizer of the head alone: the other optimizers, too, move nothing else."""
    model = TinyModel(lambda m: torch.optim.SGD(m.net[4].parameters(), lr=0.1))
    torch.manual_seed(0)
    chosen = range_test(model, tiny_loader(), optimizer=["adamw"], **STEPS)
    own = twin_of(model, lambda m: optimizers.create("adamw", m.net[4].parameters()))
    assert chosen.results["adamw"].curve == range_test(own, tiny_loader(), **STEPS).curve


def test_several_optimizers_in_one_model_have_no_substitute() -> None:
    def two(model: nn.Module) -> Any:
        return [torch.optim.SGD(model.parameters(), lr=0.1) for _ in range(2)]

    with pytest.raises(ArgumentError, match="one optimizer must hold, got found=2"):
        range_test(TinyModel(two), tiny_loader(), optimizer=["adam"])


# --- batch sizes --------------------------------------------------------------------------------


class Diary(TinyModel):
    """Writes down the first column of what it trains on."""

    rows: ClassVar[list[list[float]]] = []

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        self.rows.append(batch[0][:, 0].tolist())
        return super().training_step(batch, batch_idx)


def flat(rows: list[list[float]]) -> list[float]:
    return [value for row in rows for value in row]


def seen_in(data: Any, **options: Any) -> list[list[float]]:
    Diary.rows.clear()
    model = Diary(sgd)
    torch.manual_seed(1)
    range_test(model, data, **{**STEPS, "num_steps": 4, **options})
    return list(Diary.rows)


@pytest.mark.parametrize("order", ["in order", "global seed", "own generator"])
def test_the_examples_come_in_the_same_order_in_batches_of_each_size(order: str) -> None:
    own = torch.Generator().manual_seed(3) if order == "own generator" else None
    loader = tiny_loader(shuffle=order != "in order", generator=own)
    plain = seen_in(loader)
    rows = seen_in(loader, batch_size=[8, 4, 16])
    assert [len(row) for row in rows] == [8] * 4 + [4] * 4 + [16] * 4
    assert rows[:4] == plain
    assert flat(rows[4:8]) == flat(plain)[:16]
    assert flat(rows[8:])[:32] == flat(plain)


def test_batch_sizes_leave_the_data_and_the_random_state_as_they_were() -> None:
    generator = torch.Generator().manual_seed(3)
    loader = tiny_loader(shuffle=True, generator=generator)
    before = generator.get_state()
    model = TinyModel(sgd)
    torch.manual_seed(5)
    range_test(model, (loader, tiny_loader()), batch_size=[4, 16], **STEPS)
    drawn = torch.rand(1)
    torch.manual_seed(5)
    assert torch.equal(drawn, torch.rand(1))
    assert loader.batch_size == 8
    assert len(loader) == 8
    assert torch.equal(before, generator.get_state())


def test_a_data_module_is_cut_too_and_left_alone() -> None:
    class Data(pl.LightningDataModule):
        def train_dataloader(self) -> Any:
            return tiny_loader()

    data = Data()
    chosen = range_test(TinyModel(sgd), data, batch_size=[4, 16], **STEPS)
    assert [one.context["batch_size"] for one in chosen.results.values()] == [4, 16]
    assert vars(data).get("train_dataloader") is None


class Endless(IterableDataset[Batch]):
    def __iter__(self) -> Iterator[Batch]:
        data = tiny_data()
        return (data[k] for k in range(64))


def test_streams_are_cut_as_tables_are() -> None:
    rows = seen_in(DataLoader(Endless(), 8), batch_size=[4, 16])
    assert [len(row) for row in rows] == [4] * 4 + [16] * 4


@pytest.mark.parametrize(
    ("data", "error", "said"),
    [
        (DataLoader(tiny_data(), batch_sampler=[[0, 1], [2, 3]]), UnsupportedError, "of its own"),
        ([tiny_loader(), tiny_loader()], UnsupportedError, "got list"),
        (tiny_loader(), ArgumentError, "batch_size=65, examples=64; leave the larger"),
    ],
    ids=["own batches", "several loaders", "too few examples"],
)
def test_data_that_cannot_be_cut_is_refused(data: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        range_test(TinyModel(sgd), data, batch_size=[65], **STEPS)


def test_a_missing_package_is_told_before_the_first_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pytorch_optimizer", None)
    model = Untrained()
    with pytest.raises(MissingDependencyError, match=r"'lion' needs 'pytorch_optimizer'"):
        range_test(model, tiny_loader(), optimizer=["sgdm", "lion"], **STEPS)
    with pytest.raises(MissingDependencyError, match=r"'lion' needs 'pytorch_optimizer'"):
        lrtool.compare_optimizers(Untrained, tiny_loader(), ["sgdm", "lion"], max_steps=4)


class Untrained(TinyModel):
    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        raise AssertionError("nothing is computed before the refusal")


def test_the_warnings_of_a_member_name_its_value(caplog: pytest.LogCaptureFixture) -> None:
    loader = tiny_loader(rows=34)
    range_test(TinyModel(sgd), loader, weight_decay=[0.0, 1e-3], **STEPS)
    said = [one.getMessage() for one in caplog.records if "holds only 2 rows" in one.getMessage()]
    assert [text.partition(":")[0] for text in said] == [
        "LRRangeTest (weight_decay 0.0)", "LRRangeTest (weight_decay 0.001)",
    ]  # fmt: skip
