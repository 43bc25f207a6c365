"""Loggers get the curve and the pick under stable names; without loggers nothing is written."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
from pytorch_lightning.loggers import CSVLogger, Logger, TensorBoardLogger

from lrtool.callbacks import LRRangeTest
from lrtool.result import RangeTestResult
from support.tiny import TinyModel, tiny_loader, tiny_trainer

RATES = ("lr", "min_lr", "max_lr")


def fit(logger: Any, tmp_path: Path) -> RangeTestResult:
    finder = LRRangeTest(num_steps=80, max_lr=3.0, min_lr=1e-5)
    trainer = tiny_trainer(max_epochs=1, logger=logger, callbacks=[finder], log_every_n_steps=1)
    trainer.fit(TinyModel(), tiny_loader(2048, batch_size=64), tiny_loader(16))
    assert finder.result is not None
    assert finder.result.suggestion.has_pick
    return finder.result


class Recorder(Logger):
    """What every logger has: log_metrics, and nothing for pictures."""

    experiment: Any = None
    name = version = "recorder"

    def __init__(self) -> None:
        super().__init__()
        self.metrics: dict[str, list[tuple[int | None, float]]] = {}
        self.images: list[tuple[str, Any]] = []

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        for name, value in metrics.items():
            self.metrics.setdefault(name, []).append((step, value))

    def log_hyperparams(self, params: Any, *_: Any, **__: Any) -> None: ...


class LikeWandb(Recorder):
    """The public surface of Lightning's WandbLogger that matters here."""

    def log_image(self, key: str, images: list[Any], step: int | None = None) -> None:
        self.images.append((key, images[0]))


class LikeMLflow(Recorder):
    """The public surface of Lightning's MLFlowLogger that matters here."""

    run_id = "a-run"

    def __init__(self) -> None:
        super().__init__()
        self.experiment = Client()


class Client:
    """The method of MLflow's client that matters here."""

    def __init__(self) -> None:
        self.images: list[tuple[str, str, Any]] = []

    def log_image(self, run_id: str, image: Any, artifact_file: str) -> None:
        self.images.append((run_id, artifact_file, image))


@pytest.mark.parametrize("kind", [Recorder, LikeWandb])
def test_every_logger_gets_the_pick_once(kind: type[Recorder], tmp_path: Path) -> None:
    logger = kind()
    result = fit(logger, tmp_path)
    for name in RATES:
        assert logger.metrics[f"lrtool/{name}"] == [(0, getattr(result, name))]
    assert logger.metrics["lrtool/range_test_steps"] == [(0, float(result.num_steps))]


def test_wandb_gets_the_picture(tmp_path: Path) -> None:
    logger = LikeWandb()
    fit(logger, tmp_path)
    ((key, pixels),) = logger.images
    assert key == "lrtool/range_test"
    assert pixels.dtype == np.uint8
    assert pixels.shape[2] == 3
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 10


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


def test_mlflow_gets_the_picture(tmp_path: Path) -> None:
    from lrtool.callbacks._log_result import log_result
    from support.results import a_result

    logger = LikeMLflow()
    trainer = pl.Trainer(logger=logger, enable_checkpointing=False, accelerator="cpu")
    log_result(trainer, a_result())
    ((run, name, pixels),) = logger.experiment.images
    assert (run, name) == ("a-run", "lrtool/range_test.png")
    assert pixels.ndim == 3


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
