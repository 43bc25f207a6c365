"""Random arguments for every schedule, by its name."""

from typing import Any

from hypothesis import strategies as st

from lrtool import schedules
from lrtool.schedules import Schedule

RATE = st.floats(1e-6, 10.0)
SMALL = st.floats(0.0, 1e-6)
FRACTION = st.floats(0.05, 0.95)
STEPS = st.integers(1, 500)


def half(value: float) -> float:
    """For scale_fn and fn: a function with a name, which pickles."""
    return 1.0 / (1.0 + value)


_TRIANGLE = {
    "max_lr": RATE,
    "min_lr": SMALL,
    "step_size_up": STEPS,
    "step_size_down": st.none() | STEPS,
}
_DECAY = {"lr": RATE, "total_steps": STEPS}
_INNER = st.builds(schedules.cosine, lr=RATE, total_steps=STEPS)

ARGUMENTS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "constant": {"lr": RATE},
    "cosine": {**_DECAY, "eta_min": SMALL},
    "cyclical": {
        **_TRIANGLE,
        "scale_fn": st.just(half),
        "scale_mode": st.sampled_from(["cycle", "iterations"]),
    },
    "exp_range": {**_TRIANGLE, "gamma": st.floats(0.9, 1.0)},
    "exponential": {"lr": RATE, "gamma": st.floats(0.5, 1.0), "min_lr": SMALL},
    "inverse_sqrt": {"lr": RATE, "timescale": st.floats(1.0, 1000.0)},
    "inverse_time": {"lr": RATE, "decay_steps": st.floats(1.0, 1000.0), "decay_rate": FRACTION},
    "join": {
        "schedules": st.lists(_INNER, min_size=3, max_size=3),
        "boundaries": st.lists(STEPS, min_size=2, max_size=2, unique=True).map(sorted),
    },
    "lambda": {"fn": st.just(half), "lr": RATE},
    "linear": {**_DECAY, "end_lr": RATE},
    "multi_step": {
        "lr": RATE,
        "milestones": st.lists(STEPS, max_size=5).map(sorted),
        "gamma": FRACTION,
    },
    "one_cycle": {
        "max_lr": RATE,
        "total_steps": STEPS,
        "pct_start": st.floats(0.05, 0.5),
        "anneal_strategy": st.sampled_from(["cos", "linear"]),
        "div_factor": st.floats(1.0, 100.0),
        "final_div_factor": st.floats(1.0, 1e5),
        "three_phase": st.booleans(),
    },
    "opposed": {
        "schedule": st.builds(schedules.one_cycle, max_lr=RATE, total_steps=STEPS),
        "low": st.floats(0.1, 0.5),
        "high": st.floats(0.5, 0.99),
    },
    "polynomial": {**_DECAY, "power": st.floats(0.1, 5.0), "end_lr": SMALL},
    "product": {"schedules": st.lists(_INNER, min_size=1, max_size=3)},
    "repeat": {"schedule": _INNER, "every": STEPS, "times": st.none() | st.integers(1, 9)},
    "rex": _DECAY,
    "scale": {"schedule": _INNER, "factor": RATE},
    "sgdr": {
        "max_lr": RATE,
        "T_0": STEPS,
        "T_mult": st.sampled_from([0.5, 0.9, 1.0, 1.1, 1.5, 2.0, 3.0, 10.0]),
        "eta_min": SMALL,
        "decay": FRACTION,
        "warmup_steps": st.integers(0, 20),
    },
    "slanted_triangular": {
        "max_lr": RATE,
        "total_steps": STEPS,
        "cut_frac": FRACTION,
        "ratio": st.floats(1.0, 100.0),
    },
    "step": {"lr": RATE, "step_size": STEPS, "gamma": FRACTION},
    "triangular": _TRIANGLE,
    "triangular2": _TRIANGLE,
    "warmup": {
        "schedule": _INNER,
        "warmup_steps": st.integers(0, 500),
        "start_factor": st.floats(0, 1),
    },
    "wsd": {
        **_DECAY,
        "warmup_frac": st.floats(0.0, 0.5),
        "cooldown_frac": st.floats(0.0, 0.5),
        "cooldown": st.sampled_from(["linear", "cosine", "1-sqrt"]),
        "end_lr": SMALL,
    },
}


def random_schedule(name: str) -> st.SearchStrategy[Schedule]:
    """Schedules of that name with arguments from all over their ranges."""
    return st.builds(lambda **params: schedules.create(name, **params), **ARGUMENTS[name])
