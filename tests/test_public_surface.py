"""The public names are a contract: sorted, importable, documented."""

import importlib
import inspect
import pkgutil
import subprocess
import sys

import pytest

import lrtool
import lrtool.callbacks
import lrtool.schedules

CONTRACT = {
    "lrtool": "LossCurve RangeTestResult Suggestion optimizers range_test schedules tune",
    "lrtool.callbacks": """CyclicalScheduler EarlyStopping LRRangeTest OneCycleScheduler
        ParamScheduler SGDRScheduler TrialPruning""",
    "lrtool.schedules": """constant cosine exp_range exponential inverse_sqrt join linear multi_step
        one_cycle polynomial scale sgdr step triangular triangular2 warmup wsd""",
    "lrtool.optimizers": "capabilities create names",
}


@pytest.mark.parametrize("module", CONTRACT)
def test_promised_names_stand(module: str) -> None:
    missing = set(CONTRACT[module].split()) - set(dir(importlib.import_module(module)))
    assert not missing


@pytest.mark.parametrize("module", CONTRACT)
def test_all_is_sorted_and_true(module: str) -> None:
    loaded = importlib.import_module(module)
    assert loaded.__all__ == sorted(loaded.__all__)
    assert all(hasattr(loaded, name) for name in loaded.__all__)


@pytest.mark.parametrize("module", CONTRACT)
def test_every_public_name_is_documented(module: str) -> None:
    loaded = importlib.import_module(module)
    things = {name: getattr(loaded, name) for name in loaded.__all__}
    bare = [name for name, thing in things.items() if callable(thing) and not inspect.getdoc(thing)]
    assert not bare


@pytest.mark.parametrize("name", ["callbacks", "families", "optimizers", "plotting", "schedules"])
def test_modules_that_the_pages_name_need_no_import_of_their_own(name: str) -> None:
    code = f"import lrtool; assert lrtool.{name}.__name__ == 'lrtool.{name}'"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(AttributeError, match="no attribute 'rnage_test'"):
        lrtool.rnage_test  # noqa: B018


def test_no_public_name_is_shadowed_by_a_module() -> None:
    # Importing lrtool.x sets lrtool.x to the module, whatever lrtool.x was before.
    modules = {found.name for found in pkgutil.iter_modules(lrtool.__path__)}
    names = {name for name in lrtool.__all__ if not inspect.ismodule(getattr(lrtool, name))}
    assert not names & modules
