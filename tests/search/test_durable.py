"""Studies outlive their workers."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
import pytest

from support.postgres import postgres
from support.search_jobs import check_books, run, run_under_fire


@contextmanager
def closing(study: optuna.Study) -> Iterator[optuna.Study]:
    """Give the database its connections back, before the server goes and a later test is blamed."""
    try:
        yield study
    finally:
        storage = study._storage
        backend: Any = getattr(storage, "_backend", storage)  # a cache before it, or not
        backend.remove_session()
        backend.engine.dispose()
        gc.collect()


def test_F5_total_over_kills_on_a_journal(tmp_path: Path) -> None:
    storage = str(tmp_path / "study.journal")
    killed = run_under_fire(storage, "fire", 60, workers=3, kills=6)
    result = run(storage, "fire", 60)
    check_books(result.study, 60)
    assert killed >= 3


@pytest.mark.slow
def test_eight_workers_thousand_trials_random_kills(tmp_path: Path) -> None:
    storage = str(tmp_path / "study.journal")
    killed = run_under_fire(storage, "fire", 1000, workers=8, kills=60)
    result = run(storage, "fire", 1000)
    check_books(result.study, 1000)
    assert killed >= 30


def test_F5_total_over_kills_on_postgresql() -> None:
    with postgres() as url:
        killed = run_under_fire(url, "fire", 40, workers=3, kills=4)
        with closing(run(url, "fire", 40).study) as study:
            check_books(study, 40)
        assert killed >= 2


@pytest.mark.slow
def test_eight_workers_thousand_trials_random_kills_on_postgresql() -> None:
    with postgres() as url:
        killed = run_under_fire(url, "fire", 1000, workers=8, kills=60)
        with closing(run(url, "fire", 1000).study) as study:
            check_books(study, 1000)
        assert killed >= 30
