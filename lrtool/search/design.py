"""A low-discrepancy sequence: points that fill the unit cube evenly, computed one by one."""

from typing import Any

import numpy as np

from lrtool.search.prior import FloatArray

__all__ = ["design_point"]


def design_point(index: int, dimensions: int, seed: int) -> FloatArray:
    """The `index`-th point of a scrambled Sobol sequence; any worker computes any point alone.

    Args:
        index: which point, from 0.
        dimensions: of the cube, at least 1.
        seed: of the scrambling.

    Returns:
        (dimensions,) numbers strictly between 0 and 1.

    References:
        Owen, "Scrambling Sobol' and Niederreiter-Xing points", Journal of Complexity 1998.

    >>> design_point(3, 2, seed=0).shape
    (2,)
    """
    import torch

    engine: Any = torch.quasirandom.SobolEngine(  # type: ignore[no-untyped-call]
        dimensions, scramble=True, seed=seed % 2**31
    )
    point = engine.fast_forward(index).draw(1, dtype=torch.float64)[0].numpy()
    return np.asarray(np.clip(point, 1e-9, 1 - 1e-9))
