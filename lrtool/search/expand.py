"""Stepping out: when the best trial is the outermost one, look further out before anything else."""

from collections.abc import Sequence
from itertools import pairwise
from math import isfinite

from lrtool.search.guard import Outcome
from lrtool.search.prior import AnyPrior, Prior

__all__ = ["step_out"]

_ON_THE_EDGE = 0.75  # scales from the centre beyond which an outermost best is no accident
_FEWEST, _MOST = 3, 16  # finished trials between which it is worth a trial
_SHORTEST, _LONGEST = 0.4, 1.2  # decades
_GROWTH = 1.6
_FLAT = 0.005  # the best is no better than the middle one by this share: nothing has trained yet
_GAP = 1.5  # decades between neighbours that a flat may hide a slope in


def step_out(prior: AnyPrior, outcomes: Sequence[Outcome], name: str) -> float | None:
    """A value beyond the best, when the best so far lies at the edge of what was tried.

    The step is 1.6 times the distance between the best and its neighbour, so it grows while it
    succeeds: a prior that is two decades off is left behind in three trials. While all trials are
    alike there is no best to step from, and the middle of the widest gap is next.

    Args:
        prior: the parameter's.
        outcomes: finished trials.
        name: the parameter.

    Returns:
        The value to try next; None when the best lies within what was tried, or at a bound, or
        when no gap is wide enough.
    """
    if not isinstance(prior, Prior) or prior.center is None:
        return None
    known = [o for o in outcomes if name in o.params]
    if not _FEWEST <= len(known) <= _MOST:
        return None
    best = min(known, key=lambda outcome: outcome.loss)
    tried = sorted(prior.x(outcome.params[name]) for outcome in known)
    if _flat([outcome.loss for outcome in known]):
        return _in_the_widest_gap(prior, tried)
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


def _flat(losses: Sequence[float]) -> bool:
    known = sorted(loss for loss in losses if isfinite(loss))
    if len(known) <= _FEWEST:
        return False
    middle = known[len(known) // 2]
    return middle - known[0] <= _FLAT * abs(middle)


def _in_the_widest_gap(prior: Prior, tried: Sequence[float]) -> float | None:
    ends = [prior.x(prior.low), *tried, prior.x(prior.high)]
    width, left = max((right - left, left) for left, right in pairwise(ends))
    return prior.value(left + width / 2) if width > _GAP else None
