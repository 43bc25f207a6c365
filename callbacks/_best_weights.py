"""Keeping a model's best weights, in memory or in a file, and giving them back bit for bit."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import torch
from torch import Tensor, nn

from lrtool.errors import UnsupportedError

if TYPE_CHECKING:
    from lrtool.callbacks._lightning import LightningModule, Trainer

__all__ = ["BestWeights", "KeepBest", "copy_tensors", "write_tensors"]

KeepBest: TypeAlias = Literal["cpu", "device", "checkpoint"]


class BestWeights:
    """The weights and buffers of one moment of a training.

    Args:
        keep: "cpu" holds copies in host memory, "device" beside the originals, "checkpoint" in a
            checkpoint file of Lightning's, which holds persistent buffers only.
        with_optimizer: keep the optimizers' state too; in memory only.
        dirpath: where the file goes; by default the Trainer's root folder.
    """

    def __init__(self, keep: KeepBest, with_optimizer: bool, dirpath: str | Path | None) -> None:
        self._keep = keep
        self._with_optimizer = with_optimizer
        self._dirpath = dirpath
        self.clear()

    def clear(self) -> None:
        """Forget what is kept."""
        self._tensors: dict[str, Tensor] = {}
        self._optimizers: list[Any] = []
        self.path: str | None = None

    def __bool__(self) -> bool:
        return bool(self._tensors or self.path)

    def keep(self, trainer: "Trainer", module: "LightningModule") -> None:
        """Remember the weights as they are now."""
        if self._keep == "checkpoint":
            self._save(trainer)
            return
        self._tensors = copy_tensors(module, self._keep)
        if self._with_optimizer:
            states = [optimizer.state_dict() for optimizer in trainer.optimizers]
            self._optimizers = [_copied(state, self._keep) for state in states]

    def restore(self, trainer: "Trainer", module: "LightningModule") -> None:
        """Write what is kept into `module` and the optimizers."""
        if self.path is not None:
            saved = torch.load(self.path, map_location="cpu", weights_only=False)["state_dict"]
            module.load_state_dict(saved)
        else:
            write_tensors(module, self._tensors)
        for optimizer, state in zip(trainer.optimizers, self._optimizers, strict=False):
            optimizer.load_state_dict(_copied(state, self._keep))

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint of the training has to hold."""
        return {
            "tensors": _copied(self._tensors, "cpu"),
            "optimizers": _copied(self._optimizers, "cpu"),
            "path": self.path,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` gave."""
        self._tensors = dict(state["tensors"])
        self._optimizers = list(state["optimizers"])
        self.path = state["path"]

    def _save(self, trainer: "Trainer") -> None:
        folder = Path(self._dirpath or trainer.default_root_dir)
        old, new = self.path, str(folder / f"best-step={trainer.global_step}.ckpt")
        trainer.save_checkpoint(new, weights_only=True)
        self.path = new
        if old is not None and old != new:
            trainer.strategy.remove_checkpoint(old)


def copy_tensors(module: nn.Module, where: str = "cpu") -> dict[str, Tensor]:
    """Copies of every parameter and buffer of `module`, non-persistent ones included, by name."""
    with torch.no_grad():
        return {
            name: tensor.detach().clone() if where == "device" else _to_cpu(tensor.detach())
            for name, tensor in _tensors(module)
        }


def write_tensors(module: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Write copies back into the same tensors.

    Raises:
        UnsupportedError: when parameters or buffers were added, removed or reshaped since.
    """
    live = dict(_tensors(module))
    changed = sorted(live.keys() ^ tensors.keys()) or [
        name for name, tensor in live.items() if tensor.shape != tensors[name].shape
    ]
    if changed:
        raise UnsupportedError(
            "the model must have the same parameters and buffers as when its best weights were "
            f"kept, got changes in {', '.join(changed[:5])}; use keep_best='checkpoint'"
        )
    with torch.no_grad():
        for name, tensor in live.items():
            tensor.copy_(tensors[name])


def _tensors(module: nn.Module) -> Iterable[tuple[str, Tensor]]:
    yield from module.named_parameters()
    yield from module.named_buffers()


def _to_cpu(tensor: Tensor) -> Tensor:
    return tensor.to("cpu", copy=True)


def _copied(value: Any, where: str) -> Any:
    """A copy of nested dicts and lists whose tensors are copies too."""
    if isinstance(value, Tensor):
        return value.detach().clone() if where == "device" else _to_cpu(value.detach())
    if isinstance(value, dict):
        return {key: _copied(item, where) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_copied(item, where) for item in value)
    return value
