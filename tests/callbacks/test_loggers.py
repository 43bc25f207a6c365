"""Loggers get the curve and the pick under stable names; without loggers nothing is written."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
from PIL import Image
from pytorch_lightning.loggers import (
    CSVLogger,
    Logger,
    MLFlowLogger,
    TensorBoardLogger,
    WandbLogger,
)

from lrtool.callbacks import LRRangeTest
from lrtool.result import RangeTestResult
from support.tiny import TinyModel, tiny_loader, tiny_trainer

RATES = ("lr", "min_lr", "max_lr")
PICTURE = "lrtool/range_test.png"


def rates_of(result: RangeTestResult) -> dict[str, float]:
    return {name: getattr(result, name) for name in RATES}


def many_colours(picture: Path) -> bool:
    """Whether a drawing is on it: an empty page has one or two colours."""
    pixels = np.asarray(Image.open(picture).convert("RGB"))
    return len(np.unique(pixels.reshape(-1, 3), axis=0)) > 10


def fit(logger: Any, tmp_path: Path) -> RangeTestResult:
    finder = LRRangeTest(num_steps=80, max_lr=3.0, min_lr=1e-5)
    trainer = tiny_trainer(max_epochs=1, logger=logger, callbacks=[finder], log_every_n_steps=1)
    trainer.fit(TinyModel(), tiny_loader(2048, batch_size=64), tiny_loader(16))
    assert finder.result is not None
    assert finder.result.suggestion.has_pick
    return finder.result


class Recorder(Logger):
    """What every logger must have, and no more: no experiment, no folder, nothing for pictures."""

    name = version = "recorder"

    def __init__(self) -> None:
        super().__init__()
        self.metrics: dict[str, list[tuple[int | None, float]]] = {}

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        for name, value in metrics.items():
            self.metrics.setdefault(name, []).append((step, value))

    def log_hyperparams(self, params: Any, *_: Any, **__: Any) -> None: ...


def test_every_logger_gets_the_pick_once(tmp_path: Path) -> None:
    logger = Recorder()
    result = fit(logger, tmp_path)
    for name in RATES:
        assert logger.metrics[f"lrtool/{name}"] == [(0, getattr(result, name))]
    assert logger.metrics["lrtool/range_test_steps"] == [(0, float(result.num_steps))]


@pytest.mark.filterwarnings("ignore")  # W&B's own
def test_wandb_gets_pick_picture_and_applied_rate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb", reason="wandb is not installed")
    monkeypatch.setenv("WANDB_SILENT", "true")
    logger = WandbLogger(save_dir=tmp_path, offline=True)
    run = logger.experiment
    try:
        result = fit(logger, tmp_path)
        summary = dict(run.summary)
        assert {name: summary[f"lrtool/{name}"] for name in RATES} == rates_of(result)
        assert run.config["lr"] == result.lr
    finally:
        run.finish()
    (picture,) = tmp_path.rglob("lrtool/range_test*.png")
    assert many_colours(picture)


@pytest.mark.filterwarnings("ignore")  # MLflow's own
def test_mlflow_gets_pick_and_picture_and_keeps_its_first_rate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("mlflow", reason="mlflow is not installed")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    logger = MLFlowLogger(tracking_uri=(tmp_path / "runs").as_uri())
    with pytest.warns(UserWarning, match="MLFlowLogger keeps the rate it was given first"):
        result = fit(logger, tmp_path)
    run = logger.experiment.get_run(logger.run_id)
    assert {name: run.data.metrics[f"lrtool/{name}"] for name in RATES} == rates_of(result)
    assert run.data.params["lr"] == "0.01"  # MLflow's parameters never change
    assert many_colours(Path(logger.experiment.download_artifacts(run.info.run_id, PICTURE)))


def test_tensorboard_gets_figure_curve_and_pick(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    logger = TensorBoardLogger(tmp_path, name="tb")
    result = fit(logger, tmp_path)
    events = EventAccumulator(logger.log_dir, size_guidance={"scalars": 0, "images": 0})
    events.Reload()
    losses = events.Scalars("lrtool/range_test_curve/loss")
    assert [event.value for event in losses] == pytest.approx(result.curve.loss.tolist())
    rates = [event.value for event in events.Scalars("lrtool/range_test_curve/lr")]
    assert rates == pytest.approx(result.curve.lr.tolist())
    assert events.Scalars("lrtool/max_lr")[0].value == pytest.approx(result.max_lr)
    assert len(events.Images("lrtool/range_test")) == 1


def test_csv_gets_the_pick_and_the_curve_as_files(tmp_path: Path) -> None:
    logger = CSVLogger(tmp_path, name="csv")
    result = fit(logger, tmp_path)
    with (Path(logger.log_dir) / "metrics.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["lrtool/lr"]]
    assert [float(row["lrtool/lr"]) for row in rows] == [result.lr]
    assert RangeTestResult.load(Path(logger.log_dir) / "range_test.json") == result
    assert (Path(logger.log_dir) / "range_test.csv").exists()


def test_without_loggers_nothing_is_written(tmp_path: Path) -> None:
    before = set(tmp_path.rglob("*"))
    fit(False, tmp_path)
    assert set(tmp_path.rglob("*")) == before


def test_without_a_pick_only_the_steps_are_numbers(tmp_path: Path) -> None:
    from lrtool.callbacks._log_result import log_result
    from support.results import no_pick

    logger = Recorder()
    log_result(pl.Trainer(logger=logger, enable_checkpointing=False, accelerator="cpu"), no_pick())
    assert set(logger.metrics) == {"lrtool/range_test_steps"}
