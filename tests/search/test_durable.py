"""Studies outlive their workers."""

from pathlib import Path

import pytest

from support.postgres import postgres
from support.search_jobs import check_books, run, run_under_fire


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


@pytest.mark.filterwarnings("ignore:.*psycopg.Connection.*:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore:.*psycopg.Connection.*:ResourceWarning")
def test_F5_total_over_kills_on_postgresql() -> None:
    with postgres() as url:
        killed = run_under_fire(url, "fire", 40, workers=3, kills=4)
        result = run(url, "fire", 40)
        check_books(result.study, 40)
        assert killed >= 2


@pytest.mark.slow
def test_eight_workers_thousand_trials_random_kills_on_postgresql() -> None:
    with postgres() as url:
        killed = run_under_fire(url, "fire", 1000, workers=8, kills=60)
        result = run(url, "fire", 1000)
        check_books(result.study, 1000)
        assert killed >= 30
