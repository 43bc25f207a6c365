"""Preview: what a scheduler would write, group by group, computed before training."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil, inf
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lrtool import param_groups
from lrtool._check import require
from lrtool.callbacks._configured import configured_by, optimizers_in
from lrtool.callbacks._horizon import horizon_of
from lrtool.callbacks._writer import Writer
from lrtool.durations import Duration
from lrtool.param_groups import Knob
from lrtool.result import RangeTestResult
from lrtool.schedules import Horizon

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from lrtool.callbacks._lightning import LightningModule, Trainer

__all__ = ["Preview", "preview_of"]

_KNOBS: tuple[Knob, ...] = ("lr", "momentum", "weight_decay")
_MOST_STEPS = 4000


@dataclass(frozen=True, eq=False, repr=False)
class Preview:
    """Values that would be written, one row an optimizer step, one column a parameter group.

    Args:
        horizon: the run: its length in optimizer steps, and the rates it would use.
        steps: the steps shown; all of them, or an even choice of 4,000.
        lr: rates, of shape (steps, groups).
        momentum: momenta or betas[0]; NaN for a group that has none.
        weight_decay: weight decays; NaN for a group that has none.
        warnings: what does not fit, in words.
    """

    horizon: Horizon
    steps: npt.NDArray[np.int64]
    lr: npt.NDArray[np.float64]
    momentum: npt.NDArray[np.float64]
    weight_decay: npt.NDArray[np.float64]
    warnings: tuple[str, ...] = ()

    def __repr__(self) -> str:
        low, high = np.nanmin(self.lr), np.nanmax(self.lr)
        steps, groups = self.lr.shape
        parts = f"{steps} steps, {groups} group{'s' if groups > 1 else ''}"
        said = "".join(f", {text!r}" for text in self.warnings)
        return f"Preview({parts}, lr {low:.3g} .. {high:.3g}{said})"

    def plot(self, axes: "Sequence[Axes] | None" = None) -> "list[Axes]":
        """Draw rate, momentum and weight decay below one another; shows nothing."""
        from lrtool.plotting.style import new_axes

        parts = {"learning rate": self.lr, "momentum": self.momentum}
        parts["weight decay"] = self.weight_decay
        shown = {name: part for name, part in parts.items() if np.isfinite(part).any()}
        if axes is None:
            figure = new_axes((6.4, 2.2 * len(shown))).figure
            figure.clear()
            axes = list(figure.subplots(len(shown), 1, sharex=True, squeeze=False)[:, 0])
        for ax, (name, part) in zip(axes, shown.items(), strict=False):
            for group in range(part.shape[1]):
                ax.plot(self.steps, part[:, group], label=f"group {group}")
            ax.set_ylabel(name)
            ax.set_ylim(bottom=0)
        axes[-1].set_xlabel(f"optimizer step, of {self.horizon.total_steps}")
        if self.lr.shape[1] > 1:
            axes[0].legend()
        if self.warnings:
            axes[0].set_title("\n".join(self.warnings), fontsize="small")
        return list(axes)


class _Numbers:
    """An optimizer's numbers without its parameters: something to write to."""

    def __init__(self, optimizer: Any) -> None:
        self.optimizer = optimizer  # whose class says what it can do
        self.state: dict[Any, Any] = {}
        self.param_groups: list[dict[str, Any]] = [
            {key: _plain(value) for key, value in group.items() if key != "params"} | {"params": []}
            for group in optimizer.param_groups
        ]


def preview_of(
    plans: Mapping[Knob, Any],
    trainer: "Trainer",
    model: "LightningModule",
    data: Any,
    *,
    asked: Duration | None,
    start_step: int,
    optimizer: int,
    result: RangeTestResult | None,
) -> Preview:
    """Play `plans` over the whole run on a copy of the optimizer's numbers."""
    horizon = horizon_of(trainer, asked, num_batches=_num_batches(trainer, _loader(model, data)))
    if asked is None:
        horizon = replace(horizon, total_steps=horizon.total_steps + start_step)
    configured = optimizers_in(configured_by(model))
    require(
        optimizer < len(configured), "an optimizer of that number in configure_optimizers",
        optimizer=optimizer, optimizers=len(configured),
    )  # fmt: skip
    numbers = _Numbers(configured[optimizer])
    writer = Writer(plans, {}, quiet=True)
    writer.set_horizon(horizon)
    writer.resolve(numbers, result)
    count = horizon.total_steps - start_step
    require(
        count > 0, "start_step < total_steps", start_step=start_step,
        total_steps=horizon.total_steps,
    )  # fmt: skip
    steps = np.unique(np.linspace(0, count - 1, min(count, _MOST_STEPS)).round().astype(np.int64))
    rows: dict[Knob, list[list[float]]] = {knob: [] for knob in _KNOBS}
    for step in steps:
        writer.write(numbers, int(step) + start_step)
        for knob, values in rows.items():
            found = param_groups.get_all(numbers, knob)
            values.append([np.nan if value is None else value for value in found])
    arrays = {knob: np.array(values, dtype=np.float64) for knob, values in rows.items()}
    assert writer.horizon is not None
    return Preview(writer.horizon, steps, warnings=tuple(writer.said), **arrays)


def _plain(value: Any) -> Any:
    return float(value) if hasattr(value, "fill_") and value.numel() == 1 else value


def _loader(model: "LightningModule", data: Any) -> Any:
    source = model if data is None else data
    if hasattr(source, "prepare_data") and data is not None:
        source.prepare_data()
        source.setup("fit")
    return source.train_dataloader() if hasattr(source, "train_dataloader") else source


def _num_batches(trainer: "Trainer", loader: Any) -> float:
    """Training batches of an epoch, as the Trainer's limits leave them."""
    try:
        length: float = ceil(len(loader) / max(1, int(trainer.world_size)))
    except TypeError:
        length = inf
    limit: Any = trainer.limit_train_batches
    if isinstance(limit, int):
        return min(length, limit)
    return length if length == inf else int(length * limit)
