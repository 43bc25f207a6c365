"""Base samplers by name: Optuna's, as the prior's sampler and a search without a prior use them."""

from collections.abc import Callable
from importlib.util import find_spec
from typing import TypeAlias

import numpy as np
import optuna
from optuna.samplers import BaseSampler

from lrtool._check import one_of, require

__all__ = ["BASES", "SAMPLERS", "BaseLike", "check_base", "plain_sampler"]

BaseLike: TypeAlias = str | BaseSampler | Callable[[int], BaseSampler]


def _tpe(seed: int) -> BaseSampler:
    # constant_liar would write each of the K proposals to the storage as if it were the trial's.
    return optuna.samplers.TPESampler(
        seed=seed, n_startup_trials=1, multivariate=True, constant_liar=False
    )


def _gp(seed: int) -> BaseSampler:
    return optuna.samplers.GPSampler(seed=seed, n_startup_trials=1)


def _cmaes(seed: int) -> BaseSampler:
    return optuna.samplers.CmaEsSampler(seed=seed, n_startup_trials=1)


def _random(seed: int) -> BaseSampler:
    return optuna.samplers.RandomSampler(seed=seed)


# Named functions, not lambdas: a study goes to the processes of a distributed trial.
BASES: dict[str, Callable[[int], BaseSampler]] = {
    "tpe": _tpe,
    "gp": _gp,
    "cmaes": _cmaes,
    "random": _random,
}
SAMPLERS = ("pibo", "priorband", *BASES)
# What Optuna imports only when it first samples.
_NEEDS = {"cmaes": ("cmaes",), "gp": ("scipy", "torch")}


def check_base(name: str) -> None:
    """Refuse a base sampler that is unknown, or that lacks a package.

    Raises:
        ArgumentError: either way.
    """
    one_of("base sampler", name, SAMPLERS)
    for package in _NEEDS.get(name, ()):
        require(
            find_spec(package) is not None, f"{package} installed",
            f"pip install {package}, or choose another", sampler=name,
        )  # fmt: skip


def plain_sampler(base: BaseLike, seed: int | None) -> BaseSampler:
    """A base sampler as Optuna makes it, without any prior."""
    if isinstance(base, BaseSampler):
        return base
    if not isinstance(base, str):
        return base(int(np.random.SeedSequence(seed).generate_state(1)[0]))
    check_base(base)
    if base in {"tpe", "pibo"}:
        return optuna.samplers.TPESampler(seed=seed)
    return BASES[base](int(np.random.SeedSequence(seed).generate_state(1)[0]))
