"""How many trials a search needs, with and without a measured prior.

    python benchmarks/search.py --half dev       # while developing
    python benchmarks/search.py --half report    # the figures in results/search.md

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
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from search_table import DEV, NAMES, PATH, REPORT, SHARES, knobs
from sklearn.ensemble import ExtraTreesRegressor
from tasks import task

from lrtool.curve import LossCurve
from lrtool.result import RangeTestResult
from lrtool.search.measured import measured_space
from lrtool.search.sampler import PriorSampler, distribution
from lrtool.search.space import LR, Space
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
        self.forest = [
            self._grown(_features(rows), np.log(losses[:, k])) for k in range(len(SHARES))
        ]
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
        Suggestion(s.lr * k, s.min_lr * k, s.max_lr * k, (low * k, high * k), s.method, s.status, s.reason),
    )  # fmt: skip


def range_result(surrogate: Surrogate, seed: int) -> RangeTestResult:
    entry = surrogate.sweeps[seed]
    curve = LossCurve.from_dict(entry["curve"])
    return RangeTestResult(curve, suggest(curve, optimizer=knobs(task(surrogate.name)).optimizer))


def our_space(surrogate: Surrogate, seed: int, shift: float = 0.0) -> tuple[Space, RangeTestResult]:
    result = range_result(surrogate, seed)
    result = shifted(result, shift) if shift else result
    return measured_space(result, knobs(task(surrogate.name))), result


def run(
    surrogate: Surrogate,
    sampler: optuna.samplers.BaseSampler,
    dists: Mapping[str, Any],
    natural: Callable[[Mapping[str, Any]], dict[str, Any]],
    trials: int,
) -> tuple[np.ndarray, float, optuna.Study]:
    """Values of each trial, seconds of the sampler a trial, and the study."""
    study = optuna.create_study(sampler=sampler)
    values, spent = [], 0.0
    for _ in range(trials):
        started = time.perf_counter()
        trial = study.ask(dict(dists))
        spent += time.perf_counter() - started
        value = surrogate(natural(trial.params))
        study.tell(trial, value)
        values.append(value)
    return np.array(values), spent / trials, study


def ours(
    surrogate: Surrogate, seed: int, trials: int, shift: float = 0.0, **options: Any
) -> dict[str, Any]:
    space, result = our_space(surrogate, seed, shift)
    sampler = PriorSampler(space.priors, seed=seed, pick=space.start(), explore=LR, **options)
    dists = {name: distribution(prior) for name, prior in space.priors.items()}
    values, seconds, study = run(surrogate, sampler, dists, space.params, trials)
    guard = study.user_attrs.get("lrtool:prior_guard", {}).get("trial")
    return {"values": values, "seconds": seconds, "guard": guard,
            "sweep": result.num_steps / task(surrogate.name).num_steps}  # fmt: skip


def peer(
    surrogate: Surrogate, make: Callable[[int], Any], seed: int, trials: int
) -> dict[str, Any]:
    dists, natural = wide_space(surrogate.name)
    values, seconds, _ = run(surrogate, make(seed), dists, natural, trials)
    return {"values": values, "seconds": seconds, "guard": None, "sweep": 0.0}


def qmc(seed: int) -> Any:
    return optuna.samplers.QMCSampler(seed=seed, scramble=True, warn_independent_sampling=False)


METHODS: dict[str, Callable[[Surrogate, int], dict[str, Any]]] = {
    "tpe": lambda s, seed: peer(s, lambda k: optuna.samplers.TPESampler(seed=k), seed, TRIALS),
    "random": lambda s, seed: peer(
        s, lambda k: optuna.samplers.RandomSampler(seed=k), seed, TRIALS
    ),
    "quasi-random": lambda s, seed: peer(s, qmc, seed, 2 * TRIALS),
    "gp": lambda s, seed: peer(s, lambda k: optuna.samplers.GPSampler(seed=k), seed, 30),
    "ours": lambda s, seed: ours(s, seed, TRIALS),
    "ours +2": lambda s, seed: ours(s, seed, TRIALS, 2.0),
    "ours -2": lambda s, seed: ours(s, seed, TRIALS, -2.0),
    "ours tpe": lambda s, seed: ours(s, seed, TRIALS, base="tpe"),
}


def evaluate(surrogate: Surrogate, method: str, seeds: int) -> dict[str, Any]:
    runs = [METHODS[method](surrogate, seed) for seed in range(seeds)]
    best = np.minimum.accumulate(np.stack([r["values"] for r in runs]), axis=1)
    return {
        "regret": np.round(
            (best - surrogate.best) / (surrogate.before - surrogate.best), 5
        ).tolist(),
        "sweep": float(np.mean([r["sweep"] for r in runs])),
        "seconds": float(np.median([r["seconds"] for r in runs])),
        "guard": [r["guard"] for r in runs],
    }


def trials_to(curve: np.ndarray, target: float, sweep: float) -> float:
    """Trials' worth of steps until the median of the seeds reaches `target`; inf when it does not."""
    median = np.median(curve, axis=0)
    hit = np.flatnonzero(median <= target)
    return float(hit[0] + 1 + sweep) if len(hit) else float("inf")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--half", choices=("dev", "report"), default="dev")
    parser.add_argument("--fast", action="store_true", help="two tasks, three seeds")
    parser.add_argument("--methods", default="tpe,random,quasi-random,ours,ours +2,ours -2")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--runs", type=Path, help="keep every run here, beside those already kept")
    parser.add_argument("--tasks", default="", help="only these, separated by commas")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    data = dict(np.load(PATH, allow_pickle=False))
    names = [n for n in (DEV if args.half == "dev" else REPORT) if f"{n}/rows" in data]
    names = [n for n in names if not args.tasks or n in args.tasks.split(",")]
    names = names[:2] if args.fast else names
    seeds = 3 if args.fast else args.seeds
    runs = json.loads(args.runs.read_text()) if args.runs and args.runs.exists() else {}
    for name in names:
        surrogate = Surrogate(data, name)
        for method in args.methods.split(","):
            runs.setdefault(name, {})[method] = evaluate(surrogate, method, seeds)
            if args.runs:
                args.runs.write_text(json.dumps(runs))
        show(name, runs[name])


def show(name: str, found: Mapping[str, Any]) -> None:
    print(f"\n{name}", flush=True)
    curves = {method: np.array(r["regret"]) for method, r in found.items()}
    targets = {k: float(np.median(curves[k][:, -1])) for k in ("tpe", "random") if k in found}
    for method, r in found.items():
        median = np.median(curves[method], axis=0)
        at = " ".join(f"{median[min(n, len(median)) - 1]:.4f}" for n in (1, 3, 6, 12, 20, 40, 60))
        to = {k: round(trials_to(curves[method], v, r["sweep"]), 2) for k, v in targets.items()}
        flagged = [g for g in r["guard"] if g is not None]
        early = sum(g <= 15 for g in flagged)
        print(f"  {method:14s} regret at 1,3,6,12,20,40,60: {at}  to {to}  {1000 * r['seconds']:.0f} ms"
              f"  flagged {len(flagged)}, by 15: {early}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
