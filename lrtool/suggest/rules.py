"""The single rules: each reads one log10 LR off a Reading."""

from bisect import bisect_left

import numpy as np

from lrtool.curve import FloatArray
from lrtool.suggest.reading import Reading

__all__ = ["RULES", "drop", "minimum", "slide", "steepest", "valley"]


def steepest(reading: Reading) -> float:
    r"""Where the loss falls fastest: argmin of d loss / d log10 LR, before the minimum.

    The slope is that of a line fitted over a window of half a decade (+- one standard deviation).

    References:
        Smith, "Cyclical learning rates for training neural networks", WACV 2017, section 3.3;
        Gugger, "How do you find a good learning rate", 2018.
    """
    return float(reading.x[np.argmin(reading.slope[: reading.lowest + 1])])


def minimum(reading: Reading) -> float:
    """A tenth of the rate of the lowest smoothed loss (Howard and Gugger, fastai, 2018)."""
    return float(reading.x[reading.lowest]) - 1.0


def drop(reading: Reading, share: float = 0.4) -> float:
    """Where the loss, on its way to the minimum, has come down by `share` of its whole fall."""
    level = reading.base - share * reading.drop
    above = np.flatnonzero(reading.value[: reading.lowest + 1] > level)
    return float(reading.x[above[-1] if len(above) else 0])


def valley(reading: Reading) -> float:
    """The middle of the longest falling run: the longest strictly falling subsequence.

    References:
        The rule fastai calls valley (2021), there on the raw moving average and in O(n^2).
    """
    first, last = longest_fall(reading.value)
    return float(0.5 * (reading.x[first] + reading.x[last]))


def slide(reading: Reading) -> float:
    """The largest rate at which the loss still falls at half its steepest slope.

    References:
        After the rule fastai calls slide (2021): come down from the right until the slope calms.
    """
    falling = reading.slope[: reading.lowest + 1]
    steep = np.flatnonzero(falling <= 0.5 * falling.min())
    return float(reading.x[steep[-1] if len(steep) else np.argmin(falling)])


def longest_fall(values: FloatArray) -> tuple[int, int]:
    """First and last index of the longest strictly falling subsequence, in O(n log n)."""
    tails: list[float] = []  # smallest last element of a rising run of -values, by length
    heads: list[int] = []  # where the best run of each length begins
    best = (0, 0)
    for index, value in enumerate((-values).tolist()):
        length = bisect_left(tails, value)
        head = heads[length - 1] if length else index
        if length == len(tails):
            tails.append(value)
            heads.append(head)
            best = (head, index)
        else:
            tails[length], heads[length] = value, head
    return best


RULES = {
    "steepest": steepest,
    "valley": valley,
    "minimum": minimum,
    "slide": slide,
    "drop": drop,
}
