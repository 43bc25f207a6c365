"""1,797 real handwritten digits, as scikit-learn ships them."""

import torch
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from lrtool._optional import optional_import

__all__ = ["digits"]

Loader = DataLoader[tuple[Tensor, ...]]


def digits(*, seed: int = 0, batch_size: int = 64) -> tuple[Loader, Loader]:
    """Training and validation loaders: four fifths and one fifth of the images, stratified.

    Args:
        seed: of the split and of the order of the training batches.
        batch_size: images a batch.

    Returns:
        (train, val); an image is (1, 8, 8) in [0, 1], a label 0 to 9.
    """
    purpose = "the demo's data"
    datasets = optional_import("sklearn.datasets", extra="demo", purpose=purpose)
    selection = optional_import("sklearn.model_selection", extra="demo", purpose=purpose)
    bundle = datasets.load_digits()
    x = torch.tensor(bundle.images, dtype=torch.float32)[:, None] / 16
    y = torch.tensor(bundle.target, dtype=torch.long)
    train, val = selection.train_test_split(
        torch.arange(len(y)), test_size=0.2, random_state=seed, stratify=y
    )
    order = torch.Generator().manual_seed(seed)
    return (
        DataLoader(
            TensorDataset(x[train], y[train]), batch_size, shuffle=True, drop_last=True,
            generator=order,
        ),
        DataLoader(TensorDataset(x[val], y[val]), 512),
    )  # fmt: skip
