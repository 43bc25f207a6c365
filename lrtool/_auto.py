"""The combined suggester."""

from dataclasses import dataclass

import numpy as np

from lrtool._reading import Reading
from lrtool._rules import drop, minimum, valley

__all__ = ["Estimate", "combine"]


@dataclass(frozen=True)
class Estimate:
    """A log10 LR with its uncertainty.

    Args:
        centre: log10 of the constant rate.
        peak: log10 of the cycle's peak.
        sd: standard deviation of the error, in decades.
        spread: how far apart the single rules are, in decades.
    """

    centre: float
    peak: float
    sd: float
    spread: float


def combine(reading: Reading, optimizer: str | None) -> Estimate:
    """Pool the rules."""
    votes = [minimum(reading) + 0.3, drop(reading), valley(reading)]
    centre = float(np.median(votes))
    spread = float(np.ptp(votes))
    return Estimate(centre, centre + 0.5, 0.3 + 0.3 * spread, spread)
