"""compare_optimizers: equal conditions, own rates, a table."""

import math
from pathlib import Path
from typing import Any, ClassVar

import pytest
import pytorch_lightning as pl
import torch
from matplotlib.axes import Axes
from torch.utils.data import DataLoader

from lrtool.comparison import Comparison
from lrtool.errors import ArgumentError
from lrtool.optimizer_comparison import compare_optimizers
from support.tiny import TinyModel, tiny_loader

SWEEP = {"min_lr": 1e-4, "max_lr": 3.0, "num_steps": 30}
NAMES = ["sgdm", "adamw", "schedule_free_adamw"]


def data() -> tuple[DataLoader[Any], DataLoader[Any]]:
    return tiny_loader(rows=128, shuffle=True), tiny_loader(rows=64)


def compare(names: list[str] = NAMES, **options: Any) -> Comparison:
    defaults: dict[str, Any] = {"max_steps": 24, "range_test": SWEEP}
    return compare_optimizers(TinyModel, data, names, **{**defaults, **options})


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    return compare(seeds=(0, 1))


def test_all_start_from_the_same_weights_and_batches(comparison: Comparison) -> None:
    """The first loss of a training is of the untouched weights on the first batch."""
    for seed in range(2):
        assert len({row.losses[seed][0] for row in comparison.rows}) == 1
    firsts = {row.result.curve.loss[0] for row in comparison.rows if row.result is not None}
    assert len(firsts) == 1


def test_each_trains_at_its_own_measured_rate(comparison: Comparison) -> None:
    for name in ("sgdm", "adamw"):
        row = comparison[name]
        assert row.result is not None
        picked = row.result.suggestion.has_pick
        assert row.lr == (row.result.max_lr if picked else row.capabilities.default_lr)
        assert row.schedule == "one_cycle"
        assert len(row.losses[0]) == 24


def test_what_cannot_be_swept_or_cycled_says_so(comparison: Comparison) -> None:
    row = comparison["schedule_free_adamw"]
    assert row.result is None
    assert row.schedule == "constant"
    assert row.lr == row.capabilities.default_lr
    assert "averages the weights" in row.why


def test_the_best_comes_first_and_gaps_are_paired(comparison: Comparison) -> None:
    means = [row.mean for row in comparison.rows]
    assert means == sorted(means)
    assert comparison.best is comparison.rows[0]
    header, rows = comparison.table()
    second = comparison.rows[1]
    gap = sum(b - a for a, b in zip(comparison.best.values, second.values, strict=True)) / 2
    assert rows[1][header.index("worse than the best by")] == f"{gap:.3g}"


def test_the_same_seed_gives_the_same_comparison() -> None:
    a, b = compare(["sgdm"]), compare(["sgdm"])
    assert a.rows[0].values == b.rows[0].values
    assert a.rows[0].losses == b.rows[0].losses


def test_loaders_given_as_objects_are_put_back() -> None:
    loader = tiny_loader(rows=128, shuffle=True, generator=torch.Generator().manual_seed(3))
    found = compare_optimizers(TinyModel, loader, ["sgd", "adam"], max_steps=4, range_test=SWEEP)
    assert len({row.losses[0][0] for row in found.rows}) == 1


def test_a_list_is_several_training_loaders_as_for_a_trainer() -> None:
    seen: list[int] = []

    class Two(TinyModel):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            seen.append(len(batch))
            return self.loss(batch[0]) + self.loss(batch[1])

    compare_optimizers(Two, list(data()), ["sgdm"], max_steps=4, range_test=SWEEP)
    assert set(seen) == {2}


def test_a_monitored_metric() -> None:
    found = compare(["sgdm", "adam"], monitor="val_loss", max_steps=16)
    assert found.metric == "val_loss"
    assert all(row.values[0] > 0 for row in found.rows)
    with pytest.raises(ArgumentError, match="val_acc"):
        compare(["sgdm"], monitor="val_acc")


@pytest.mark.parametrize("schedule", ["slanted_triangular", "wsd"])
def test_the_rate_named_is_the_one_trained_at(schedule: str) -> None:
    """A cyclical schedule's peak is the measured one; any other begins or stays at the rate."""
    found = compare(["sgdm"], schedule=schedule, trainer_kwargs={"callbacks": Witness()}).best
    assert found.lr == pytest.approx(max(Witness.rates), rel=1e-12)
    assert found.result is not None
    assert found.lr == (found.result.max_lr if schedule != "wsd" else found.result.lr)


class Witness(pl.Callback):
    """Shared by its copies, of which each Trainer has one."""

    rates: ClassVar[list[float]] = []
    seen = 0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert self.seen == 0
        Witness.rates.clear()

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        self.seen += 1
        Witness.rates.append(trainer.optimizers[0].param_groups[0]["lr"])


def test_a_diverged_training_comes_last() -> None:
    options = {"sgd": {"lr": 1e12}}
    flat = {"min_lr": 1e-12, "max_lr": 1e-11, "num_steps": 10}  # no pick: the rate given holds
    found = compare(["sgd", "adam"], options=options, range_test=flat, schedule="constant")
    assert [row.name for row in found.rows] == ["adam", "sgd"]
    assert math.isnan(found["sgd"].mean)


@pytest.mark.parametrize(
    ("names", "options", "message"),
    [
        (["adamm"], {}, "did you mean 'adam'"),
        ([], {}, "different optimizers must hold, got names=[]"),
        (["adam", "adam"], {}, "different optimizers"),
        (["adam"], {"max_steps": 1}, "got max_steps=1"),
        (["adam"], {"mode": "up"}, "mode must be one of"),
        (["adam"], {"seeds": ()}, "at least one seed"),
        (["adam"], {"schedule": "one_cycel"}, "did you mean 'one_cycle'"),
        (["adam"], {"schedule": "join"}, "missing=['schedules', 'boundaries']"),
        (["adam"], {"options": {"adma": {"lr": 0.1}}}, "got 'adma'; did you mean 'adam'"),
    ],
)
def test_bad_input_is_refused_before_compute(names: Any, options: Any, message: str) -> None:
    def never() -> Any:
        raise AssertionError("computed")

    with pytest.raises(ArgumentError) as raised:
        compare_optimizers(never, data, names, **options)
    assert message in str(raised.value)


def test_it_draws_prints_and_reports(comparison: Comparison, tmp_path: Path) -> None:
    ax = comparison.plot()
    assert isinstance(ax, Axes)
    labels = {text.get_text().partition(":")[0] for text in ax.get_legend().get_texts()}  # type: ignore[union-attr]
    assert {"sgdm", "adamw"} <= labels
    assert isinstance(comparison.plot_training(), Axes)
    assert str(comparison).count("\n") == len(NAMES)
    assert comparison._repr_html_().count("<tr>") == 1 + len(NAMES)
    page = comparison.report(tmp_path / "page.html").read_text(encoding="utf-8")
    assert "Optimizers" in page
    with pytest.raises(ArgumentError, match="optimizer must be one of"):
        comparison["lion"]
