"""Loss curves whose steepest point, minimum and divergence are known."""

import numpy as np

from lrtool.curve import FloatArray, LossCurve
from lrtool.types import StopReason

STEEPEST = -2.5  # log10 LR
MINIMUM = -1.4  # about 1.1 decades later


def descent(
    x: FloatArray, steepest: float = STEEPEST, width: float = 0.3, wall: float = 1.3
) -> FloatArray:
    """From 2.3 down to 0.3 along a logistic curve, then up a wall, `wall` decades later."""
    fall = 2.0 / (1 + np.exp(-(x - steepest) / width))
    return np.asarray(2.3 - fall + 0.02 * 10 ** (2 * (x - steepest - wall)))


def curve_with(
    n: int = 100,
    noise: float = 0.0,
    seed: int = 0,
    low: float = -7.0,
    high: float = -0.5,
    steepest: float = STEEPEST,
    wall: float = 1.3,
) -> LossCurve:
    x = np.linspace(low, high, n)
    loss = descent(x, steepest, wall=wall) + noise * np.random.default_rng(seed).standard_normal(n)
    return LossCurve(10**x, loss, StopReason.DIVERGED, message="made up")
