"""Which Lightning is there."""

from types import ModuleType

import pytest

from lrtool.callbacks import _lightning
from lrtool.errors import MissingDependencyError


def test_where_no_lightning_imports_it_is_said_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> ModuleType:
        raise ImportError(f"{name} misses a part")

    monkeypatch.setattr(_lightning, "import_module", broken)
    with pytest.raises(MissingDependencyError, match="pip install pytorch-lightning") as raised:
        _lightning.lightning_modules()
    why = "(pytorch_lightning misses a part; lightning.pytorch misses a part)"
    assert f"neither imports {why}" in str(raised.value)


def test_one_that_imports_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    there = ModuleType("lightning.pytorch")

    def one(name: str) -> ModuleType:
        if name != there.__name__:
            raise ImportError(name)
        return there

    monkeypatch.setattr(_lightning, "import_module", one)
    assert _lightning.lightning_modules() == [there]
