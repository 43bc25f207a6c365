"""The combined suggester: what the basin of the loss says, weighed with what is usual.

Every constant here was set on the development tasks of benchmarks/tasks.py ("dev" and "extra"),
never on the half that is reported.
"""

from dataclasses import dataclass

import numpy as np

from lrtool.suggest.reading import Reading

__all__ = ["Estimate", "combine"]

BASIN_WIDTH = 2.0  # decades of a basin that count: flatter ones say nothing about their far side
BELOW_BASIN = 0.4  # decades from the middle of the basin down to the best constant rate
PEAK_ABOVE = 0.4  # decades from the best constant rate up to the best peak of a cycle
NOISE_WEIGHT = 1.5  # decades down for every unit of noise-to-drop ratio above 0.1
REFERENCE_DENSITY = 80.0  # steps per decade at which the offsets hold
HASTE_WEIGHT = 0.4  # decades down for every factor 10 fewer steps per decade
BELOW_DIVERGENCE = 0.75  # decades from divergence down to the best constant rate, without descent
DETECTION_LAG = 5  # steps until divergence is noticed
DESCENT = 2.5  # standard deviations above which a descent is believed at all

# log10 of the usual best constant rate and its standard deviation, by class name. Only optimizers
# whose steps do not scale with the gradient have one: for others it depends on the loss's units.
USUAL = {
    "Adagrad": (-1.2, 0.6),
    **dict.fromkeys(("Adam", "AdamW", "Adamax", "NAdam", "RAdam", "RMSprop"), (-2.3, 0.6)),
}


# The 80% interval in standard deviations: the best rate is more often missed upwards.
INTERVAL = (-1.5, 2.2)


@dataclass(frozen=True)
class Estimate:
    """A log10 LR with its uncertainty.

    Args:
        centre: log10 of the constant rate.
        peak: log10 of the cycle's peak.
        sd: standard deviation of the measurement's error, in decades.
    """

    centre: float
    peak: float
    sd: float

    @property
    def interval(self) -> tuple[float, float]:
        """log10 of the ends between which the best constant rate lies in 80% of cases."""
        low, high = INTERVAL
        return self.centre + low * self.sd, self.centre + high * self.sd


def combine(reading: Reading, diverged: bool, optimizer: str | None) -> Estimate:
    """The estimate the curve supports, pulled towards the optimizer's usual rate."""
    if diverged and reading.signal < DESCENT:
        return _from_divergence(reading, optimizer)
    return _shrink(_from_basin(reading), optimizer)


def _from_basin(reading: Reading) -> Estimate:
    """The middle of the basin, less an offset that grows with noise and with haste.

    The basin is where the smoothed loss has at least 80% of its whole drop. Its middle lies too
    high for a long training: noise is forgiven for a few steps and not for many, and a fast sweep
    passes its best rates before they show.
    """
    near = reading.falls_by(0.8)
    middle = 0.5 * (near + min(reading.rises_by(0.2), near + BASIN_WIDTH))
    noise = NOISE_WEIGHT * float(np.clip(reading.roughness - 0.1, 0.0, 0.4))
    haste = HASTE_WEIGHT * max(0.0, float(np.log10(REFERENCE_DENSITY / reading.density)))
    centre = middle - BELOW_BASIN - noise - haste
    return Estimate(centre, centre + PEAK_ABOVE, 0.35 + 0.5 * haste + 0.3 * noise)


def _from_divergence(reading: Reading, optimizer: str | None) -> Estimate:
    """A fixed distance below divergence, for losses that never fell while the rate rose."""
    edge = reading.end - DETECTION_LAG / reading.density
    centre = float(np.fmin(edge, reading.onset)) - BELOW_DIVERGENCE
    if optimizer in USUAL:
        centre = min(centre, USUAL[optimizer][0])
    return Estimate(centre, centre + 0.25, 0.6)


def _shrink(guess: Estimate, optimizer: str | None) -> Estimate:
    """Pull a guess to the optimizer's usual rate by precision, and less the farther it lies."""
    if optimizer not in USUAL:
        return guess
    usual, spread = USUAL[optimizer]
    total = guess.sd**2 + spread**2
    distance = guess.centre - usual
    weight = guess.sd**2 / total * float(np.exp(-0.25 * distance**2 / total))
    return Estimate(guess.centre - weight * distance, guess.peak - weight * distance, guess.sd)
