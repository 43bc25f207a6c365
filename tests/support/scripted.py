"""A model whose validation metrics are read off a script, in either Lightning."""

from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from support.tiny import silent_trainer

NAMESPACES = ("pytorch_lightning", "lightning.pytorch")


def scripted(
    script: Sequence[float] | Mapping[str, Sequence[float]],
    namespace: str = "pytorch_lightning",
    **options: Any,
) -> Any:
    """A LightningModule that logs the script's values, one a validation; the last one holds.

    Its weights (with BatchNorm, dropout and a non-persistent buffer) change at every step.

    Args:
        script: values of "val_loss", or of several metrics.
        namespace: which Lightning.
        options: see `Scripted`.
    """
    base: Any = import_module(namespace).LightningModule
    scripts = script if isinstance(script, Mapping) else {"val_loss": script}

    class Scripted(base):  # type: ignore[misc]
        def __init__(
            self, schedulers: Any = None, rank_shift: float = 0.0, train_script: Any = None
        ) -> None:
            super().__init__()
            self.net = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
            self.register_buffer("seen", torch.zeros(()), persistent=False)
            self.schedulers, self.rank_shift, self.train_script = (
                schedulers,
                rank_shift,
                train_script,
            )
            self.validations = 0
            self.weights_at: list[dict[str, Tensor]] = []

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.net(x)
            return out

        def training_step(self, batch: Sequence[Tensor], batch_idx: int) -> Tensor:
            self.seen += 1
            if self.train_script is not None:
                value = self.train_script[min(self.trainer.global_step, len(self.train_script) - 1)]
                self.log("train_metric", value, on_step=True, on_epoch=False)
            loss: Tensor = self(batch[0]).square().mean()
            self.log("train_loss", loss, on_step=False, on_epoch=True)
            return loss

        def validation_step(self, batch: Sequence[Tensor], batch_idx: int) -> None:
            pass

        def on_validation_epoch_end(self) -> None:
            if self.trainer.sanity_checking:
                return
            for name, values in scripts.items():
                value = float(values[min(self.validations, len(values) - 1)])
                value += self.rank_shift * self.global_rank
                self.log(name, torch.tensor(value, dtype=torch.float64))
            self.validations += 1
            self.weights_at.append(weights_of(self))

        def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
            checkpoint["validations"] = self.validations

        def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
            self.validations = checkpoint["validations"]

        def configure_optimizers(self) -> Any:
            optimizer = torch.optim.SGD(self.parameters(), lr=0.01, momentum=0.9)
            if self.schedulers is None:
                return optimizer
            return [optimizer], [self.schedulers(optimizer)]

    torch.manual_seed(0)
    return Scripted(**options)


def weights_of(module: nn.Module) -> dict[str, Tensor]:
    """Every parameter and buffer, copied."""
    tensors = [*module.named_parameters(), *module.named_buffers()]
    return {name: tensor.detach().clone() for name, tensor in tensors}


def same_weights(one: Mapping[str, Tensor], two: Mapping[str, Tensor]) -> bool:
    """Bit for bit."""
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


def loader(batches: int = 4) -> DataLoader[Any]:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(4 * batches, 4, generator=generator)
    return DataLoader(TensorDataset(x), batch_size=4)


class Stream(torch.utils.data.IterableDataset[tuple[Tensor, ...]]):
    """Rows without end and without length."""

    def __iter__(self) -> Any:
        generator = torch.Generator().manual_seed(0)
        while True:
            yield (torch.randn(4, generator=generator),)


def stream() -> DataLoader[Any]:
    return DataLoader(Stream(), batch_size=4)


def trainer_of(
    callbacks: Iterable[Any], namespace: str = "pytorch_lightning", **options: Any
) -> Any:
    lightning = import_module(namespace)
    return silent_trainer(lightning, callbacks=list(callbacks), **{"max_epochs": 20, **options})
