"""Capabilities: what each optimizer can and cannot do, as data. Needs no torch."""

from dataclasses import dataclass, field, replace
from typing import Literal

__all__ = ["TABLE", "Capabilities", "Prior", "Verdict"]


@dataclass(frozen=True)
class Verdict:
    """A yes or a no with its reason; true or false in a condition.

    >>> bool(Verdict(False, "it has no momentum"))
    False
    """

    ok: bool
    reason: str = ""

    def __bool__(self) -> bool:
        return self.ok


@dataclass(frozen=True)
class Prior:
    """Where a good value usually lies: bell-shaped in `scale`, cut at `low` and `high`.

    Args:
        median: the centre.
        low: smallest value to try, above zero.
        high: largest value to try; below 1 for `log1m`.
        decades: one standard deviation, in decades of the scale.
        scale: "log" is log10(x); "log1m" is log10(1 - x), natural for momentum: .9, .99, .999
            are equal steps.
    """

    median: float
    low: float
    high: float
    decades: float
    scale: Literal["log", "log1m"] = "log"


_YES = Verdict(True)
_MOMENTUM = Prior(0.9, 0.5, 0.995, 0.35, "log1m")


def _decay(median: float) -> Prior:
    return Prior(median, median / 100, min(1.0, median * 100), 0.6)


@dataclass(frozen=True)
class Capabilities:
    """What an optimizer can do.

    Args:
        name: the name `create` takes.
        source: the class, as "package.Class".
        default_lr: where to start without a measurement.
        lr_range: (low, high) largest-group rates that good runs use; a sweep should pass both.
        momentum: the knob that plays momentum: "momentum", "beta1" (`betas[0]`), or None.
        decoupled: whether weight decay acts on the weights directly (AdamW) and not as an L2 term
            in the gradient. Either way the decay of a step is proportional to the rate.
        range_test: whether an LR range test says something, and why not.
        cycle: whether the rate may rise again (cycles, warm restarts, one-cycle), and why not.
        momentum_cycle: whether momentum may change while training, and why not.
        group_rates: whether parameter groups may have rates of their own, and why not.
        momentum_prior: where a good momentum lies; None without a momentum.
        weight_decay_prior: where a good weight decay lies.
        silent_steps: first steps that change no weight: a sweep is flat there.
        inverse_sqrt_cap: whether step t uses min(lr, 1/sqrt(t)): any higher rate is hidden.
        averages: whether evaluation wants other weights than training; the optimizer then has
            `train()` and `eval()`, and `lrtool.callbacks.ScheduleFreeSwitch` calls them.
        note: what else to know.
    """

    name: str
    source: str
    default_lr: float
    lr_range: tuple[float, float]
    momentum: Literal["momentum", "beta1"] | None = None
    decoupled: bool = False
    range_test: Verdict = _YES
    cycle: Verdict = _YES
    momentum_cycle: Verdict = _YES
    group_rates: Verdict = _YES
    momentum_prior: Prior | None = None
    weight_decay_prior: Prior = field(default_factory=lambda: _decay(1e-4))
    silent_steps: int = 0
    inverse_sqrt_cap: bool = False
    averages: bool = False
    note: str = ""

    @property
    def package(self) -> str:
        """Where the class comes from: "torch.optim" or "pytorch_optimizer"."""
        return self.source.rpartition(".")[0]

    def lr_cap(self, step: int) -> float:
        """The highest rate that still acts at optimizer step `step`, counted from 1.

        >>> TABLE["adafactor"].lr_cap(100)
        0.1
        """
        return max(step, 1) ** -0.5 if self.inverse_sqrt_cap else float("inf")

    def _repr_html_(self) -> str:
        from lrtool.report import capabilities_html

        return capabilities_html([self])

    def __str__(self) -> str:
        low, high = self.lr_range
        lines = [f"{self.name} ({self.source}): lr {self.default_lr:g}, usually {low:g}..{high:g}"]
        lines.append(f"  momentum: {self.momentum or 'none'}")
        lines.append(f"  weight decay: {'decoupled' if self.decoupled else 'L2'}")
        for label in ("range_test", "cycle", "momentum_cycle", "group_rates"):
            verdict: Verdict = getattr(self, label)
            answer = "yes" if verdict else f"no: {verdict.reason}"
            lines.append(f"  {label.replace('_', ' ')}: {answer}")
        return "\n".join(lines + ([f"  note: {self.note}"] if self.note else []))


_NO_MOMENTUM = Verdict(False, "it has no momentum to change")
_SCHEDULE_FREE = Verdict(
    False,
    "it averages the weights with weights lr_max^2, so every rate after a high one counts for "
    "little; keep the rate constant after a warm-up",
)
_SWITCH = (
    "evaluate it at its averaged weights: lrtool.callbacks.ScheduleFreeSwitch does so, or call its "
    "eval() before each validation and train() after"
)
_INTERPOLATES = Verdict(
    False, "its momentum interpolates between two weight sequences, so a change moves the weights"
)
_TODAYS_BETA1 = Verdict(
    False,
    "its bias correction divides by 1 - beta1^t with today's beta1, so a moving beta1 shrinks or "
    "grows the first 1 / (1 - beta1) steps",
)
_OWN_RATE = Verdict(
    False, "it adapts its own rate d and multiplies it by lr; leave lr at 1 or let it decay from 1"
)


def _sgd(name: str, cls: str = "torch.optim.SGD", lr: float = 0.01, **more: object) -> Capabilities:
    base = Capabilities(
        name, cls, lr, (lr / 100, lr * 50), "momentum",
        momentum_prior=_MOMENTUM, weight_decay_prior=_decay(5e-4),
    )  # fmt: skip
    return replace(base, **more)  # type: ignore[arg-type]


def _adam(
    name: str, cls: str, lr: float = 1e-3, *, decoupled: bool = False, **more: object
) -> Capabilities:
    base = Capabilities(
        name, cls, lr, (lr / 100, lr * 20), "beta1", decoupled,
        momentum_prior=_MOMENTUM, weight_decay_prior=_decay(1e-2 if decoupled else 1e-5),
    )  # fmt: skip
    return replace(base, **more)  # type: ignore[arg-type]


_P = "pytorch_optimizer"

TABLE: dict[str, Capabilities] = {
    entry.name: entry
    for entry in (
        _sgd("sgd", lr=0.1, note="no momentum unless given"),
        _sgd("sgdm", note="SGD with momentum 0.9 unless given"),
        _sgd("nag", note="SGD with Nesterov momentum 0.9 unless given"),
        _sgd("sgdw", f"{_P}.SGDW", decoupled=True),
        Capabilities(
            "adagrad", "torch.optim.Adagrad", 0.01, (1e-4, 1.0),
            momentum_cycle=_NO_MOMENTUM,
            note="its own rate falls as 1/sqrt of the summed squares, on top of any schedule",
        ),
        Capabilities(
            "adadelta", "torch.optim.Adadelta", 1.0, (0.01, 10.0), momentum_cycle=_NO_MOMENTUM,
            note="rho averages squares: it is not a momentum",
        ),
        Capabilities(
            "rmsprop", "torch.optim.RMSprop", 1e-3, (1e-5, 1e-2), "momentum",
            momentum_prior=_MOMENTUM, weight_decay_prior=_decay(1e-5),
            note="its momentum is undamped: the effective rate is lr / (1 - momentum)",
        ),
        _adam("adam", "torch.optim.Adam"),
        _adam("amsgrad", "torch.optim.Adam"),
        _adam("adamax", "torch.optim.Adamax", 2e-3),
        _adam("adamw", "torch.optim.AdamW", decoupled=True),
        _adam("nadam", "torch.optim.NAdam"),
        _adam("radam", "torch.optim.RAdam"),
        _adam(
            "adabound", f"{_P}.AdaBound", decoupled=True,
            note="its step is bounded around final_lr * lr / base_lr, base_lr the rate it was "
            "built with or was last given by a range test",
        ),
        _adam(
            "swats", f"{_P}.SWATS",
            note="switches from Adam to SGD on its own and then writes a rate of its own; "
            "a schedule goes on in proportion to it",
        ),
        _adam(
            "lion", f"{_P}.Lion", 1e-4, decoupled=True, weight_decay_prior=_decay(0.1),
            note="wants a rate 3 to 10 times below AdamW's and a decay as much above",
        ),
        _sgd(
            "muon", f"{_P}.Muon", 0.02, decoupled=True, weight_decay_prior=_decay(1e-2),
            momentum_prior=Prior(0.95, 0.5, 0.995, 0.35, "log1m"),
            note="orthogonal updates for hidden matrices; AdamW at 0.015 of the rate for the rest",
        ),
        _adam(
            "soap", f"{_P}.SOAP", 3e-3, decoupled=True, silent_steps=1,
            momentum_cycle=_TODAYS_BETA1, note="the first step only starts its preconditioner",
        ),
        Capabilities(
            "adafactor", "torch.optim.Adafactor", 0.01, (1e-4, 0.1), decoupled=True,
            momentum_cycle=_NO_MOMENTUM, weight_decay_prior=_decay(1e-2), inverse_sqrt_cap=True,
            note="step t uses min(lr, 1/sqrt(t)), relative to the weights' own size: a sweep is "
            "flat above that",
        ),
        _adam("lamb", f"{_P}.Lamb", 2e-3, decoupled=True, momentum_cycle=_TODAYS_BETA1),
        _adam(
            "adan", f"{_P}.Adan", decoupled=True, momentum_cycle=_TODAYS_BETA1,
            momentum_prior=Prior(0.98, 0.5, 0.998, 0.35, "log1m"),
        ),
        _sgd(
            "schedule_free_sgd", f"{_P}.ScheduleFreeSGD", 0.3, averages=True,
            range_test=_SCHEDULE_FREE, cycle=_SCHEDULE_FREE, momentum_cycle=_INTERPOLATES,
            note=_SWITCH,
        ),
        _adam(
            "schedule_free_adamw", f"{_P}.ScheduleFreeAdamW", 2.5e-3, decoupled=True, averages=True,
            range_test=_SCHEDULE_FREE, cycle=_SCHEDULE_FREE, momentum_cycle=_INTERPOLATES,
            note=_SWITCH,
        ),
        _adam(
            "prodigy", f"{_P}.Prodigy", 1.0, decoupled=True, lr_range=(0.1, 2.0),
            range_test=_OWN_RATE, cycle=_OWN_RATE,
            momentum_cycle=Verdict(False, "its estimate of d assumes a constant beta1"),
            group_rates=Verdict(False, "it has one rate, read from the first group"),
        ),
        Capabilities(
            "asgd", "torch.optim.ASGD", 0.01, (1e-4, 1.0), momentum_cycle=_NO_MOMENTUM,
            range_test=Verdict(False, "a new rate acts one step late, through its state eta"),
        ),
        Capabilities(
            "rprop", "torch.optim.Rprop", 0.01, (1e-4, 1.0), momentum_cycle=_NO_MOMENTUM,
            range_test=Verdict(False, "lr only sets the first step; each weight adapts its own"),
            cycle=Verdict(False, "lr only sets the first step; each weight adapts its own"),
        ),
        Capabilities(
            "lbfgs", "torch.optim.LBFGS", 1.0, (0.1, 1.0), momentum_cycle=_NO_MOMENTUM,
            range_test=Verdict(False, "one step evaluates the loss many times; lr only scales it"),
            cycle=Verdict(False, "it builds a curvature model that a changing rate breaks"),
            group_rates=Verdict(False, "it takes a single group"),
        ),
    )
}  # fmt: skip
