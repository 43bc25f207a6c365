"""Base samplers by name: Optuna's, as the prior's sampler and a search without a prior use them."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import optuna
from optuna.samplers import BaseSampler

from lrtool._check import one_of

__all__ = ["BASES", "SAMPLERS", "BaseLike", "plain_sampler"]

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


def plain_sampler(base: BaseLike, seed: int | None) -> BaseSampler:
    """A base sampler as Optuna makes it, without any prior."""
    if isinstance(base, BaseSampler):
        return base
    if not isinstance(base, str):
        return base(int(np.random.SeedSequence(seed).generate_state(1)[0]))
    one_of("base sampler", base, SAMPLERS)
    if base in {"tpe", "pibo"}:
        return optuna.samplers.TPESampler(seed=seed)
    return BASES[base](int(np.random.SeedSequence(seed).generate_state(1)[0]))
