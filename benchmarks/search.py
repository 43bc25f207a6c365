"""How many trials a search needs, with and without a measured prior.

    python benchmarks/search.py --half dev       # while developing; and --half extra
    python benchmarks/search.py --half report    # results/search.md; and --half drawn

Every objective is a table of real trainings (`search_table.py`), interpolated by extremely
randomized trees; all methods search the same parameters, ours in coordinates around the measured
rate, the others in their natural units with LR from 1e-7 to 10. One trial is one training; the
range test is counted in trials too.
"""

import argparse
import json
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from search_table import HALVES, NAMES, PATHS, SHARES, knobs
from sklearn.ensemble import ExtraTreesRegressor
from tasks import task

from lrtool.curve import LossCurve
from lrtool.result import RangeTestResult
from lrtool.search.measured import measured_space
from lrtool.search.pruners import REDUCTION, make_pruner
from lrtool.search.sampler import PriorSampler, distribution
from lrtool.search.space import LR, MOMENTUM, Space
from lrtool.suggest import Suggestion, suggest

SEEDS = 20
TRIALS = 60


class Surrogate:
    """A task's table as a function of any parameters: trees on log losses, in numpy."""

    def __init__(self, data: Mapping[str, np.ndarray], name: str) -> None:
        self.name = name
        rows = data[f"{name}/rows"].astype(float)
        self.before = float(data[f"{name}/before"])
        losses = data[f"{name}/losses"].astype(float)
        losses = np.where(np.isfinite(losses), np.minimum(losses, 2 * self.before), 2 * self.before)
        self.forest = [self._grown(_features(rows), np.log(column)) for column in losses.T]
        self.best = self._lowest(rows, losses[:, -1])
        self.sweeps = json.loads(str(data[f"{name}/sweeps"]))

    @staticmethod
    def _grown(x: np.ndarray, y: np.ndarray) -> list[tuple[np.ndarray, ...]]:
        model = ExtraTreesRegressor(100, min_samples_leaf=2, max_features=0.7, random_state=0)
        model.fit(x, y)
        trees = [e.tree_ for e in model.estimators_]
        size = max(t.node_count for t in trees)
        pad = lambda a: np.pad(a, (0, size - len(a)))  # noqa: E731
        stack = lambda f: np.stack([pad(f(t)) for t in trees])  # noqa: E731
        left = stack(
            lambda t: np.where(t.children_left < 0, np.arange(t.node_count), t.children_left)
        )
        right = stack(
            lambda t: np.where(t.children_right < 0, np.arange(t.node_count), t.children_right)
        )
        feature = stack(lambda t: np.maximum(t.feature, 0))
        threshold = stack(lambda t: t.threshold)
        value = stack(lambda t: t.value[:, 0, 0])
        depth = max(t.max_depth for t in trees)
        return [left, right, feature, threshold, value, np.array(depth)]  # type: ignore[return-value]

    def __call__(self, params: Mapping[str, Any], fidelity: int = -1) -> float:
        row = np.array([[params.get(name) or 0.0 for name in NAMES]])
        x = _features(row)[0]
        left, right, feature, threshold, value, depth = self.forest[fidelity]
        trees = np.arange(len(left))
        node = np.zeros(len(left), dtype=int)
        for _ in range(int(depth)):
            goes_left = x[feature[trees, node]] <= threshold[trees, node]
            node = np.where(goes_left, left[trees, node], right[trees, node])
        return float(np.exp(value[trees, node].mean()))

    def _lowest(self, rows: np.ndarray, losses: np.ndarray) -> float:
        """The lowest value a long local search finds."""
        random = np.random.default_rng(0)
        best = rows[np.argsort(losses)[:10]]
        values = [self(dict(zip(NAMES, row, strict=True))) for row in best]
        for _ in range(40):
            for i, row in enumerate(best):
                trial = _jiggled(row, random)
                value = self(dict(zip(NAMES, trial, strict=True)))
                if value < values[i]:
                    best[i], values[i] = trial, value
        return float(min(values))

    def regret(self, value: float) -> float:
        return (value - self.best) / (self.before - self.best)


def _jiggled(row: np.ndarray, random: np.random.Generator) -> np.ndarray:
    out = row.copy()
    out[[0, 2, 4, 5]] *= 10 ** (0.15 * random.standard_normal(4))
    out[1] = 1 - np.clip((1 - out[1]) * 10 ** (0.15 * random.standard_normal()), 0.005, 1)
    out[3] = np.clip(out[3] + 0.05 * random.standard_normal(), 0.05, 0.5)
    out[6] = np.clip(out[6] + 0.1 * random.standard_normal(), 0, 0.7) if out[6] else 0.0
    return out


def _features(rows: np.ndarray) -> np.ndarray:
    lr, momentum, decay, pct, div, final, dip = rows.T
    log = lambda v: np.log10(np.maximum(v, 1e-12))  # noqa: E731
    return np.stack(
        [log(lr), log(1 - momentum), log(lr / (1 - momentum + 1e-9)), log(decay), log(lr * decay),
         pct, log(div), log(final), dip], 1,
    )  # fmt: skip


def wide_space(name: str) -> tuple[dict[str, Any], Callable[[Mapping[str, Any]], dict[str, Any]]]:
    """The same parameters in natural units, LR from 1e-7 to 10."""
    held = knobs(task(name))
    decay = held.weight_decay or 1e-4
    dists: dict[str, Any] = {
        "max_lr": optuna.distributions.FloatDistribution(1e-7, 10, log=True),
        "one_minus_momentum": optuna.distributions.FloatDistribution(0.005, 1, log=True),
        "weight_decay": optuna.distributions.FloatDistribution(decay * 1e-3, decay * 1e2, log=True),
        "pct_start": optuna.distributions.FloatDistribution(0.05, 0.5),
        "div_factor": optuna.distributions.FloatDistribution(2, 100, log=True),
        "final_div_factor": optuna.distributions.FloatDistribution(10, 1e5, log=True),
    }
    if held.accumulates:
        dists["momentum_dip"] = optuna.distributions.FloatDistribution(0, 0.7)
    return dists, lambda p: {**p, "momentum": 1 - p["one_minus_momentum"]}


def shifted(result: RangeTestResult, decades: float) -> RangeTestResult:
    """The same measurement with every rate off by `decades`."""
    k, s, c = 10**decades, result.suggestion, result.curve
    low, high = s.interval
    return RangeTestResult(
        LossCurve(c.lr * k, c.loss, c.stop_reason, c.passes, c.message),
        Suggestion(
            s.lr * k, s.min_lr * k, s.max_lr * k, (low * k, high * k), s.method, s.status, s.reason
        ),
    )  # fmt: skip


def range_result(surrogate: Surrogate, seed: int) -> RangeTestResult:
    entry = surrogate.sweeps[seed]
    curve = LossCurve.from_dict(entry["curve"])
    return RangeTestResult(curve, suggest(curve, optimizer=knobs(task(surrogate.name)).optimizer))


def our_space(surrogate: Surrogate, seed: int, shift: float = 0.0) -> tuple[Space, RangeTestResult]:
    result = range_result(surrogate, seed)
    result = shifted(result, shift) if shift else result
    return measured_space(result, knobs(task(surrogate.name))), result


@dataclass
class Run:
    """One search: best value so far, what it had cost by then (in trainings), seconds a trial."""

    best: np.ndarray
    cost: np.ndarray
    seconds: float
    guard: int | None


def run(
    surrogate: Surrogate,
    study: optuna.Study,
    dists: Mapping[str, Any],
    natural: Callable[[Mapping[str, Any]], dict[str, Any]],
    trials: int,
    sweep: float = 0.0,
    rungs: bool = False,
) -> Run:
    best, cost, spent, low, paid = [], [], 0.0, np.inf, sweep
    for _ in range(trials):
        started = time.perf_counter()
        trial = study.ask(dict(dists))
        spent += time.perf_counter() - started
        value, price = _evaluated(surrogate, trial, natural(trial.params), rungs)
        paid += price
        if value is None:
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        else:
            study.tell(trial, value)
            low = min(low, value)
        best.append(low)
        cost.append(paid)
    guard = study.user_attrs.get("lrtool:prior_guard", {}).get("trial")
    return Run(np.array(best), np.array(cost), spent / trials, guard)


def _evaluated(
    surrogate: Surrogate, trial: optuna.Trial, params: dict[str, Any], rungs: bool
) -> tuple[float | None, float]:
    """Value (None when given up on a rung) and cost."""
    price = 0.0
    if rungs:
        for rung, share in enumerate(SHARES[:-1]):
            price += share
            trial.report(surrogate(params, rung), REDUCTION**rung)
            if trial.should_prune():
                return None, price
    return surrogate(params), price + 1


def ours(
    surrogate: Surrogate, seed: int, shift: float = 0.0, rungs: bool = False, **options: Any
) -> Run:
    space, result = our_space(surrogate, seed, shift)
    sampler = PriorSampler(
        space.priors, seed=seed, pick=space.start(), explore=LR, sensitive=(LR, MOMENTUM), **options
    )
    pruner = make_pruner("rungs" if rungs else "none", {})
    study = optuna.create_study(sampler=sampler, pruner=pruner)
    dists = {name: distribution(prior) for name, prior in space.priors.items()}
    sweep = result.num_steps / task(surrogate.name).num_steps
    return run(surrogate, study, dists, space.params, TRIALS, sweep, rungs)


def peer(surrogate: Surrogate, make: Callable[[int], Any], seed: int, trials: int = TRIALS) -> Run:
    dists, natural = wide_space(surrogate.name)
    return run(surrogate, optuna.create_study(sampler=make(seed)), dists, natural, trials)


def qmc(seed: int) -> Any:
    return optuna.samplers.QMCSampler(seed=seed, scramble=True, warn_independent_sampling=False)


def smac(surrogate: Surrogate, seed: int, trials: int = 10) -> Run:
    """SMAC3's πBO with the same prior, range test included in the cost."""
    from search_others import smac_pibo

    space, result = our_space(surrogate, seed)
    values, seconds = smac_pibo(
        space.priors, space.start(), lambda p: surrogate(space.params(p)), trials, seed
    )
    cost = np.arange(1, trials + 1) + result.num_steps / task(surrogate.name).num_steps
    return Run(np.minimum.accumulate(values), cost, seconds, None)


METHODS: dict[str, Callable[[Surrogate, int], Run]] = {
    "tpe": lambda s, seed: peer(s, lambda k: optuna.samplers.TPESampler(seed=k), seed),
    "random": lambda s, seed: peer(s, lambda k: optuna.samplers.RandomSampler(seed=k), seed),
    "quasi-random": lambda s, seed: peer(s, qmc, seed, 2 * TRIALS),
    "gp": lambda s, seed: peer(s, lambda k: optuna.samplers.GPSampler(seed=k), seed, 30),
    "ours": ours,
    "ours +2": lambda s, seed: ours(s, seed, 2.0),
    "ours -2": lambda s, seed: ours(s, seed, -2.0),
    "ours, rungs": lambda s, seed: ours(s, seed, rungs=True),
    "smac": smac,
    "ours on tpe": lambda s, seed: ours(s, seed, base="tpe"),
}
_SLOW = {"gp", "smac"}  # run when asked for; smac needs `pip install smac`
GRID = np.arange(0.25, 2 * TRIALS + 0.01, 0.25)


def evaluate(surrogate: Surrogate, method: str, seeds: int) -> dict[str, Any]:
    """Regret of each seed (rows) at each cost of GRID (columns); 1 before the first trial ends."""
    runs = [METHODS[method](surrogate, seed) for seed in range(seeds)]
    rows = []
    for r in runs:
        done = np.searchsorted(r.cost, GRID + 1e-9, side="right")
        value = np.where(done > 0, r.best[np.maximum(done, 1) - 1], np.inf)
        regret = (value - surrogate.best) / (surrogate.before - surrogate.best)
        rows.append(np.minimum(regret, 1.0))
    return {
        "regret": np.round(rows, 6).tolist(),
        "seconds": float(np.median([r.seconds for r in runs])),
        "guard": [r.guard for r in runs],
    }


def show(name: str, found: Mapping[str, Any]) -> dict[str, Any]:
    """Print one task; how many trainings' worth each method needs to reach its rivals' ends."""
    print(f"\n{name}", flush=True)
    at = {n: int(np.flatnonzero(n <= GRID)[0]) for n in (2, 3, 6, 10, 12, 20, 40, 60)}
    curves = {method: np.array(r["regret"]) for method, r in found.items()}
    targets = {k: float(np.median(curves[k][:, at[60]])) for k in ("tpe", "random")}
    facts: dict[str, Any] = {}
    for method, r in found.items():
        median = np.median(curves[method], axis=0)
        facts[method] = {
            k: float(next(iter(GRID[median <= v + 1e-9]), np.inf)) for k, v in targets.items()
        }
        for n in (10, 20, 40, 60):
            facts[method][n] = _paired(curves[method][:, at[n]], curves["tpe"][:, at[n]])
        to_50 = [curves[m][:, (4 * 50) - 1] for m in (method, "tpe")]
        facts[method]["ratio_50"] = float(np.median(to_50[0]) / max(np.median(to_50[1]), 1e-9))
        facts[method]["guard"] = r["guard"]
        line = " ".join(f"{median[i]:.4f}" for i in at.values())
        early = sum(g is not None and g <= 15 for g in r["guard"])
        print(
            f"  {method:14s} {line}  to tpe {facts[method]['tpe']:.2f}, "
            f"to random {facts[method]['random']:.2f}; {1000 * r['seconds']:.0f} ms; "
            f"flagged by 15: {early}/{len(r['guard'])}; at 50: {facts[method]['ratio_50']:.2f}",
            flush=True,
        )
    return facts


def _paired(ours: np.ndarray, theirs: np.ndarray) -> tuple[float, float, float]:
    """Mean difference of regrets, and its 95% interval over seeds."""
    difference = ours - theirs[: len(ours)]  # the same seeds, where fewer were run
    random = np.random.default_rng(0)
    means = difference[random.integers(len(difference), size=(2000, len(difference)))].mean(1)
    return tuple(float(v) for v in (difference.mean(), *np.quantile(means, [0.025, 0.975])))  # type: ignore[return-value]


def summary(facts: Mapping[str, Mapping[str, Any]]) -> None:
    """Over tasks: medians of what was needed, and how often TPE was better at equal cost."""
    methods = [m for m in METHODS if all(m in row for row in facts.values())]
    print(f"\nover {len(facts)} tasks")
    for method in methods:
        rows = [row[method] for row in facts.values()]
        need = {k: [row[k] for row in rows] for k in ("tpe", "random")}
        worse = {n: sum(row[n][1] > 0 for row in rows) for n in (10, 20, 40, 60)}
        ratio = np.median([row["ratio_50"] for row in rows])
        flags = np.mean([[g is not None and g <= 15 for g in row["guard"]] for row in rows])
        print(
            f"  {method:14s} trainings to TPE's 60: median {np.median(need['tpe']):.2f} "
            f"(worst {max(need['tpe']):.2f}); to random's 60: {np.median(need['random']):.2f} "
            f"(worst {max(need['random']):.2f}); tasks worse than TPE at 10/20/40/60: "
            f"{'/'.join(str(worse[n]) for n in worse)}; regret at 50 over TPE's: {ratio:.2f}; "
            f"flagged by 15: {100 * flags:.0f}%"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--half", choices=tuple(HALVES), default="dev")
    parser.add_argument("--fast", action="store_true", help="two tasks, three seeds")
    parser.add_argument("--methods", default=";".join(m for m in METHODS if m not in _SLOW))
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--runs", type=Path, help="keep every run here, beside those already kept")
    parser.add_argument("--tasks", default="", help="only these, separated by commas")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    data = dict(np.load(PATHS[args.half], allow_pickle=False))
    names = [n for n in HALVES[args.half] if f"{n}/rows" in data]
    names = [n for n in names if not args.tasks or n in args.tasks.split(",")]
    names = names[:2] if args.fast else names
    seeds = 3 if args.fast else args.seeds
    runs = json.loads(args.runs.read_text()) if args.runs and args.runs.exists() else {}
    facts = {}
    for name in names:
        surrogate = Surrogate(data, name)
        for method in args.methods.split(";") if args.methods else ():
            if "rungs" in method and len(surrogate.forest) == 1:  # only whole trainings known
                continue
            runs.setdefault(name, {})[method] = evaluate(surrogate, method, seeds)
            if args.runs:
                args.runs.write_text(json.dumps(runs))
        if "tpe" in runs[name] and "random" in runs[name]:
            facts[name] = show(name, runs[name])
    summary(facts)


if __name__ == "__main__":
    main()
