"""Stepping out: when the best trial is the outermost one, look further out before anything else."""

from collections.abc import Sequence
from math import isfinite

from lrtool.search.guard import Outcome
from lrtool.search.prior import AnyPrior, Prior

__all__ = ["step_out"]

_ON_THE_EDGE = 0.75  # scales from the centre beyond which an outermost best is no accident
_FEWEST, _MOST = 3, 16  # finished trials between which it is worth a trial
_SHORTEST, _LONGEST = 0.4, 1.2  # decades
_GROWTH = 1.6


def step_out(prior: AnyPrior, outcomes: Sequence[Outcome], name: str) -> float | None:
    """A value beyond the best, when the best so far lies at the edge of what was tried.

    The step is 1.6 times the distance between the best and its neighbour, so it grows while it
    succeeds: a prior that is two decades off is left behind in three trials.

    Args:
        prior: the parameter's.
        outcomes: finished trials.
        name: the parameter.

    Returns:
        The value to try next; None when the best lies within what was tried, or at a bound.
    """
    if not isinstance(prior, Prior) or prior.center is None:
        return None
    known = [o for o in outcomes if name in o.params]
    if not _FEWEST <= len(known) <= _MOST:
        return None
    best = min(known, key=lambda outcome: outcome.loss)
    tried = sorted(prior.x(outcome.params[name]) for outcome in known)
    here = prior.x(best.params[name])
    middle = prior.x(prior.center)
    side = 1 if here > middle else -1
    outermost = here >= tried[-1] if side > 0 else here <= tried[0]
    hopeless = not isfinite(best.loss)  # everything diverged: lower is the only way
    if hopeless:
        side, here, outermost = -1, tried[0], True
    if not outermost or (abs(here - middle) < _ON_THE_EDGE * prior.scale and not hopeless):
        return None
    neighbour = tried[-2] if side > 0 else tried[1]
    step = min(max(_GROWTH * abs(here - neighbour), _SHORTEST), _LONGEST)
    bound = prior.x(prior.high if side > 0 else prior.low)
    if abs(bound - here) < 0.05:
        return None
    return prior.value(min(here + step, bound) if side > 0 else max(here - step, bound))
