"""Keeping a model's best weights, in memory or in a file, and giving them back bit for bit."""

from collections.abc import Mapping
from itertools import chain, count
from pathlib import Path
from typing import Any, Literal, TypeAlias

import torch

from lrtool._check import one_of
from lrtool.callbacks._lightning import LightningModule, Trainer, callbacks_of, is_a
from lrtool.errors import UnsupportedError
from lrtool.weights import Weights, copy_tensor, copy_weights, map_tensors, write_weights

__all__ = ["BestWeights", "KeepBest", "refuse_unkeepable"]

KeepBest: TypeAlias = Literal["cpu", "device", "checkpoint"]

_SHARDED = ("FSDPStrategy", "DeepSpeedStrategy", "ModelParallelStrategy")


class BestWeights:
    """The weights and buffers of one moment of a training.

    Args:
        keep: "cpu" holds copies in host memory, "device" beside the originals, "checkpoint" in a
            checkpoint file of Lightning's, which holds persistent buffers only.
        with_optimizer: keep the optimizers' state too; in memory only.
        dirpath: where the file goes; by default the Trainer's root folder.
    """

    def __init__(self, keep: KeepBest, with_optimizer: bool, dirpath: str | Path | None) -> None:
        one_of("keep_best", keep, ("cpu", "device", "checkpoint"))
        self._device = None if keep == "device" else "cpu"
        self._in_file = keep == "checkpoint"
        self._with_optimizer = with_optimizer
        self._dirpath = dirpath
        self.clear()

    def clear(self) -> None:
        """Forget what is kept."""
        self._weights: Weights = {}
        self._optimizers: list[Any] = []
        self.path: str | None = None

    def __bool__(self) -> bool:
        return bool(self._weights or self.path)

    def keep(self, trainer: Trainer, module: LightningModule) -> None:
        """Remember the weights as they are now."""
        if self._in_file:
            self._save(trainer)
        else:
            self._weights = copy_weights(module, self._device)
        if self._with_optimizer:
            states = [optimizer.state_dict() for optimizer in trainer.optimizers]
            self._optimizers = [_copied(state, self._device) for state in states]

    def restore(self, trainer: Trainer, module: LightningModule) -> None:
        """Write what is kept into `module` and the optimizers."""
        if self.path is not None:
            saved = torch.load(self.path, map_location="cpu", weights_only=False)
            module.load_state_dict(saved["state_dict"], strict=module.strict_loading)
        else:
            write_weights(module, self._weights)
        for optimizer, state in zip(trainer.optimizers, self._optimizers, strict=False):
            optimizer.load_state_dict(_copied(state, None))

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint of the training has to hold."""
        return {"weights": self._weights, "optimizers": self._optimizers, "path": self.path}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` gave."""
        self._weights = dict(state["weights"])
        self._optimizers = list(state["optimizers"])
        self.path = state["path"]

    def _save(self, trainer: Trainer) -> None:
        folder = Path(self._dirpath or trainer.default_root_dir)
        new = _free(folder, f"best-step={trainer.global_step}")
        old, new = self.path, trainer.strategy.broadcast(new)
        trainer.save_checkpoint(new, weights_only=True)
        self.path = new
        if old is not None:
            trainer.strategy.remove_checkpoint(old)


def refuse_unkeepable(trainer: Trainer) -> None:
    """Refuse, before the first step, weights that are not the checked ones, or not whole."""
    if is_a(trainer.strategy, *_SHARDED):
        raise UnsupportedError(
            "keeping the best weights needs them whole on every rank, got "
            f"{type(trainer.strategy).__name__}; use Lightning's ModelCheckpoint with this "
            "strategy, and EarlyStopping with restore_best=False"
        )
    for callback in callbacks_of(trainer):
        if is_a(callback, "WeightAveraging", "StochasticWeightAveraging"):
            raise UnsupportedError(
                "either averaged or best weights can be what a training leaves, got "
                f"{type(callback).__name__} beside restore_best or snapshots; remove one of the two"
            )


def _free(folder: Path, name: str) -> str:
    """A file that is not there yet: another callback, or an earlier training, may have its own."""
    names = chain([name], (f"{name}-v{version}" for version in count(1)))
    paths = (folder / f"{one}.ckpt" for one in names)
    return str(next(path for path in paths if not path.exists()))


def _copied(state: Any, device: str | None) -> Any:
    """A copy of an optimizer's state whose tensors are copies too."""
    return map_tensors(state, lambda tensor: copy_tensor(tensor, device))
