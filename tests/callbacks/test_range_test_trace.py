"""A fit with the finder (apply=False) and the same fit without it leave the same things behind."""

from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from lrtool.callbacks import LRRangeTest
from support.trace import LOADERS, NAMESPACES, WORKER_LOADERS, differences, record


@pytest.fixture(params=NAMESPACES)
def lightning(request: pytest.FixtureRequest) -> ModuleType:
    return import_module(request.param)


def finder(**options: Any) -> LRRangeTest:
    return LRRangeTest(**{"apply": False, "num_steps": 20, "max_steps": 40, **options})


def assert_no_trace(
    lightning: ModuleType, folder: Path, finder: LRRangeTest, *args: Any, **options: Any
) -> None:
    plain = record(lightning, folder / "plain", None, *args, **options)
    swept = record(lightning, folder / "swept", finder, *args, **options)
    assert finder.result is not None
    assert finder.result.num_steps >= 20
    assert finder.result.not_restored == ()
    assert differences(plain, swept) == []


@pytest.mark.parametrize("kind", LOADERS)
def test_B4_no_trace_whatever_the_loader(kind: str, lightning: ModuleType, tmp_path: Path) -> None:
    assert_no_trace(lightning, tmp_path, finder(), LOADERS[kind])


@pytest.mark.parametrize("kind", WORKER_LOADERS)
def test_B4_no_trace_with_workers(kind: str, tmp_path: Path) -> None:
    assert_no_trace(import_module(NAMESPACES[0]), tmp_path, finder(), WORKER_LOADERS[kind])
