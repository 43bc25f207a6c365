"""Records what each optimizer step really used."""

from collections.abc import Sequence

import pytorch_lightning as pl
from torch.optim import Optimizer

from lrtool import param_groups


class Recorder(pl.Callback):
    """Rate, momentum and weight decay of every group, at the moment the optimizer steps."""

    def __init__(self) -> None:
        self.steps: list[int] = []
        self.lr: list[list[float | None]] = []
        self.momentum: list[list[float | None]] = []
        self.weight_decay: list[list[float | None]] = []

    def on_before_optimizer_step(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: Optimizer
    ) -> None:
        self.steps.append(trainer.global_step)
        self.lr.append(param_groups.get_all(optimizer, "lr"))
        self.momentum.append(param_groups.get_all(optimizer, "momentum"))
        self.weight_decay.append(param_groups.get_all(optimizer, "weight_decay"))

    def first(self, knob: str = "lr") -> list[float | None]:
        """The first group's values."""
        rows: Sequence[Sequence[float | None]] = getattr(self, knob)
        return [row[0] for row in rows]
