"""Training data cut into batches of another size."""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from typing import Any

from torch.utils.data import BatchSampler, DataLoader, IterableDataset

from lrtool._check import require
from lrtool.callbacks._lightning import is_data_module
from lrtool.callbacks._stand_in import stand_in
from lrtool.errors import UnsupportedError

__all__ = ["rebatched"]


@contextmanager
def rebatched(data: Any, batch_size: int) -> Iterator[Any]:
    """Lend `data` with its training examples in the same order, `batch_size` at a time.

    Args:
        data: a LightningDataModule, a training loader, or a pair (training, validation) of loaders.
        batch_size: examples in a batch.

    Raises:
        UnsupportedError: when the training data is no DataLoader, or brings its own batches.
        ArgumentError: when it holds fewer examples than one batch.
    """
    if is_data_module(data):
        with stand_in(data, "train_dataloader", lambda loader: _cut(loader, batch_size)):
            yield data
    elif isinstance(data, tuple):
        yield (_cut(data[0], batch_size), *data[1:])
    else:
        yield _cut(data, batch_size)


def _cut(loader: Any, batch_size: int) -> DataLoader[Any]:
    if not isinstance(loader, DataLoader) or loader.batch_size is None:
        found = "one with batches of its own" if isinstance(loader, DataLoader) else type(loader)
        raise UnsupportedError(
            "another batch size needs a torch DataLoader with a batch_size, got "
            f"{getattr(found, '__name__', found)}; measure each size with data of your own"
        )
    if not isinstance(loader.dataset, IterableDataset):
        rows = len(loader.sampler)  # type: ignore[arg-type]
        require(
            batch_size <= rows, "batch_size <= training examples",
            "leave the larger sizes out", batch_size=batch_size, examples=rows,
        )  # fmt: skip
    twin = copy(loader)
    batches = BatchSampler(loader.sampler, batch_size, loader.drop_last)
    vars(twin).update(batch_size=batch_size, batch_sampler=batches, _iterator=None)
    return twin
