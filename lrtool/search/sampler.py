"""PriorSampler: any Optuna sampler, started from and weighted by a prior."""

import logging
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from math import inf, isfinite
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from lrtool._check import integer, positive
from lrtool.search.bases import BASES, BaseLike, check_base
from lrtool.search.design import design_point
from lrtool.search.expand import step_out
from lrtool.search.gp import propose
from lrtool.search.guard import Outcome, Verdict, inspect_prior
from lrtool.search.outcomes import outcomes_of
from lrtool.search.prior import AnyPrior, CategoricalPrior
from lrtool.search.priorband import draw

__all__ = ["PriorSampler", "distribution"]

_log = logging.getLogger(__name__)

_NARROW = 0.15  # share of the other priors' quantiles that the design spans beside `explore`


class PriorSampler(BaseSampler):
    r"""Sample from a prior first, then from a model or a base sampler weighted by the prior.

    Trial 0 is the pick, trials 1 to `n_design` - 1 are a low-discrepancy design through the prior's
    quantiles. For "pibo" and "priorband" it goes through all of them in `explore` and in choices,
    and through the middle ones in the other numbers, so that the first trials tell what `explore`
    does. While the best trial is the outermost in `explore`, the next one steps further out. From
    then on "pibo" maximizes, for trial n,

        EI(x) p(x)^(beta / n)

    under a Gaussian process, "priorband" draws from PriorBand's mixture of uniform, prior and
    incumbent, and any other base sampler makes K proposals x_1 .. x_K of which one
    is drawn with probability w_k \propto p(x_k)^(beta / n), which resamples the same idea: the
    prior p counts less and less. A guard compares the best trials with the prior, widens a
    misleading one three times, halves beta and says so in the log and in the study's attribute
    "lrtool:prior_guard".

    Every draw depends on the seed, the trial's number and the other trials alone: a study that was
    stopped and continued equals one that was not, and several workers need no coordination. What
    others are at is not tried twice: nobody steps out to a running trial's parameters, and for
    "pibo" the running ones count as if they had come out in the middle.

    Args:
        priors: Optuna parameter name -> prior. Their bounds are the search space.
        base: "pibo", "priorband", "tpe", "gp", "cmaes", "random", a function from a seed to a
            sampler, or a sampler.
        seed: makes runs with one worker identical.
        pick: trial 0, name -> value; each prior's centre by default.
        explore: the parameter in which to step out when the best trial is the outermost one.
        sensitive: parameters expected to matter most: "pibo" begins with shorter lengths for them,
            and the guard judges them alone; all of them by default.
        n_design: trials before the base sampler takes over, the pick included; by default 3 for
            "pibo" and "priorband", else max(4, 2 x parameters).
        beta: strength of the prior; at trial n its exponent is beta / n.
        n_candidates: K, proposals a trial.

    Raises:
        ArgumentError: for an unknown base, or numbers out of range.

    References:
        Hvarfner et al., "πBO: augmenting acquisition functions with user beliefs", ICLR 2022,
        section 4.
    """

    def __init__(
        self,
        priors: Mapping[str, AnyPrior],
        base: BaseLike = "pibo",
        *,
        seed: int | None = None,
        pick: Mapping[str, Any] | None = None,
        explore: str | None = None,
        sensitive: Collection[str] = (),
        n_design: int | None = None,
        beta: float = 2.5,
        n_candidates: int = 8,
    ) -> None:
        if isinstance(base, str):
            check_base(base)
        # These two know the prior themselves; what has none is drawn at random.
        self._own = base if base in ("pibo", "priorband") else None
        base = "random" if self._own else base
        positive(beta=beta)
        integer(1, n_candidates=n_candidates)
        self._priors = dict(priors)
        self._seed = int(np.random.SeedSequence(seed).generate_state(1)[0])
        self._make: Callable[[int], BaseSampler] | None = None
        if isinstance(base, str):
            self._make = BASES[base]
        elif not isinstance(base, BaseSampler):
            self._make = base
        self._base = base if isinstance(base, BaseSampler) else None
        self._pick = dict(pick or {})
        default = 3 if self._own else max(4, 2 * len(self._priors))
        self._n_design = default if n_design is None else n_design
        self._explore = explore
        self._sensitive = tuple(name for name in sensitive if name in self._priors)
        integer(1, n_design=self._n_design)
        self._beta = beta
        self._n_candidates = n_candidates
        self._said = False

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Every parameter that has a prior; the same for each trial."""
        return {name: distribution(self._priors[name]) for name in sorted(self._priors)}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """The pick, a point of the design, or the base sampler's proposals weighted."""
        number = trial.number
        if number == 0:
            return {name: self._pick.get(name, self._priors[name].start) for name in search_space}
        if number < self._n_design:
            return self._design(number, search_space)
        outcomes = outcomes_of(study)
        running = self._running(study, number)
        outer = self._stepped_out(outcomes)
        if outer is not None and outer not in running:
            return outer
        if len(outcomes) < 2:  # many workers have started, and none has finished
            return self._design(number, search_space)
        priors, verdicts = self._judged(outcomes)
        beta = self._beta / 2 ** len(verdicts)
        if verdicts:
            self._say(study, number, verdicts)
        if self._own == "pibo":
            known = [*outcomes, *_presumed(running, outcomes)]
            return propose(priors, known, beta / number, self._rng(number), self._sensitive)
        if self._own == "priorband":
            return draw(priors, outcomes, self._rng(number))
        proposals = self._proposals(study, trial, search_space)
        logs = [sum(priors[name].log_density(x) for name, x in p.items()) for p in proposals]
        weights = np.exp((beta / number) * (np.array(logs) - max(logs)))
        index = self._rng(number).choice(len(proposals), p=weights / weights.sum())
        return proposals[int(index)]

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """A parameter without a prior: the base sampler's business."""
        base = self._base_for(trial.number)
        return base.sample_independent(study, trial, param_name, param_distribution)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Pass on to a base sampler that keeps state."""
        if self._base is not None:
            self._base.before_trial(study, trial)

    def after_trial(
        self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        """Pass on to a base sampler that keeps state."""
        if self._base is not None:
            self._base.after_trial(study, trial, state, values)

    def reseed_rng(self) -> None:
        """Reseed a base sampler that keeps state; our own draws depend on the trial's number."""
        if self._base is not None:
            self._base.reseed_rng()

    def _rng(self, number: int) -> np.random.Generator:
        return np.random.default_rng([self._seed, number])

    def _base_for(self, number: int) -> BaseSampler:
        if self._base is not None:
            return self._base
        assert self._make is not None
        with warnings.catch_warnings():
            # Optuna 4 calls some options experimental that its version 5 made the default.
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return self._make(int(self._rng(number).integers(2**31)))

    def _design(self, number: int, names: Mapping[str, Any]) -> dict[str, Any]:
        point = design_point(number, len(names), self._seed)
        return {
            name: self._priors[name].quantile(0.5 + self._share(name) * (float(q) - 0.5))
            for name, q in zip(names, point, strict=True)
        }

    def _share(self, name: str) -> float:
        """How much of a prior the design spans."""
        whole = (
            self._own is None  # a base sampler has the design alone to learn from
            or self._explore in (None, name)
            or isinstance(self._priors[name], CategoricalPrior)
        )
        return 1.0 if whole else _NARROW

    def _proposals(
        self, study: Study, trial: FrozenTrial, space: dict[str, BaseDistribution]
    ) -> list[dict[str, Any]]:
        base = self._base_for(trial.number)
        proposals = []
        for _ in range(self._n_candidates):
            proposal = base.sample_relative(study, trial, space)
            if not proposal:  # the base has too little to go on yet
                return [self._design(trial.number, space)]
            proposals.append(proposal)
        return proposals

    def _stepped_out(self, outcomes: Sequence[Outcome]) -> dict[str, Any] | None:
        """The best trial so far with its rate further out, when it was the outermost."""
        name = self._explore
        known = [o for o in outcomes if all(key in o.params for key in self._priors)]
        if name is None or not known:
            return None
        value = step_out(self._priors[name], known, name)
        if value is None:
            return None
        best = min(known, key=lambda outcome: outcome.loss)
        return {key: best.params[key] for key in self._priors} | {name: value}

    def _running(self, study: Study, number: int) -> list[dict[str, Any]]:
        """The parameters that other workers are at."""
        trials = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        others = [t.params for t in trials if t.number != number]
        return [{n: p[n] for n in self._priors} for p in others if p.keys() >= self._priors.keys()]

    def _judged(self, outcomes: Sequence[Outcome]) -> tuple[dict[str, AnyPrior], list[Verdict]]:
        """The priors, those that mislead widened, and the findings."""
        priors, verdicts = dict(self._priors), []
        for name in self._sensitive or self._priors:
            verdict = inspect_prior(name, priors[name], outcomes)
            if verdict.misleading:
                priors[name] = priors[name].widened(3.0)
                verdicts.append(verdict)
        return priors, verdicts

    def _say(self, study: Study, number: int, verdicts: Sequence[Verdict]) -> None:
        if self._said or "lrtool:prior_guard" in study.user_attrs:
            return
        self._said = True
        findings = [verdict.reason for verdict in verdicts]
        study.set_user_attr("lrtool:prior_guard", {"trial": number, "findings": findings})
        for finding in findings:
            _log.warning("misleading prior at trial %d: %s", number, finding)


def _presumed(running: Sequence[dict[str, Any]], outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Running trials as if they had come out in the middle: what lies near them is worth less."""
    losses = sorted(o.loss for o in outcomes if isfinite(o.loss)) or [inf]
    return [Outcome(params, losses[len(losses) // 2]) for params in running]


def distribution(prior: AnyPrior) -> BaseDistribution:
    """Optuna's distribution on a prior's bounds."""
    if isinstance(prior, CategoricalPrior):
        return CategoricalDistribution(prior.choices)
    return FloatDistribution(prior.low, prior.high, log=prior.log)
