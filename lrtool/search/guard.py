"""The guard: notices that a prior misleads, from the trials alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite
from typing import Any

from lrtool.search.prior import AnyPrior, Prior

__all__ = ["Outcome", "Verdict", "inspect_prior"]

_EARLIEST = 5  # outcomes before anything is concluded
_FAR = 2.0  # scales from the centre beyond which the prior did not expect the best
_DISTANCE = 1.0  # and at least this far in units of the coordinate (decades)
_SHARE = 0.25  # the best quarter of the outcomes decides


@dataclass(frozen=True)
class Outcome:
    """A finished trial: where it was, and how good (lower is better; inf when it diverged)."""

    params: Mapping[str, Any]
    loss: float


@dataclass(frozen=True)
class Verdict:
    """What the trials say about a prior.

    Args:
        name: the parameter; empty when nothing is wrong.
        direction: -1 when the best lies below the prior, +1 above, 0 when nothing is wrong.
        reason: the finding as a sentence.
    """

    name: str = ""
    direction: int = 0
    reason: str = ""

    @property
    def misleading(self) -> bool:
        """Whether the prior points away from the good trials."""
        return self.direction != 0


def inspect_prior(name: str, prior: AnyPrior, outcomes: Sequence[Outcome]) -> Verdict:
    """Judge one prior by where the best trials lie.

    The prior misleads when the best quarter of the outcomes all lie on one side of its centre, and
    the median of them more than two of its widths and one unit of its coordinate away.

    Args:
        name: the parameter.
        prior: what was believed.
        outcomes: finished trials, in any order.
    """
    if not isinstance(prior, Prior) or prior.center is None or prior.scale == inf:
        return Verdict()
    known = [outcome for outcome in outcomes if name in outcome.params]
    finite = sorted(
        (outcome for outcome in known if isfinite(outcome.loss)), key=lambda outcome: outcome.loss
    )
    if len(known) < _EARLIEST or len(finite) < 3:
        return Verdict()
    best = finite[: max(3, round(_SHARE * len(known)))]
    distances = [prior.z(outcome.params[name]) for outcome in best]
    middle = sorted(distances)[len(distances) // 2]
    one_sided = all(z > 0 for z in distances) or all(z < 0 for z in distances)
    if not one_sided or abs(middle) < max(_FAR, _DISTANCE / prior.scale):
        return Verdict()
    direction = 1 if middle > 0 else -1
    side = "above" if direction > 0 else "below"
    return Verdict(
        name,
        direction,
        f"the best {len(best)} of {len(known)} trials lie {side} what the prior of {name} expects "
        f"(median {abs(middle):.1f} widths away): it is widened three times and counts half",
    )
