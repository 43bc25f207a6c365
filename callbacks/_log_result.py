"""A finished range test for the Trainer's loggers: the curve as a picture, the pick as numbers."""

from math import isfinite
from pathlib import Path
from typing import Any

from lrtool.callbacks._lightning import Trainer
from lrtool.result import RangeTestResult

__all__ = ["log_result"]

PICTURE = "lrtool/range_test"


def log_result(trainer: Trainer, result: RangeTestResult) -> None:
    """Give every logger of `trainer` what it can take; nothing without loggers.

    All get the scalars lrtool/lr, lrtool/min_lr, lrtool/max_lr and lrtool/range_test_steps.
    TensorBoard also gets the figure lrtool/range_test and the curve's losses over their steps, W&B
    and MLflow the figure, and a logger that keeps a folder the files range_test.json and .csv.

    Args:
        trainer: inside `fit`.
        result: a finished range test.
    """
    if not trainer.is_global_zero:
        return
    step = trainer.global_step
    logger: Any  # loggers of many makers: what each can take is asked, not known
    for logger in trainer.loggers:
        logger.log_metrics(_scalars(result), step=step)
        experiment: Any = getattr(logger, "experiment", None)
        if hasattr(experiment, "add_figure"):
            _to_tensorboard(experiment, result, step)
        elif hasattr(logger, "log_image"):
            logger.log_image(key=PICTURE, images=[_pixels(result)])
        elif hasattr(experiment, "log_image") and hasattr(logger, "run_id"):
            experiment.log_image(logger.run_id, _pixels(result), f"{PICTURE}.png")
        else:
            _to_folder(logger, result)


def _scalars(result: RangeTestResult) -> dict[str, float]:
    rates = {"lr": result.lr, "min_lr": result.min_lr, "max_lr": result.max_lr}
    picked = {f"lrtool/{name}": rate for name, rate in rates.items() if isfinite(rate)}
    return {**picked, "lrtool/range_test_steps": float(result.num_steps)}


def _to_tensorboard(writer: Any, result: RangeTestResult, step: int) -> None:
    writer.add_figure(PICTURE, _figure(result), global_step=step)
    # Under a name of their own, so that the sweep's steps never mix with the training's.
    for index, (lr, loss) in enumerate(zip(result.curve.lr, result.curve.loss, strict=True)):
        writer.add_scalar(f"{PICTURE}_curve/lr", float(lr), global_step=index)
        writer.add_scalar(f"{PICTURE}_curve/loss", float(loss), global_step=index)


def _to_folder(logger: Any, result: RangeTestResult) -> None:
    folder = getattr(logger, "log_dir", None)
    if folder is None:
        return
    Path(folder).mkdir(parents=True, exist_ok=True)
    result.save(Path(folder) / "range_test.json")
    result.curve.to_csv(Path(folder) / "range_test.csv")


def _figure(result: RangeTestResult) -> Any:
    from lrtool.plotting.style import new_figure, style
    from lrtool.report.sections import draw_range_test

    with style():
        figure = new_figure((8.6, 5.2))
        draw_range_test(figure, result)
    return figure


def _pixels(result: RangeTestResult) -> Any:
    """The picture as (height, width, 3) bytes."""
    import numpy as np
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas: Any = FigureCanvasAgg(_figure(result))
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
