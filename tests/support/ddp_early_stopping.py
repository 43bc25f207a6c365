"""Run by a test in two processes: each rank writes what it saw to OUT/rankN.json."""

import json
import os
import sys
from math import nan
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
from pytorch_lightning.callbacks import ModelCheckpoint

from lrtool.callbacks import EarlyStopping, ParamScheduler
from lrtool.schedules import sgdr
from support.scripted import loader, same_weights, scripted, trainer_of, weights_of

SCRIPT = [1.0, 0.8, 0.5, 0.7, 0.6, 0.55, 0.4, 0.3]
# The ranks' best checks differ: the 3rd on one, the 4th on the other; by their mean it is the 3rd.
UNLIKE = ([1.0, 0.5, 0.1, 0.9, 0.9, 0.9, 0.9, 0.9], [1.0, 0.9, 0.8, 0.05, 0.7, 0.7, 0.7, 0.7])


def run(
    out: Path, name: str, script: Any, shift: float = 0.0, resume: str | None = None, **options: Any
) -> dict[str, Any]:
    options = {"monitor": "val_loss", "patience": 2, "restore_best": True, **options}
    callbacks: list[Any] = [EarlyStopping(**options)]
    stopper = callbacks[0]
    model = scripted(script, rank_shift=shift)
    if name == "rank_zero_only":
        log = model.log
        model.log = lambda key, *args, **kwargs: (
            None if key == "val_loss" and model.global_rank else log(key, *args, **kwargs)
        )
    if name in ("shuffled", "cycles"):
        model.on_validation_epoch_end = lambda: disagree(model)
    if name == "steps":
        model.on_train_start = lambda: disagree_on_steps(model)
    if name == "cycles":  # of two epochs each
        callbacks.append(ParamScheduler(lr=sgdr(max_lr=0.01, T_0=8)))
    trainer = trainer_of(
        callbacks, strategy="ddp", devices=2, num_nodes=1, max_epochs=12, default_root_dir=out
    )
    trainer.fit(model, loader(8), loader(2), ckpt_path=resume, weights_only=True)
    best = int(stopper.best_epoch or 0)
    return {
        "steps": trainer.global_step,
        "best": stopper.best_value,
        "best_epoch": stopper.best_epoch,
        "reason": stopper.stopping_reason.value,
        "restored": 0 < best <= len(model.weights_at)
        and same_weights(weights_of(model), model.weights_at[best - 1]),
        "weights": [float(p.detach().double().sum()) for p in model.parameters()],
        "mean": float(model.net[1].running_mean.double().sum()),
        "snapshots": [[one.cycle, one.value, one.step] for one in stopper.snapshots],
    }


def saved_after_epoch_4(out: Path) -> str:
    """The checkpoint of a run that ended there; its best check was the third."""
    checkpoint = ModelCheckpoint(out / "saved", filename="{epoch}", save_top_k=-1)
    trainer = trainer_of(
        [EarlyStopping("val_loss", patience=2, restore_best=True), checkpoint],
        strategy="ddp", devices=2, num_nodes=1, max_epochs=4, enable_checkpointing=True,
    )  # fmt: skip
    trainer.fit(scripted(SCRIPT), loader(8), loader(2))
    return str(out / "saved" / "epoch=3.ckpt")


def disagree(model: Any) -> None:
    if model.trainer.sanity_checking:
        return
    model.log("val_loss", UNLIKE[model.global_rank][min(model.validations, 7)])
    model.validations += 1
    model.weights_at.append(weights_of(model))


def disagree_on_steps(model: Any) -> None:
    """One value for every two steps."""
    model.train_script = [value for value in UNLIKE[model.global_rank] for _ in range(2)]


def main() -> None:
    out = Path(sys.argv[1])
    torch.set_num_threads(1)
    results = {
        "synced": run(out, "synced", SCRIPT),
        "shifted": run(out, "shifted", SCRIPT, shift=0.5, stopping_threshold=0.45),
        "shuffled": run(out, "shuffled", SCRIPT),
        "rank_zero_only": run(out, "rank_zero_only", SCRIPT),
        "nan_on_one": run(out, "nan_on_one", [1.0, 0.5, 0.4], shift=nan),
        "steps": run(out, "steps", SCRIPT, monitor="train_metric", every_n_train_steps=2),
        "cycles": run(out, "cycles", SCRIPT, patience="1cycle", snapshots=3),
        "resumed": run(out, "resumed", SCRIPT, resume=saved_after_epoch_4(out)),
        "checkpoint": run(out, "checkpoint", SCRIPT, keep_best="checkpoint", dirpath=out),
    }
    rank = os.environ.get("LOCAL_RANK", "0")
    (out / f"rank{rank}.json").write_text(json.dumps(results), encoding="utf-8")


if __name__ == "__main__":
    main()
