"""The search space: fixed coordinates around the measured rates, and their natural units.

Optuna sees offsets in decades from a reference (the range test's rate, the optimizer's momentum and
weight decay), whose bounds never move. Users see `max_lr`, `momentum`, `weight_decay` and the
schedule's own parameters.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import log10
from typing import Any

from lrtool._check import one_of, require
from lrtool.errors import ArgumentError
from lrtool.search.prior import AnyPrior, CategoricalPrior, Prior, prior_from_dict

__all__ = ["LR", "MOMENTUM", "SCHEDULE", "SCHEDULES", "WEIGHT_DECAY", "Space"]

LR = "max_lr_decades"
MOMENTUM = "one_minus_momentum_decades"
WEIGHT_DECAY = "weight_decay_decades"
SCHEDULE = "schedule"

# How many decades 1 - momentum grows by while the rate is at its peak: 0.3 doubles it.
_DIP = Prior(low=0.0, high=0.7, center=0.2, scale=0.15)

# Centres are the published defaults; widths span what the papers tried.
SCHEDULES: dict[str, dict[str, AnyPrior]] = {
    "one_cycle": {
        "pct_start": Prior(low=0.05, high=0.5, center=0.25, scale=0.08),
        "div_factor": Prior(low=2.0, high=100.0, center=10.0, scale=0.3, log=True),
        "final_div_factor": Prior(low=10.0, high=1e5, center=500.0, scale=0.7, log=True),
        "momentum_dip": _DIP,
    },
    "sgdr": {
        "cycles": CategoricalPrior((1, 2, 3), (0.5, 0.3, 0.2)),
        "T_mult": CategoricalPrior((1, 2), (0.4, 0.6)),
        "div_factor": Prior(low=10.0, high=1e4, center=100.0, scale=0.5, log=True),
    },
    "triangular": {
        "cycles": CategoricalPrior((1, 2, 4), (0.5, 0.3, 0.2)),
        "div_factor": Prior(low=2.0, high=100.0, center=6.0, scale=0.25, log=True),
    },
    "triangular2": {
        "cycles": CategoricalPrior((1, 2, 4), (0.3, 0.4, 0.3)),
        "div_factor": Prior(low=2.0, high=100.0, center=6.0, scale=0.25, log=True),
    },
    "cosine": {"warmup_frac": Prior(low=0.0, high=0.3, center=0.05, scale=0.04)},
    "linear": {"warmup_frac": Prior(low=0.0, high=0.3, center=0.05, scale=0.04)},
    "wsd": {
        "warmup_frac": Prior(low=0.0, high=0.3, center=0.05, scale=0.04),
        "cooldown_frac": Prior(low=0.05, high=0.6, center=0.2, scale=0.1),
    },
    "constant": {},
}


@dataclass(frozen=True)
class Space:
    r"""Parameters, their priors, and the way from Optuna's coordinates to natural units.

    With x, y, z the coordinates of rate, momentum and weight decay, all in decades,

        1 - momentum = (1 - m0) 10^y
        max_lr       = r0[schedule] 10^x c,   c = 10^(y/2) for momentum that accumulates, else 1
        weight_decay = w0 10^z

    With momentum that accumulates (SGD's) the rate that learns as fast falls with 1 - momentum, the
    rate that diverges grows with 1 + momentum; the best lies between, near the square root.

    Args:
        priors: Optuna name -> prior; the bounds in them are Optuna's and never change.
        reference_lr: r0, schedule -> the measured rate for it (a constant schedule's is below a
            cycle's peak).
        momentum: m0, in [0, 1); None when the optimizer has no such knob.
        weight_decay: w0, above zero; None when the optimizer has no such knob.
        accumulates: whether momentum sums gradients (SGD), not averages them (Adam's beta1).
        fixed: natural parameters that are not searched.
        pick: where the search starts, in Optuna's coordinates; each prior's centre by default.
    """

    priors: Mapping[str, AnyPrior]
    reference_lr: Mapping[str, float]
    momentum: float | None = None
    weight_decay: float | None = None
    accumulates: bool = False
    fixed: Mapping[str, Any] = field(default_factory=dict)
    pick: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require(len(self.reference_lr) > 0, "at least one schedule", schedules=self.reference_lr)
        for name in self.reference_lr:
            one_of("schedule", name, SCHEDULES)

    @property
    def schedules(self) -> tuple[str, ...]:
        """The schedules searched over."""
        return tuple(self.reference_lr)

    def start(self) -> dict[str, Any]:
        """The pick in Optuna's coordinates, complete."""
        return {name: self.pick.get(name, prior.start) for name, prior in self.priors.items()}

    def params(self, coordinates: Mapping[str, Any]) -> dict[str, Any]:
        """Natural parameters: schedule, max_lr, momentum, weight_decay, the schedule's own.

        Parameters of schedules that the trial does not use are left out; a knob the optimizer lacks
        is None.
        """
        schedule = coordinates.get(SCHEDULE, self.schedules[0])
        shift = coordinates.get(MOMENTUM, 0.0)
        lr = self.reference_lr[schedule] * 10 ** coordinates.get(LR, 0.0)
        params: dict[str, Any] = {
            "schedule": schedule,
            "max_lr": lr * 10 ** (shift / 2) if self.accumulates else lr,
            "momentum": None if self.momentum is None else 1 - (1 - self.momentum) * 10**shift,
            "weight_decay": None
            if self.weight_decay is None
            else self.weight_decay * 10 ** coordinates.get(WEIGHT_DECAY, 0.0),
        }
        prefix = f"{schedule}."
        own = {
            name.removeprefix(prefix): value
            for name, value in coordinates.items()
            if name.startswith(prefix)
        }
        return {**params, **own, **self.fixed}

    def coordinates(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Invert `params`: Optuna's coordinates of natural parameters, kept within the bounds.

        Raises:
            ArgumentError: when the schedule is not one of this space's.
        """
        schedule = params.get("schedule", self.schedules[0])
        if schedule not in self.reference_lr:
            known = ", ".join(self.schedules)
            raise ArgumentError(f"schedule must be one of {known}, got {schedule!r}")
        found = self.start()
        if SCHEDULE in found:
            found[SCHEDULE] = schedule
        if self.momentum is not None and params.get("momentum") is not None:
            found[MOMENTUM] = log10((1 - params["momentum"]) / (1 - self.momentum))
        if params.get("max_lr") is not None:
            shift = found.get(MOMENTUM, 0.0) if self.accumulates else 0.0
            found[LR] = log10(params["max_lr"] / self.reference_lr[schedule]) - shift / 2
        if self.weight_decay is not None and params.get("weight_decay"):
            found[WEIGHT_DECAY] = log10(params["weight_decay"] / self.weight_decay)
        for name in SCHEDULES[schedule]:
            if name in params and f"{schedule}.{name}" in self.priors:
                found[f"{schedule}.{name}"] = params[name]
        return {name: _inside(self.priors[name], found[name]) for name in self.priors}

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; `from_dict` gives an equal space."""
        return {
            "priors": {name: prior.to_dict() for name, prior in self.priors.items()},
            "reference_lr": dict(self.reference_lr),
            "momentum": self.momentum,
            "weight_decay": self.weight_decay,
            "accumulates": self.accumulates,
            "fixed": dict(self.fixed),
            "pick": dict(self.pick),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Space":
        """Invert `to_dict`."""
        options = dict(data)
        priors = {name: prior_from_dict(prior) for name, prior in options.pop("priors").items()}
        return cls(priors=priors, **options)


def _inside(prior: AnyPrior, value: Any) -> Any:
    return min(max(value, prior.low), prior.high) if isinstance(prior, Prior) else value
