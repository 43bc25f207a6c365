"""PriorBand's mixture: uniform, prior and incumbent, for the lowest rung of a pruned search."""

from collections.abc import Mapping, Sequence
from math import exp, isfinite
from typing import Any

import numpy as np

from lrtool.search.guard import Outcome
from lrtool.search.prior import AnyPrior, CategoricalPrior, Prior

__all__ = ["draw"]

_ETA = 3
_MUTATED = 0.5  # share of the parameters that a step from the incumbent moves
_STEP = 0.25  # its standard deviation, as a share of the range


def draw(
    priors: Mapping[str, AnyPrior],
    outcomes: Sequence[Outcome],
    random: np.random.Generator,
    rung: int = 0,
) -> dict[str, Any]:
    r"""One configuration from a mixture of three.

        uniform:    1 / (1 + eta^rung),   eta = 3
        prior:      the rest, times S_p / (S_p + S_i)
        incumbent:  the rest, times S_i / (S_p + S_i)

    S_p and S_i are the likelihoods of the best third of the outcomes under the prior and under a
    step from the incumbent, the better outcomes counting more. Without a finished trial there is no
    incumbent, and its share is the prior's.

    Args:
        priors: parameter name -> prior.
        outcomes: finished trials.
        random: source of the draw.
        rung: the rung that the configuration starts on.

    References:
        Mallik et al., "PriorBand: practical hyperparameter optimization in the age of deep
        learning", NeurIPS 2023, section 5.
    """
    share = random.random()
    if share < 1 / (1 + _ETA**rung):
        return {name: _anywhere(prior, random) for name, prior in priors.items()}
    good = sorted((o for o in outcomes if isfinite(o.loss)), key=lambda o: o.loss)
    known = [o for o in good if all(name in o.params for name in priors)]
    if len(known) < _ETA or random.random() < _prior_share(priors, known):
        return {name: prior.quantile(random.random()) for name, prior in priors.items()}
    return {name: _near(p, known[0].params[name], random) for name, p in priors.items()}


def _prior_share(priors: Mapping[str, AnyPrior], good: Sequence[Outcome]) -> float:
    """S_p / (S_p + S_i)."""
    best, top = good[0].params, good[: max(1, len(good) // _ETA)]
    from_prior = from_best = 0.0
    for rank, outcome in enumerate(top):
        weight = len(top) - rank
        x = outcome.params
        # Densities of both kinds are per unit of the coordinate, so they compare.
        from_prior += weight * exp(sum(p.log_density(x[n]) for n, p in priors.items()))
        from_best += weight * exp(sum(_log_step(p, best[n], x[n]) for n, p in priors.items()))
    return from_prior / (from_prior + from_best)


def _anywhere(prior: AnyPrior, random: np.random.Generator) -> Any:
    if isinstance(prior, CategoricalPrior):
        return prior.choices[int(random.integers(len(prior.choices)))]
    return prior.value(random.uniform(prior.x(prior.low), prior.x(prior.high)))


def _near(prior: AnyPrior, value: Any, random: np.random.Generator) -> Any:
    if random.random() >= _MUTATED:
        return value
    if isinstance(prior, CategoricalPrior):
        return _anywhere(prior, random)
    return prior.value(prior.x(value) + _width(prior) * random.standard_normal())


def _log_step(prior: AnyPrior, center: Any, value: Any) -> float:
    if isinstance(prior, CategoricalPrior):
        stays = 1 - _MUTATED + _MUTATED / len(prior.choices)
        return float(np.log(stays if value == center else _MUTATED / len(prior.choices)))
    z = (prior.x(value) - prior.x(center)) / _width(prior)
    return float(-0.5 * z**2 - np.log(_width(prior) * np.sqrt(2 * np.pi)))


def _width(prior: Prior) -> float:
    return _STEP * (prior.x(prior.high) - prior.x(prior.low))
