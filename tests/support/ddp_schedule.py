"""Run as a script on two processes by test_schedule_ddp.py: FOLDER.

Each rank writes the rates its optimizer steps used to FOLDER/rankN.json.
"""

import json
import sys
import warnings
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
from pytorch_lightning import Callback

from lrtool.callbacks import LRRangeTest, OneCycleScheduler, PlateauScheduler, SGDRScheduler
from support.recorder import Recorder
from support.tiny import TinyModel, tiny_loader, tiny_trainer

warnings.simplefilter("ignore")
torch.set_num_threads(1)
SAVED_AT = 7


class Model(TinyModel):
    """Logs a validation loss that each rank sees otherwise; with `shy`, one rank alone logs it."""

    shy = False

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        if self.global_rank == 0 or not self.shy:
            mine = ([1.0, 1.1, 0.9, 0.9], [1.0, 0.5, 0.9, 0.9])[self.global_rank]
            self.log("val_loss", torch.tensor(mine[self.current_epoch]))


class Saver(Callback):
    def __init__(self, file: Path) -> None:
        self.file = file

    def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
        if trainer.global_step == SAVED_AT:
            trainer.save_checkpoint(self.file)


def fit(*callbacks: Any, shy: bool = False, ckpt: Path | None = None, **options: Any) -> Any:
    torch.manual_seed(0)
    recorder, model = Recorder(), Model()
    model.shy = shy
    trainer = tiny_trainer(
        callbacks=[*callbacks, recorder], strategy="ddp", devices=2, max_epochs=4,
        num_sanity_val_steps=0, **options,
    )  # fmt: skip
    trainer.fit(model, tiny_loader(rows=60, batch_size=4), tiny_loader(8), ckpt_path=ckpt)
    return {"lr": recorder.lr, "momentum": recorder.momentum, "steps": trainer.global_step}


def main() -> None:
    folder = Path(sys.argv[1])
    file = folder / "middle.ckpt"
    found = {
        "one_cycle": fit(OneCycleScheduler(max_lr=0.1), Saver(file), accumulate_grad_batches=2),
        "resumed": fit(OneCycleScheduler(max_lr=0.1), ckpt=file, accumulate_grad_batches=2),
        "measured": fit(LRRangeTest(num_steps=20), SGDRScheduler()),
        "plateau": fit(PlateauScheduler(lr=0.1, patience=0, threshold=0.0)),
        "shy plateau": fit(PlateauScheduler(lr=0.1, patience=0, threshold=0.0), shy=True),
    }
    rank = torch.distributed.get_rank()
    (folder / f"rank{rank}.json").write_text(json.dumps(found))
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()
