"""From a trial's parameters to the schedules of a run, whatever its length."""

from collections.abc import Mapping
from typing import Any

from lrtool.schedules import Recipe, recipe

__all__ = ["lr_plan", "momentum_plan"]


def lr_plan(params: Mapping[str, Any]) -> Recipe:
    """The rate's schedule; its lengths are shares of the run's.

    >>> lr_plan({"schedule": "one_cycle", "max_lr": 0.1, "pct_start": 0.25})
    Recipe(name='one_cycle', params={'max_lr': 0.1, 'pct_start': 0.25})
    >>> lr_plan({"schedule": "sgdr", "max_lr": 0.1, "cycles": 2, "T_mult": 2, "div_factor": 100.0})
    Recipe(name='sgdr', params={'max_lr': 0.1, 'T_0': '0.333333dur', 'T_mult': 2, 'eta_min': 0.001})
    """
    name, peak = params["schedule"], params["max_lr"]
    own = {
        key: params[key] for key in ("pct_start", "div_factor", "final_div_factor") if key in params
    }
    if name == "one_cycle":
        return recipe("one_cycle", max_lr=peak, **own)
    if name == "sgdr":
        factor = params["T_mult"]
        share = 1 / sum(factor**cycle for cycle in range(params["cycles"]))
        floor = peak / params["div_factor"]
        return recipe("sgdr", max_lr=peak, T_0=f"{share:.6g}dur", T_mult=factor, eta_min=floor)
    if name in {"triangular", "triangular2"}:
        half = f"{0.5 / params['cycles']:.6g}dur"
        floor = peak / params["div_factor"]
        return recipe(name, max_lr=peak, min_lr=floor, step_size_up=half)
    if name == "constant":
        return recipe("constant", lr=peak)
    if name == "wsd":
        own = {key: params[key] for key in ("warmup_frac", "cooldown_frac")}
        return recipe("wsd", lr=peak, **own)
    decay = recipe(name, lr=peak)
    return recipe("warmup", schedule=decay, warmup_steps=f"{params['warmup_frac']:.6g}dur")


def momentum_plan(params: Mapping[str, Any]) -> float | tuple[float, float] | None:
    """Momentum's value, or the pair (at the peak of the rate, elsewhere) it moves between."""
    momentum = params.get("momentum")
    dip = params.get("momentum_dip", 0.0)
    if momentum is None or not dip > 0.01:
        return momentum
    return max(0.0, 1 - (1 - momentum) * 10**dip), momentum
