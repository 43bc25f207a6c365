"""A Trainer's fit on whatever data a user may give, without a word and without a file.

Data is a LightningDataModule, what Lightning trains on (a loader, or a list or dict of several), or
a tuple of two: the training data and the validation data.
"""

import warnings
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from torch import Tensor
from torch.utils.data import Dataset, IterableDataset

from lrtool._check import require
from lrtool.callbacks._lightning import is_data_module
from lrtool.errors import ArgumentError

__all__ = ["QUIET", "copied_callbacks", "fit", "listed_callbacks", "validate"]

QUIET: dict[str, Any] = {
    "devices": 1,
    "num_sanity_val_steps": 0,
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
}


def listed_callbacks(trainer_kwargs: Mapping[str, Any]) -> list[Any]:
    """The callbacks among a Trainer's arguments, which take one, several or None."""
    given = trainer_kwargs.get("callbacks")
    if given is None:
        return []
    return list(given) if isinstance(given, list | tuple) else [given]


def copied_callbacks(trainer_kwargs: Mapping[str, Any]) -> list[Any]:
    """Copies of them, for one of several Trainers."""
    return deepcopy(listed_callbacks(trainer_kwargs))


def fit(trainer: Any, model: Any, data: Any, ckpt_path: Path | None = None) -> None:
    """Call `trainer.fit`.

    Args:
        trainer: of the same Lightning as `model`.
        model: a LightningModule.
        data: as above.
        ckpt_path: where to go on from.
    """
    if is_data_module(data):
        trainer.fit(model, datamodule=data, ckpt_path=ckpt_path)
    else:
        trainer.fit(model, *_pair(data), ckpt_path=ckpt_path)


def validate(trainer: Any, model: Any, data: Any) -> None:
    """Call `trainer.validate`, and print nothing."""
    if is_data_module(data):
        trainer.validate(model, datamodule=data, verbose=False)
    else:
        trainer.validate(model, _pair(data)[1], verbose=False)


def _pair(data: Any) -> tuple[Any, Any]:
    """Training and validation data. A list is several training loaders, as everywhere else."""
    if not isinstance(data, tuple):
        _check_loader(data)
        return data, None
    require(
        len(data) == 2,
        "data as a pair (training, validation)",
        "several training loaders go into a list or a dict",
        members=len(data),
    )
    train, val = data
    for part in (train, val):
        _check_loader(part)
    return train, val


def _check_loader(data: Any) -> None:
    """Refuse a tensor, and warn of a dataset: both are forgotten loaders.

    Raises:
        ArgumentError: for a tensor.
    """
    if isinstance(data, Tensor):
        raise ArgumentError(
            "data must come in batches, got a Tensor; "
            "give DataLoader(TensorDataset(x, y), batch_size=32)"
        )
    if isinstance(data, Dataset) and not isinstance(data, IterableDataset):
        warnings.warn(
            f"each item of the {type(data).__name__} is taken for a batch; unless it is one, give "
            "DataLoader(dataset, batch_size=32)",
            stacklevel=2,
        )
