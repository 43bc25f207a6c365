"""The combined suggester: what the basin of the loss says, weighed with what is usual.

Every constant here was set on development tasks of benchmarks/tasks.py, never on the half that is
reported.
"""

from dataclasses import dataclass
from math import inf, nan

import numpy as np

from lrtool.suggest.reading import Reading

__all__ = ["Estimate", "combine"]

BASIN_WIDTH = 1.4  # decades: a wider basin is flat, and its middle says nothing
PEAK_SHARE = 0.5  # of the basin's width: a cycle's peak no more than that above the constant rate
REFERENCE_DENSITY = 80.0  # steps per decade at which the offsets hold
HASTE_WEIGHT = 0.4  # decades down for every factor 10 fewer steps per decade
BELOW_DIVERGENCE = 0.65  # decades from divergence down to the best constant rate
PEAK_ABOVE_THAT = 0.25  # and up again to the best peak of a cycle: the edge is near
DETECTION_LAG = 5  # steps until divergence is noticed
DESCENT = 2.5  # standard deviations above which a descent is believed at all
DEEP, SHALLOW = 0.35, 0.5  # noise-to-drop ratio up to which a descent counts, and from which not


@dataclass(frozen=True)
class Habit:
    """What is known of an optimizer before anything is measured.

    Where steps scale with the gradient the best rate depends on the loss's units: a usual rate
    without a finite spread draws nothing towards it, and only says where in a flat to stay.

    Args:
        usual: log10 of the usual best constant rate.
        spread: its standard deviation, in decades.
        share: of the basin's width, from its lower end: where it is read.
        below: decades from there down to the best constant rate.
        above: decades from the best constant rate up to the best peak of a cycle.
        noise: decades down for every unit of noise-to-drop ratio above 0.1.
    """

    usual: float = nan
    spread: float = inf
    share: float = 0.7
    below: float = 0.4
    above: float = 0.4
    noise: float = 1.5


# Steps of full size from the first one on ask for a lower constant rate; a cycle warms up first.
ADAPTIVE = Habit(usual=-2.1, spread=0.4, share=0.6, below=0.5, above=0.5, noise=0.75)
HABITS = {
    "Adagrad": Habit(usual=-0.9, spread=0.9),
    "SGD": Habit(usual=-1.5),
    **dict.fromkeys(("Adam", "AdamW", "Adamax", "NAdam", "RAdam", "RMSprop"), ADAPTIVE),
}
UNKNOWN = Habit()

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
    """The estimate the curve supports, pulled towards the optimizer's usual rate.

    Plain descent often falls a little and then rests on a plateau that only much higher rates
    leave. A descent that hardly stands out of the noise is therefore believed in part, and the
    rest of the belief goes to a rate below divergence.
    """
    habit = HABITS.get(optimizer or "", UNKNOWN)
    basin = _shrink(_from_basin(reading, habit), habit)
    if not diverged:
        return basin
    edge = _shrink(_from_divergence(reading), habit)
    if reading.signal < DESCENT:
        return edge
    if habit.spread < inf:
        return basin
    doubt = float(np.clip((reading.roughness - DEEP) / (SHALLOW - DEEP), 0.0, 1.0))
    return _mix(basin, edge, doubt)


def _from_basin(reading: Reading, habit: Habit) -> Estimate:
    """A little above the middle of the basin, less an offset that grows with noise and with haste.

    The basin is where the smoothed loss has at least 80% of its whole drop. Its middle lies too
    high for a long training: noise is forgiven for a few steps and not for many, and a fast sweep
    passes its best rates before they show. In a flat, all rates far enough from its ends are as
    good: the one nearest to the usual rate, or else the lowest. Where the basin is narrow the peak
    of a cycle must stay near.
    """
    near, far = reading.falls_by(0.8), reading.rises_by(0.2)
    width = far - near
    inside = min(width, BASIN_WIDTH)
    lowest, highest = near + habit.share * inside, far - (1 - habit.share) * inside
    within = float(np.fmin(np.fmax(habit.usual + habit.below, lowest), highest))
    noise = habit.noise * float(np.clip(reading.roughness - 0.1, 0.0, 0.4))
    haste = _haste(reading)
    centre = within - habit.below - noise - haste
    peak = centre + min(habit.above, PEAK_SHARE * width)
    return Estimate(centre, peak, 0.3 + 0.3 * haste + 0.8 * noise)


def _from_divergence(reading: Reading) -> Estimate:
    """A fixed distance below divergence, for losses that hardly fell while the rate rose."""
    haste = _haste(reading)
    edge = float(np.fmin(reading.end - DETECTION_LAG / reading.density, reading.onset))
    centre = edge - BELOW_DIVERGENCE - haste
    return Estimate(centre, centre + PEAK_ABOVE_THAT, 0.6 + 2.0 * haste)


def _haste(reading: Reading) -> float:
    """Decades by which everything shows too late in a sweep this fast."""
    return HASTE_WEIGHT * max(0.0, float(np.log10(REFERENCE_DENSITY / reading.density)))


def _mix(one: Estimate, other: Estimate, share: float) -> Estimate:
    """`share` of the other, the rest of the one."""
    return Estimate(
        one.centre + share * (other.centre - one.centre),
        one.peak + share * (other.peak - one.peak),
        one.sd + share * (other.sd - one.sd),
    )


def _shrink(guess: Estimate, habit: Habit) -> Estimate:
    """Pull a guess to the optimizer's usual rate by precision, and less the farther it lies."""
    if habit.spread == inf:
        return guess
    total = guess.sd**2 + habit.spread**2
    distance = guess.centre - habit.usual
    weight = guess.sd**2 / total * float(np.exp(-0.25 * distance**2 / total))
    return Estimate(guess.centre - weight * distance, guess.peak - weight * distance, guess.sd)
