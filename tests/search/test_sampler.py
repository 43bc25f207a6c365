import warnings
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import optuna
import pytest

from lrtool.errors import ArgumentError
from lrtool.search import CategoricalPrior, Prior, PriorSampler
from lrtool.search.bases import plain_sampler
from lrtool.search.expand import step_out
from lrtool.search.gp import propose
from lrtool.search.guard import Outcome, inspect_prior
from lrtool.search.prior import AnyPrior
from lrtool.search.priorband import draw
from lrtool.search.sampler import distribution

PRIORS: dict[str, AnyPrior] = {
    "lr": Prior(low=-3.0, high=3.0, center=0.0, scale=0.3),
    "wd": Prior(low=-3.0, high=2.0, center=0.0, scale=0.6),
    "kind": CategoricalPrior(("a", "b")),
}
DISTRIBUTIONS = {name: distribution(prior) for name, prior in PRIORS.items()}
Loss = Callable[[dict[str, Any]], float]


def bowl(at: float) -> Loss:
    return lambda p: (p["lr"] - at) ** 2 + 0.1 * (p["wd"] - 0.3) ** 2 + 0.05 * (p["kind"] == "b")


def run(
    loss: Loss, trials: int, direction: Literal["minimize", "maximize"] = "minimize", **options: Any
) -> optuna.Study:
    sampler = PriorSampler(PRIORS, **{"seed": 0, "explore": "lr", **options})
    study = optuna.create_study(sampler=sampler, direction=direction)
    for _ in range(trials):
        trial = study.ask(dict(DISTRIBUTIONS))
        study.tell(trial, loss(trial.params))
    return study


def rows(study: optuna.Study) -> list[dict[str, Any]]:
    return [trial.params for trial in study.trials]


@pytest.mark.parametrize("base", ["pibo", "priorband", "tpe", "random"])
def test_F13_seeded_runs_are_identical(base: str) -> None:
    first, second = (rows(run(bowl(0.2), 14, base=base)) for _ in range(2))
    assert first == second
    assert first != rows(run(bowl(0.2), 14, base=base, seed=1))


@pytest.mark.parametrize("base", ["pibo", "priorband", "tpe"])
@pytest.mark.parametrize("workers", [2, 5])
def test_workers_at_the_same_time_are_at_different_trials(base: str, workers: int) -> None:
    for seed in range(3):
        study = optuna.create_study(sampler=PriorSampler(PRIORS, base, seed=seed, explore="lr"))
        running: list[optuna.Trial] = []
        for _ in range(20):
            running.append(study.ask(dict(DISTRIBUTIONS)))
            if len(running) == workers:
                trial = running.pop(0)
                study.tell(trial, bowl(2.0)(trial.params))  # far off: stepping out has its turn
        asked = [tuple(params.values()) for params in rows(study)]
        assert len(set(asked)) == len(asked)


def test_a_running_trial_is_kept_clear_of() -> None:
    def after(state: optuna.trial.TrialState, params: dict[str, Any]) -> dict[str, Any]:
        study = run(bowl(0.2), 8, explore=None)
        study.add_trial(
            optuna.trial.create_trial(state=state, params=params, distributions=DISTRIBUTIONS)
        )
        return study.ask(dict(DISTRIBUTIONS)).params

    failed, running = optuna.trial.TrialState.FAIL, optuna.trial.TrialState.RUNNING
    wanted = after(failed, {"lr": 0.0, "wd": 0.0, "kind": "a"})
    assert after(failed, wanted) == wanted
    assert after(running, wanted) != wanted


@pytest.mark.parametrize("base", ["pibo", "tpe"])
def test_F13_a_study_continued_by_a_new_sampler_equals_one_run(base: str) -> None:
    study = run(bowl(0.2), 6, base=base)
    study.sampler = PriorSampler(PRIORS, base, seed=0, explore="lr")
    for _ in range(6):
        trial = study.ask(dict(DISTRIBUTIONS))
        study.tell(trial, bowl(0.2)(trial.params))
    assert rows(study) == rows(run(bowl(0.2), 12, base=base))


def test_F10_pick_is_trial_0_and_only_trial_0() -> None:
    pick = {"lr": 0.11, "wd": -0.2, "kind": "b"}
    study = run(bowl(0.2), 10, pick=pick)
    assert study.trials[0].params == pick
    assert pick not in rows(study)[1:]


def test_maximizing_is_minimizing_the_negative() -> None:
    down = run(bowl(0.5), 12)
    up = run(lambda p: -bowl(0.5)(p), 12, direction="maximize")
    assert rows(down) == rows(up)


def test_finds_the_optimum_of_a_bowl_sooner_than_tpe() -> None:
    ours, theirs = [], []
    for seed in range(5):
        ours.append(run(bowl(0.2), 15, seed=seed).best_value)
        study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
        for _ in range(30):
            trial = study.ask(dict(DISTRIBUTIONS))
            study.tell(trial, bowl(0.2)(trial.params))
        theirs.append(study.best_value)
    assert np.median(ours) < np.median(theirs)


@pytest.mark.parametrize("shift", [-2.0, 2.0])
def test_misleading_prior_is_left_behind_and_flagged_by_trial_15(shift: float) -> None:
    for seed in range(3):
        study = run(bowl(shift), 16, seed=seed)
        guard = study.user_attrs["lrtool:prior_guard"]
        assert guard["trial"] <= 15
        assert "lr" in guard["findings"][0]
        assert abs(study.best_params["lr"] - shift) < 0.3


def test_good_prior_is_not_flagged() -> None:
    for seed in range(5):
        assert "lrtool:prior_guard" not in run(bowl(0.2), 16, seed=seed).user_attrs


def test_all_diverged_so_far_means_lower() -> None:
    study = optuna.create_study(sampler=PriorSampler(PRIORS, seed=0, explore="lr"))
    for _ in range(8):
        trial = study.ask(dict(DISTRIBUTIONS))
        if trial.params["lr"] > -1.5:
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        else:
            study.tell(trial, bowl(-2.0)(trial.params))
    assert study.best_params["lr"] < -1.5


def test_strength_of_the_prior_decays() -> None:
    """Early proposals keep near the prior where the data say nothing; late ones spread."""
    random = np.random.default_rng(0)
    flat = [Outcome({"lr": x, "wd": 0.0, "kind": "a"}, 1.0) for x in (-0.2, 0.0, 0.2)]
    strong, weak = (
        [abs(propose(PRIORS, flat, s, random)["lr"]) for _ in range(10)] for s in (5.0, 0.0)
    )
    assert np.median(strong) < np.median(weak)


def test_priorband_mixes_uniform_prior_and_incumbent_in_the_papers_shares() -> None:
    random = np.random.default_rng(0)
    tight = {"lr": Prior(low=-3.0, high=3.0, center=0.0, scale=0.05, uniform=0.0)}
    for rung, share in ((0, 1 / 2), (1, 1 / 4), (2, 1 / 10)):
        far = [abs(draw(tight, [], random, rung)["lr"]) > 0.5 for _ in range(2000)]
        assert np.mean(far) == pytest.approx(share * 2.5 / 3, abs=0.04)
    # The best third far from the prior: what is not uniform comes from the incumbent.
    known = [Outcome({"lr": 2.0 + 0.01 * k}, float(k)) for k in range(9)]
    drawn = np.array([draw(tight, known, random, rung=9)["lr"] for _ in range(300)])
    assert np.median(np.abs(drawn - 2.0)) < 1.0
    assert np.mean(drawn == 2.0) == pytest.approx(0.5, abs=0.1)


def test_stepping_out_grows_and_stops_inside() -> None:
    def outcomes(*points: tuple[float, float]) -> list[Outcome]:
        return [Outcome({"lr": x}, loss) for x, loss in points]

    prior = PRIORS["lr"]
    edge = outcomes((0.0, 3.0), (0.3, 2.0), (0.7, 1.0))
    first = step_out(prior, edge, "lr")
    assert first is not None
    assert first == pytest.approx(0.7 + 1.6 * 0.4)
    second = step_out(prior, [*edge, *outcomes((first, 0.5))], "lr")
    assert second == pytest.approx(first + 1.6 * 1.6 * 0.4)
    assert step_out(prior, [*edge, *outcomes((first, 9.0))], "lr") is None
    assert step_out(prior, outcomes((-0.3, 3.0), (0.0, 1.0), (0.3, 2.0)), "lr") is None


def test_first_trials_move_the_explored_parameter_alone() -> None:
    wd = PRIORS["wd"]
    assert isinstance(wd, Prior)
    cases = (("pibo", "lr", True), ("pibo", None, False), ("tpe", "lr", False))
    for base, explore, narrow in cases:
        runs = [run(bowl(0.0), 3, base=base, explore=explore, seed=seed) for seed in range(6)]
        shares = [[wd.cdf(trial.params["wd"]) for trial in study.trials[1:]] for study in runs]
        spread = np.abs(np.array(shares) - 0.5).max()
        assert (spread <= 0.075) == narrow
    first = [run(bowl(0.0), 2, seed=seed).trials[1].params for seed in range(20)]
    assert {params["kind"] for params in first} == {"a", "b"}
    lr = [params["lr"] for params in first]
    assert np.std(lr) > PRIORS["lr"].scale / 2  # type: ignore[union-attr]


def test_knowing_what_matters_finds_it_sooner() -> None:
    """A valley that is narrow in one parameter, with the others next to irrelevant."""

    def valley(p: dict[str, Any]) -> float:
        return float(min((p["lr"] - 0.8) ** 2, 0.5) + 0.001 * p["wd"] ** 2)

    best = {
        name: np.median(
            [run(valley, 9, seed=seed, sensitive=(name,)).best_value for seed in range(7)]
        )
        for name in ("lr", "wd")
    }
    assert best["lr"] < 0.5 * best["wd"]


def test_where_all_trials_are_alike_the_widest_gap_is_next() -> None:
    def next_after(*points: tuple[float, float]) -> float | None:
        return step_out(PRIORS["lr"], [Outcome({"lr": x}, loss) for x, loss in points], "lr")

    alike = [(0.0, 2.301), (-0.2, 2.302), (-0.9, 2.303), (0.2, 2.306)]
    first = next_after(*alike)
    assert first == pytest.approx(1.6)  # the middle of 0.2 .. 3
    second = next_after(*alike, (1.6, 2.3))
    assert second == pytest.approx(-1.95)  # the middle of -3 .. -0.9
    # Something trains: an ordinary best, inside what was tried.
    assert next_after(*alike, (1.6, 2.4), (0.1, 1.9)) is None
    crowded = [(float(x), 2.3) for x in np.arange(-3, 3.1, 1.0)]
    assert next_after(*crowded) is None


def test_guard_judges_what_matters_where_that_is_known() -> None:
    def far_in_wd(p: dict[str, Any]) -> float:
        return float((p["lr"] - 0.1) ** 2 + (p["wd"] - 2.0) ** 2)

    named = run(far_in_wd, 16, sensitive=("lr",))
    assert "lrtool:prior_guard" not in named.user_attrs
    assert "wd" in run(far_in_wd, 16).user_attrs["lrtool:prior_guard"]["findings"][0]


def test_guard_needs_evidence() -> None:
    prior = PRIORS["lr"]
    far = [Outcome({"lr": 2.0 + 0.1 * k}, 0.1 * k) for k in range(4)]
    near = [Outcome({"lr": 0.1 * k}, 5.0) for k in range(4)]
    assert inspect_prior("lr", prior, [*far, *near]).direction == 1
    assert not inspect_prior("lr", prior, far[:2]).misleading
    swapped = [Outcome(o.params, 5 - o.loss) for o in [*far, *near]]
    assert not inspect_prior("lr", prior, swapped).misleading


def test_works_with_any_base_sampler_given_as_an_object() -> None:
    study = run(bowl(0.2), 12, base=optuna.samplers.TPESampler(seed=3), n_design=4)
    assert len(study.trials) == 12


def test_parameters_without_a_prior_are_the_base_samplers_business() -> None:
    study = optuna.create_study(sampler=PriorSampler(PRIORS, seed=0))
    for _ in range(6):
        trial = study.ask(dict(DISTRIBUTIONS))
        depth = trial.suggest_int("depth", 1, 4)
        study.tell(trial, bowl(0.2)(trial.params) + depth)
    assert {trial.params["depth"] for trial in study.trials} <= {1, 2, 3, 4}


def test_no_deprecated_option_of_optuna_is_used() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for base in ("pibo", "tpe", "random"):
            run(bowl(0.2), 6, base=base, n_design=2)


@pytest.mark.parametrize(("base", "package"), [("cmaes", "cmaes"), ("gp", "scipy")])
def test_a_base_sampler_that_lacks_its_package_is_refused_when_it_is_made(
    base: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lrtool.search.bases.find_spec", lambda name: None)
    with pytest.raises(ArgumentError, match=f"pip install {package}, or choose another"):
        PriorSampler(PRIORS, base)
    with pytest.raises(ArgumentError, match=f"pip install {package}, or choose another"):
        plain_sampler(base, 0)


def test_proposals_are_pythons_own_numbers() -> None:
    some = [Outcome({"lr": x, "wd": 0.0, "kind": "a"}, x) for x in (-0.2, 0.0, 0.2)]
    found = propose(PRIORS, some, 1.0, np.random.default_rng(0))
    assert {name: type(value) for name, value in found.items()} == {
        "kind": str, "lr": float, "wd": float,
    }  # fmt: skip


def test_refuses() -> None:
    with pytest.raises(ArgumentError, match="did you mean 'tpe'"):
        PriorSampler(PRIORS, "tpee")
    with pytest.raises(ArgumentError, match="beta=0"):
        PriorSampler(PRIORS, beta=0)
