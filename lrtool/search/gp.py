"""A small Gaussian process whose acquisition is weighted by the prior: πBO, in numpy."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import erf, inf, log, pi, sqrt
from typing import Any

import numpy as np

from lrtool.search.guard import Outcome
from lrtool.search.prior import AnyPrior, CategoricalPrior, FloatArray, Prior

__all__ = ["propose"]

_FITS = 40  # hyperparameters tried for each fit
_SHORT, _USUAL, _LONG = 1.8, 3.0, 9.0  # units of the coordinates, in widths of the priors
_PRIOR_SHARE, _NEAR_SHARE = 192, 192  # candidates from the prior, and around the best
_POLISH = 3  # rounds of small steps from the best candidates


def propose(
    priors: Mapping[str, AnyPrior],
    outcomes: Sequence[Outcome],
    strength: float,
    random: np.random.Generator,
    sensitive: Collection[str] = (),
) -> dict[str, Any]:
    r"""The parameters that maximize EI(x) p(x)^strength.

    EI is the expected improvement under a Gaussian process with a Matérn 5/2 kernel; losses above
    the median are cut off, which makes diverged trials merely bad.

    Args:
        priors: parameter name -> prior.
        outcomes: at least two finished trials.
        strength: exponent of the prior, above or equal to 0.
        random: source of the candidates.
        sensitive: parameters that are expected to matter most: the kernel's lengths begin at a
            fifth of the others'. None named, all begin alike.

    References:
        Hvarfner et al., "πBO: augmenting acquisition functions with user beliefs", ICLR 2022.
    """
    frame = _Frame(priors, sensitive)
    known = [o for o in outcomes if all(name in o.params for name in priors)]
    x = np.stack([frame.encode(outcome.params) for outcome in known])
    y = _scores([outcome.loss for outcome in known])
    model = _fit(x, y, frame, random)
    best = x[np.argsort(y)[: max(1, min(3, len(y) // 3))]]
    candidates = frame.candidates(best, random)
    value = _acquisition(model, candidates, frame, strength, float(y.min()))
    width = 0.1
    for _ in range(_POLISH):
        top = candidates[np.argsort(-value)[:4]]
        around = frame.near(np.repeat(top, 16, axis=0), width, random)
        candidates = np.concatenate([top, around])
        value = _acquisition(model, candidates, frame, strength, float(y.min()))
        width /= 3
    return frame.decode(candidates[int(np.argmax(value))])


class _Frame:
    """Parameters as rows of numbers: coordinates in widths of their priors, choices as one-hots."""

    def __init__(self, priors: Mapping[str, AnyPrior], sensitive: Collection[str]) -> None:
        self.sensitive = sensitive
        self.priors = dict(sorted(priors.items()))
        self.columns: list[tuple[str, Any]] = []
        for name, prior in self.priors.items():
            if isinstance(prior, CategoricalPrior):
                self.columns += [(name, choice) for choice in prior.choices]
            else:
                self.columns.append((name, None))
        self.units = np.array([self._unit(name) for name, _ in self.columns])

    def _unit(self, name: str) -> float:
        prior = self.priors[name]
        if isinstance(prior, CategoricalPrior):
            return 1.0
        widths = _USUAL if not self.sensitive else _SHORT if name in self.sensitive else _LONG
        span = prior.x(prior.high) - prior.x(prior.low)
        return widths * min(prior.scale, span / 6)

    def encode(self, params: Mapping[str, Any]) -> FloatArray:
        row = []
        for name, choice in self.columns:
            prior = self.priors[name]
            if isinstance(prior, CategoricalPrior):
                row.append(float(params[name] == choice))
            else:
                row.append(prior.x(params[name]))
        return np.asarray(np.array(row) / self.units)

    def decode(self, row: FloatArray) -> dict[str, Any]:
        out: dict[str, Any] = {}
        values = dict(zip(self.columns, row * self.units, strict=True))
        for name, prior in self.priors.items():
            if isinstance(prior, CategoricalPrior):
                out[name] = max(prior.choices, key=lambda choice: values[name, choice])
            else:
                out[name] = prior.value(float(values[name, None]))
        return out

    def candidates(self, best: FloatArray, random: np.random.Generator) -> FloatArray:
        from_prior = np.empty((_PRIOR_SHARE, len(self.columns)))
        for name, prior in self.priors.items():
            own = [i for i, (column, _) in enumerate(self.columns) if column == name]
            draws = random.random(_PRIOR_SHARE)
            if isinstance(prior, CategoricalPrior):
                drawn = np.searchsorted(np.cumsum(prior.weights)[:-1], draws, side="right")
                from_prior[:, own] = np.eye(len(own))[drawn]
            else:
                from_prior[:, own[0]] = prior.quantiles(draws) / self.units[own[0]]
        start = best[random.integers(len(best), size=_NEAR_SHARE)]
        return np.concatenate([from_prior, self.near(start, 0.3, random)])

    def near(self, rows: FloatArray, width: float, random: np.random.Generator) -> FloatArray:
        """Each row with some numbers moved by about `width` units, and some choices redrawn."""
        out = rows.copy()
        names = list(self.priors)
        moved = random.random((len(rows), len(names))) < max(0.5, 2 / len(names))
        for j, (name, prior) in enumerate(self.priors.items()):
            own = [i for i, (column, _) in enumerate(self.columns) if column == name]
            hit = moved[:, j]
            if isinstance(prior, CategoricalPrior):
                drawn = random.integers(len(own), size=int(hit.sum()))
                out[np.ix_(np.flatnonzero(hit), np.array(own))] = np.eye(len(own))[drawn]
            else:
                i = own[0]
                step = width * random.standard_normal(int(hit.sum()))
                low, high = prior.x(prior.low) / self.units[i], prior.x(prior.high) / self.units[i]
                out[hit, i] = np.clip(out[hit, i] + step, low, high)
        return out

    def log_prior(self, rows: FloatArray) -> FloatArray:
        total = np.zeros(len(rows))
        for i, (name, choice) in enumerate(self.columns):
            prior = self.priors[name]
            if isinstance(prior, Prior):
                total += prior.log_densities(rows[:, i] * self.units[i])
            else:
                total += rows[:, i] * prior.log_density(choice)
        return total


@dataclass(frozen=True)
class _Model:
    """A fitted Gaussian process."""

    x: FloatArray
    lengths: FloatArray
    noise: float
    mean: float
    chol: FloatArray
    weights: FloatArray

    def predict(self, rows: FloatArray) -> tuple[FloatArray, FloatArray]:
        cross = _kernel(rows, self.x, self.lengths)
        half = np.linalg.solve(self.chol, cross.T)
        variance = np.maximum(1 - np.sum(half**2, axis=0), 1e-9)
        return self.mean + cross @ self.weights, np.sqrt(variance)


def _scores(losses: Sequence[float]) -> FloatArray:
    """Losses with mean 0 and deviation 1; above the median no further than the best is below it.

    How bad a bad trial was says nothing of where the best one is, and a diverged one may be
    arbitrarily bad.
    """
    values = np.array(losses)
    finite = values[np.isfinite(values)]
    if not len(finite):
        return np.zeros(len(values))
    median = float(np.median(finite))
    clipped = np.minimum(values, median + (median - float(finite.min())))
    return np.asarray((clipped - clipped.mean()) / (clipped.std() + 1e-12))


def _kernel(a: FloatArray, b: FloatArray, lengths: FloatArray) -> FloatArray:
    """Matérn 5/2."""
    square = np.sum(((a[:, None, :] - b[None, :, :]) / lengths) ** 2, axis=-1)
    r = np.sqrt(5 * square)
    return np.asarray((1 + r + r**2 / 3) * np.exp(-r))


def _fit(x: FloatArray, y: FloatArray, frame: _Frame, random: np.random.Generator) -> _Model:
    """The best of a random search over length scales and noise, under log-normal priors on them."""
    d = x.shape[1]
    best, best_score = None, -inf
    center = np.zeros(d + 1)
    for attempt in range(_FITS):
        spread = 1.0 if attempt < _FITS // 2 else 0.3
        theta = center + (spread * random.standard_normal(d + 1) if attempt else 0.0)
        model, score = _posterior(x, y, theta)
        if model is not None and score > best_score:
            best, best_score, center = model, score, theta
    assert best is not None
    return best


def _posterior(x: FloatArray, y: FloatArray, theta: FloatArray) -> tuple[_Model | None, float]:
    lengths = 1.0 * np.exp(0.8 * theta[:-1]) * sqrt(x.shape[1]) / 2
    noise = 0.02 * np.exp(1.0 * theta[-1])
    kernel = _kernel(x, x, lengths)
    kernel[np.diag_indices_from(kernel)] += noise + 1e-6
    try:
        chol: FloatArray = np.linalg.cholesky(kernel).astype(np.float64)
    except np.linalg.LinAlgError:
        return None, -inf
    mean = float(np.mean(y))
    half = np.linalg.solve(chol, y - mean)
    weights = np.linalg.solve(chol.T, half)
    likelihood = -0.5 * float(half @ half) - float(np.sum(np.log(np.diag(chol))))
    score = likelihood - 0.5 * float(theta @ theta) - 0.5 * len(y) * log(2 * pi)
    return _Model(x, lengths, noise, mean, chol, weights), score


def _acquisition(
    model: _Model, rows: FloatArray, frame: _Frame, strength: float, best: float
) -> FloatArray:
    """The logarithm of EI times prior^strength."""
    mean, deviation = model.predict(rows)
    z = (best - mean) / deviation
    density = np.exp(-0.5 * z**2) / sqrt(2 * pi)
    below = 0.5 * (1 + np.array([erf(v / sqrt(2)) for v in z]))
    improvement = np.maximum(deviation * (z * below + density), 1e-300)
    return np.log(improvement) + strength * frame.log_prior(rows)
