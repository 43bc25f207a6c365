"""The examples in the docstrings run, and every public callable of the contract has one."""

import doctest
import importlib
import inspect
import pkgutil

import pytest

import lrtool

MODULES = sorted(
    found.name
    for found in pkgutil.walk_packages(lrtool.__path__, "lrtool.")
    if not found.name.endswith("__main__")
)
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name: str) -> None:
    # Some packages have a function of a module's name: take the module itself.
    module = importlib.import_module(name)
    found = doctest.testmod(module, optionflags=OPTIONS)
    assert found.failed == 0


def test_examples_exist() -> None:
    finder = doctest.DocTestFinder()
    modules = [importlib.import_module(name) for name in MODULES]
    assert sum(bool(test.examples) for module in modules for test in finder.find(module)) > 40


@pytest.mark.parametrize("package", ["lrtool.schedules", "lrtool.optimizers"])
def test_public_functions_have_an_example(package: str) -> None:
    loaded = importlib.import_module(package)
    things = {name: getattr(loaded, name) for name in loaded.__all__}
    bare = [
        name
        for name, thing in things.items()
        if (inspect.isfunction(thing) or (name.islower() and inspect.isclass(thing)))
        and ">>>" not in (inspect.getdoc(thing) or "")
    ]
    assert not bare
