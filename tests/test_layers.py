"""Imports run downwards only; the core is cheap and never sees torch or Lightning.

import-linter checks the whole graph; these tests check what really gets loaded.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {"torch", "pytorch_lightning", "lightning", "matplotlib", "optuna", "pytorch_optimizer"}
PACKAGE = Path(__file__).parents[1] / "lrtool"
PURE = ["types", "errors", "_check", "_optional", "durations", "sweep", "smoothing", "curve"]
PURE += ["suggest", "result", "stopping", "schedules"]


def python(code: str) -> str:
    """Run `code` in a new interpreter, away from the checkout, and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd="/", check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def loaded_by(code: str) -> set[str]:
    listing = python(f"{code}\nimport json, sys; print(json.dumps(list(sys.modules)))")
    return {name.partition(".")[0] for name in json.loads(listing.splitlines()[-1])}


def test_import_lrtool_loads_nothing_heavy() -> None:
    assert not loaded_by("import lrtool") & (HEAVY | {"numpy"})


def test_import_lrtool_is_cheap() -> None:
    code = "from time import perf_counter as t\na = t()\nimport lrtool\nprint(t() - a)"
    assert min(float(python(code)) for _ in range(3)) < 0.3


@pytest.mark.parametrize("module", PURE)
def test_pure_layers_never_load_torch(module: str) -> None:
    assert not loaded_by(f"import lrtool.{module}") & HEAVY


@pytest.mark.parametrize("module", ["snapshot", "param_groups", "optimizers"])
def test_torch_layer_never_loads_lightning(module: str) -> None:
    assert not loaded_by(f"import lrtool.{module}") & (HEAVY - {"torch"})


@pytest.mark.parametrize("module", ["search", "plotting", "report", "cli"])
def test_optuna_and_matplotlib_are_loaded_when_first_used(module: str) -> None:
    assert not loaded_by(f"import lrtool.{module}") & {"matplotlib", "optuna", "torch"}


def test_callbacks_are_one_folder_under_one_name() -> None:
    assert (PACKAGE / "callbacks").is_symlink()
    assert (PACKAGE / "callbacks").readlink() == Path("../callbacks")
    where = python("import lrtool.callbacks as c; print(c.__name__, c.LRRangeTest.__module__)")
    assert where.split() == ["lrtool.callbacks", "lrtool.callbacks.range_test"]
