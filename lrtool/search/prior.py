"""Priors: what is believed of a parameter before its first trial, on fixed bounds.

`Prior` and `CategoricalPrior` are densities over one Optuna parameter. `LogNormal`, `Normal` and
`LogUniform` are how a user writes a belief by hand, in the parameter's own units.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from math import inf, log10
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from lrtool._check import positive, require
from lrtool.errors import FileFormatError

__all__ = [
    "AnyPrior",
    "CategoricalPrior",
    "LogNormal",
    "LogUniform",
    "Normal",
    "Prior",
    "prior_from_dict",
]

FloatArray: TypeAlias = npt.NDArray[np.float64]
_GRID = 2049


@dataclass(frozen=True)
class Prior:
    r"""A heavy-tailed density over one number, on hard bounds.

    With x the parameter, or its log10 when `log`,

        p(x) = (1 - uniform) T((x - center) / scale) + uniform / (high - low),   low <= x <= high

    where T is Student's t with `df` degrees of freedom, cut off at the bounds and renormalized.
    The uniform share keeps every value possible, whatever the belief.

    Args:
        low: lower bound, in the parameter's own units.
        high: upper bound; `low < high`.
        center: the most likely value, in the parameter's own units.
        scale: width of T in units of x (decades when `log`); inf makes the whole density uniform.
        log: whether x is the parameter's log10.
        df: degrees of freedom of T, above zero; small is heavy-tailed.
        uniform: share of the uniform part, in [0, 1].

    Raises:
        ArgumentError: when a bound, the scale or a share is out of range.

    >>> prior = Prior(low=-2.0, high=2.0, center=0.0, scale=0.5)
    >>> round(prior.quantile(0.5), 6)
    0.0
    >>> prior.quantile(0.9) < Prior(low=-2.0, high=2.0).quantile(0.9)
    True

    References:
        Hvarfner et al., "πBO: augmenting acquisition functions with user beliefs", ICLR 2022.
    """

    low: float
    high: float
    center: float | None = None
    scale: float = inf
    log: bool = False
    df: float = 3.0
    uniform: float = 0.15

    def __post_init__(self) -> None:
        require(
            (0 if self.log else -inf) < self.low < self.high < inf,
            "0 < low < high < inf" if self.log else "-inf < low < high < inf",
            "did you swap them?" if self.low > self.high else "",
            low=self.low,
            high=self.high,
        )
        require(self.scale > 0, "scale > 0", scale=self.scale)
        require(0 <= self.uniform <= 1, "0 <= uniform <= 1", uniform=self.uniform)
        positive(df=self.df)
        if self.center is not None:
            center = min(max(self.center, self.low), self.high)
            object.__setattr__(self, "center", center)

    def x(self, value: float) -> float:
        """The coordinate of a value: itself, or its log10."""
        return log10(value) if self.log else float(value)

    def value(self, x: float) -> float:
        """The value at a coordinate, kept within the bounds."""
        return min(max(10.0**x if self.log else x, self.low), self.high)

    @property
    def start(self) -> float:
        """The centre, or the middle of the bounds where there is none."""
        if self.center is not None:
            return self.center
        return self.value((self.x(self.low) + self.x(self.high)) / 2)

    def log_density(self, value: float) -> float:
        """Natural logarithm of p at a value; -inf outside the bounds."""
        x = self.x(value) if value > 0 or not self.log else -inf
        grid, density, _ = self._table
        if not grid[0] - 1e-9 <= x <= grid[-1] + 1e-9:
            return -inf
        return float(np.log(np.interp(x, grid, density)))

    def log_densities(self, x: FloatArray) -> FloatArray:
        """Natural logarithm of p at many coordinates; outside the bounds, that of the bound."""
        grid, density, _ = self._table
        return np.log(np.interp(x, grid, density))

    def quantile(self, q: float) -> float:
        """The value below which a share `q` of the density lies."""
        grid, _, cumulative = self._table
        return self.value(float(np.interp(q, cumulative, grid)))

    def quantiles(self, q: FloatArray) -> FloatArray:
        """The coordinates below which shares `q` of the density lie."""
        grid, _, cumulative = self._table
        return np.interp(q, cumulative, grid)

    def cdf(self, value: float) -> float:
        """The share of the density below a value."""
        grid, _, cumulative = self._table
        return float(np.interp(self.x(value), grid, cumulative))

    def widened(self, factor: float) -> "Prior":
        """The same prior with its scale `factor` times as wide."""
        return replace(self, scale=self.scale * factor)

    def z(self, value: float) -> float:
        """How many scales a value lies from the centre, with its sign."""
        return 0.0 if self.center is None else (self.x(value) - self.x(self.center)) / self.scale

    @cached_property
    def _table(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Coordinates, density and cumulative density on an even grid."""
        grid = np.linspace(self.x(self.low), self.x(self.high), _GRID)
        flat = np.full(_GRID, 1 / (grid[-1] - grid[0]))
        if self.center is None or self.scale == inf:
            density = flat
        else:
            z = (grid - self.x(self.center)) / self.scale
            tail = (1 + z**2 / self.df) ** (-(self.df + 1) / 2)
            density = (1 - self.uniform) * tail / _area(grid, tail) + self.uniform * flat
        steps = (density[1:] + density[:-1]) / 2 * np.diff(grid)
        cumulative = np.concatenate([[0.0], np.cumsum(steps)])
        return grid, density / cumulative[-1], cumulative / cumulative[-1]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "kind": "float",
            **{name: getattr(self, name) for name in ("low", "high", "center", "log", "df")},
            "uniform": self.uniform,
            "scale": None if self.scale == inf else self.scale,
        }


@dataclass(frozen=True)
class CategoricalPrior:
    """Weights over a few choices.

    Args:
        choices: what to choose from; the first is where the search starts.
        weights: one number a choice, above zero; equal by default.

    >>> CategoricalPrior(("one_cycle", "sgdr")).quantile(0.7)
    'sgdr'
    """

    choices: tuple[Any, ...]
    weights: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        require(len(self.choices) > 0, "at least one choice", choices=self.choices)
        weights = self.weights or (1.0,) * len(self.choices)
        require(
            len(weights) == len(self.choices) and all(0 < w < inf for w in weights),
            "one weight above zero for each choice",
            weights=weights,
        )
        object.__setattr__(self, "weights", tuple(w / sum(weights) for w in weights))

    @property
    def start(self) -> Any:
        """The first choice."""
        return self.choices[0]

    def log_density(self, value: Any) -> float:
        """Natural logarithm of the choice's weight."""
        return float(np.log(self.weights[self.choices.index(value)]))

    def quantile(self, q: float) -> Any:
        """The choice that a share `q` of the weight falls on."""
        index = int(np.searchsorted(np.cumsum(self.weights), q, side="right"))
        return self.choices[min(index, len(self.choices) - 1)]

    def widened(self, factor: float) -> "CategoricalPrior":
        """Weights closer to equal."""
        return CategoricalPrior(self.choices, tuple(w ** (1 / factor) for w in self.weights))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "kind": "choice",
            "choices": list(self.choices),
            "weights": list(self.weights),
        }


AnyPrior: TypeAlias = Prior | CategoricalPrior


def prior_from_dict(data: Mapping[str, Any]) -> AnyPrior:
    """Invert `to_dict`.

    Raises:
        FileFormatError: when `data` is not what `to_dict` made.
    """
    options = dict(data)
    kind = options.pop("kind", None)
    if kind == "choice":
        return CategoricalPrior(tuple(options["choices"]), tuple(options["weights"]))
    if kind != "float":
        raise FileFormatError(f"a prior's kind must be 'float' or 'choice', got {kind!r}")
    scale = options.pop("scale")
    return Prior(scale=inf if scale is None else scale, **options)


@dataclass(frozen=True)
class LogNormal:
    """A belief about a rate: `median`, and right within a factor of `factor` two times in three.

    Args:
        median: the most likely value, above zero, in the parameter's own units.
        factor: one standard deviation as a factor, above 1.

    >>> LogNormal(1e-3, factor=3).median
    0.001
    """

    median: float
    factor: float = 3.0

    def __post_init__(self) -> None:
        positive(median=self.median)
        require(1 < self.factor < inf, "1 < factor < inf", factor=self.factor)


@dataclass(frozen=True)
class LogUniform:
    """A belief that only knows bounds: uniform in the logarithm between them.

    Args:
        low: lower bound, above zero.
        high: upper bound.
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        require(
            0 < self.low < self.high < inf, "0 < low < high < inf", low=self.low, high=self.high
        )


@dataclass(frozen=True)
class Normal:
    """A belief about a number on a linear scale.

    Args:
        mean: the most likely value.
        std: one standard deviation, above zero.
    """

    mean: float
    std: float

    def __post_init__(self) -> None:
        require(-inf < self.mean < inf, "-inf < mean < inf", mean=self.mean)
        positive(std=self.std)


def _area(grid: FloatArray, density: FloatArray) -> float:
    return float(np.sum((density[1:] + density[:-1]) / 2 * np.diff(grid)))
