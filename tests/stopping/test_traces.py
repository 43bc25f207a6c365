"""What is claimed of early stopping on real trainings, checked on the recorded traces."""

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
import pytorch_lightning as pl
import torch

from lrtool.callbacks import EarlyStopping, OneCycleScheduler
from support.tiny import tiny_trainer

pytest.importorskip("sklearn")
BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def benchmark() -> Iterator[ModuleType]:
    """The module benchmarks/early_stopping.py, which lies on no path."""
    sys.path.insert(0, str(BENCHMARKS))
    try:
        yield import_module("early_stopping")
    finally:
        sys.path.remove(str(BENCHMARKS))


def test_at_most_1_percent_lost_at_no_more_than_60_percent_of_the_epochs(
    benchmark: ModuleType,
) -> None:
    runs = [run for several in benchmark.load("report", "constant", 5).values() for run in several]
    assert len(runs) == 25
    cost, share = benchmark.measure(benchmark.RULES[benchmark.NAME], runs)
    assert cost.mean() <= 0.01
    assert share.mean() <= 0.60
    theirs, _ = benchmark.measure(benchmark.RULES["Lightning, defaults"], runs)
    assert theirs.mean() > 0.05


@pytest.mark.parametrize("half", ["dev", "report"])
def test_one_cycle_runs_are_not_stopped_before_they_win(benchmark: ModuleType, half: str) -> None:
    several = benchmark.load(half, "one_cycle", 5)
    assert len(several) >= 4
    runs = [run for group in several.values() for run in group]
    for name in ("lrtool, defaults + restore_best", benchmark.NAME):
        _, share = benchmark.measure(benchmark.RULES[name], runs)
        assert (share == 1).all()
    cost, share = benchmark.measure(benchmark.RULES["Lightning, defaults"], runs)
    assert ((cost > 0.01) & (share < 1)).sum() >= 10  # which is not how it goes by itself


def test_one_cycle_in_a_real_trainer_on_a_real_task(benchmark: ModuleType) -> None:
    """Lightning's defaults end this run half-way, at three times the loss."""
    name, losses = "cancer_raw_mlp_adamw", []
    rate = import_module("stopping_traces").best_rate(name, "one_cycle")
    task = import_module("tasks").task(name)
    for stopper in (
        EarlyStopping("val_loss", restore_best=True),
        pl.callbacks.EarlyStopping("val_loss"),
    ):
        module, train, validation = task.lightning(seed=0, lr=rate)
        torch.manual_seed(0)
        trainer = tiny_trainer(callbacks=[stopper, OneCycleScheduler(max_lr=rate)], max_epochs=25)
        trainer.fit(module, train, validation)
        losses.append(trainer.validate(module, validation, verbose=False)[0]["val_loss"])
    assert losses[0] < 0.5 * losses[1]
