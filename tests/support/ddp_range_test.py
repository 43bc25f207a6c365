"""Run as a script on two processes by test_range_test_ddp.py: NAMESPACE FOLDER.

Each rank writes what it saw to FOLDER/rankN.json.
"""

import json
import logging
import os
import sys
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from lrtool.callbacks import LRRangeTest

warnings.simplefilter("ignore")
torch.set_num_threads(1)
lightning: Any = import_module(sys.argv[1])
logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)


Place = tuple[int, int] | None
LOSSES: list[float] = []


class Model(lightning.LightningModule):  # type: ignore[misc]
    """Keeps each rank's own losses; (rank, call) says where one is NaN, or asks for a stop."""

    def __init__(self, nan_at: Place = None, stop_at: Place = None) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.1), nn.Linear(8, 1)
        )
        self.nan_at, self.stop_at = nan_at, stop_at
        self.losses: list[float] = []

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        x, y = batch
        loss = nn.functional.mse_loss(self.net(x), y)
        here = (self.global_rank, len(self.losses))
        if self.nan_at == here:
            loss = loss * float("nan")
        if self.stop_at == here:
            self.trainer.should_stop = True
        self.losses.append(float(loss.detach()))
        LOSSES.append(self.losses[-1])
        self.log("loss", loss, sync_dist=True)
        return loss

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=0.05, momentum=0.9)


def fit(*callbacks: Any, nan_at: Place = None, stop_at: Place = None, **options: Any) -> Any:
    LOSSES.clear()
    torch.manual_seed(0)
    model = Model(nan_at, stop_at)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(64, 4, generator=generator)
    data = DataLoader(TensorDataset(x, x.sum(1, keepdim=True)), 4, shuffle=True)
    trainer = lightning.Trainer(
        accelerator="cpu",
        devices=2,
        strategy="ddp",
        max_epochs=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=list(callbacks),
        **options,
    )
    torch.manual_seed(100 + trainer.global_rank)
    trainer.fit(model, data)
    return trainer, model


def finder(**options: Any) -> LRRangeTest:
    return LRRangeTest(
        **{"min_lr": 1e-5, "max_lr": 10.0, "num_steps": 40, "apply": False, **options}
    )


def seen(test: LRRangeTest) -> dict[str, Any]:
    assert test.result is not None
    return {**test.result.to_dict(), "local": list(LOSSES)}


def weights(trainer: Any, model: Any) -> list[float]:
    flat = [p.detach().flatten() for p in model.parameters()]
    flat += [b.flatten().float() for b in model.buffers()]
    return [float(x) for x in torch.cat(flat)] + [float(trainer.callback_metrics["loss"])]


def main() -> None:
    found: dict[str, Any] = {}
    test = finder()
    found["without"] = weights(*fit())
    trainer, model = fit(test)
    found["with"] = weights(trainer, model)
    found["sweep"] = seen(test)
    test = finder(early_stop=None, num_steps=10, max_lr=0.01)
    fit(test, accumulate_grad_batches=3)
    found["accumulated"] = seen(test)
    test = finder()
    fit(test, nan_at=(1, 7), limit_train_batches=3)
    found["nan"] = seen(test)
    test = finder(then="stop")  # in training a stop on one rank alone would hang, finder or not
    fit(test, stop_at=(1, 5))
    found["stopped"] = seen(test)
    test = finder(apply=True, suggester="minimum")
    trainer, _ = fit(test)
    found["applied"] = [trainer.optimizers[0].param_groups[0]["lr"], seen(test)["applied"]]
    path = Path(sys.argv[2]) / f"rank{trainer.global_rank}.json"
    path.write_text(json.dumps(found))
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    os.environ.setdefault("PL_GLOBAL_SEED", "1")
    main()
