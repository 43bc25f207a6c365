"""Where studies live beside the default: MySQL, Optuna's gRPC proxy, and a dashboard looking on."""

import io
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import RDBStorage

from lrtool.cli._study import read_study
from lrtool.errors import ArgumentError, MissingDependencyError
from lrtool.search.locks import DatabaseLocks, FileLocks, Locks
from lrtool.search.storage import open_storage
from lrtool.search.study import Definition
from support.measurements import measurement
from support.mysql import mysql
from support.postgres import postgres
from support.search_jobs import KNOBS, check_books, run, run_under_fire, train


def excludes(ours: Locks, theirs: Locks) -> bool:
    """Whether one mutex keeps the other out, and a lease is seen by the other while it is held."""
    entered = threading.Event()

    def enter() -> None:
        with theirs.mutex():
            entered.set()

    other = threading.Thread(target=enter)
    with ours.mutex():
        other.start()
        kept_out = not entered.wait(0.3)
    other.join(10)
    with ours.lease("me"):
        seen = theirs.alive("me")
    return kept_out and entered.is_set() and seen and not theirs.alive("me")


def test_mysql_holds_locks_and_studies() -> None:
    with mysql() as url:
        first, second = (open_storage(url, "s") for _ in range(2))
        assert excludes(first.locks, second.locks)
        first.close()
        second.close()
        check_books(run(url, "s", 3).study, 3)


@pytest.mark.slow
def test_F5_total_over_kills_on_mysql() -> None:
    with mysql() as url:
        killed = run_under_fire(url, "fire", 20, workers=2, kills=2)
        result = run(url, "fire", 20)
        check_books(result.study, 20)
        assert killed >= 1


@pytest.mark.parametrize(
    ("url", "reason"),
    [("mysql+nodriver://user:hush@host/db", "nodriver"), ("mysql+pyodbc://u@host/db", "pyodbc")],
)
def test_mysql_without_its_driver_says_what_to_install(url: str, reason: str) -> None:
    with pytest.raises(MissingDependencyError, match=f"{reason}.*pip install pymysql") as caught:
        open_storage(url, "s")
    assert "hush" not in str(caught.value)
    with pytest.raises(MissingDependencyError, match="pip install pymysql"):
        read_study(url, None)


def test_mysql_that_does_not_answer_is_refused_without_the_password() -> None:
    pytest.importorskip("pymysql", reason="PyMySQL is not installed")
    with pytest.raises(ArgumentError, match="a database that answers") as caught:
        open_storage("mysql+pymysql://user:hush@127.0.0.1:9/db", "s")
    assert "hush" not in str(caught.value)


def test_storages_of_optuna_get_the_locks_of_their_place(tmp_path: Path) -> None:
    sqlite = f"sqlite:///{tmp_path / 's.db'}"
    ours, theirs = open_storage(sqlite, "s"), open_storage(RDBStorage(sqlite), "s")
    assert isinstance(theirs.locks, FileLocks)
    assert excludes(ours.locks, theirs.locks)
    for home in (ours, theirs):
        home.close()
    with postgres() as url:
        engine_url = url.replace("postgresql://", "postgresql+psycopg://")
        ours, theirs = open_storage(url, "s"), open_storage(RDBStorage(engine_url), "s")
        assert isinstance(theirs.locks, DatabaseLocks)
        assert excludes(ours.locks, theirs.locks)
        for home in (ours, theirs):
            home.close()


_PROXY = """
import sys, warnings
warnings.simplefilter("ignore")
from optuna.storages import get_storage, run_grpc_proxy_server
run_grpc_proxy_server(get_storage(sys.argv[1]), host="127.0.0.1", port=int(sys.argv[2]))
"""


@contextmanager
def proxy(database: str) -> Iterator[str]:
    """Optuna's own proxy before a database."""
    pytest.importorskip("grpc", reason="grpcio is not installed")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-c", _PROXY, database, str(port)]
    server = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        for _ in range(300):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert server.poll() is None
            time.sleep(0.1)
        yield f"grpc://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(20)


def test_grpc_proxy_is_passed_through(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path / 'behind.db'}"
    with proxy(database) as url:
        begun = run(url, "s", 3, seed=0)
        assert len(read_study(url, "s").trials) == 3
        assert begun.storage == url
        done = run(url, "s", 6)
        check_books(done.study, 6)
    plain = run("memory://", "s", 6, seed=0)
    behind = optuna.load_study(study_name="s", storage=database)
    assert [t.params for t in behind.trials] == [t.params for t in plain.study.trials]
    assert [t.values for t in behind.trials] == [t.values for t in plain.study.trials]


def test_grpc_proxy_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("grpc", reason="grpcio is not installed")
    monkeypatch.setattr("lrtool.search.storage._PATIENCE", 0.2)
    with pytest.raises(ArgumentError, match=r"got 'grpc://127\.0\.0\.1:9'"):
        open_storage("grpc://127.0.0.1:9", "s")


def test_optuna_dashboard_shows_a_study(tmp_path: Path) -> None:
    dashboard = pytest.importorskip("optuna_dashboard", reason="optuna-dashboard is not installed")
    from lrtool.search import measured_space, search

    found = measurement(0.1)
    both = measured_space(found, KNOBS, schedules=("one_cycle", "cosine"))
    storage = tmp_path / "study.journal"
    result = search(
        train, lambda: Definition(both, found),
        storage=storage, study_name="s", n_trials=5, progress_bar=False,
    )  # fmt: skip
    app = dashboard.wsgi(open_storage(storage, "s").storage)

    def get(path: str) -> bytes:
        answer: list[str] = []
        request = {
            "REQUEST_METHOD": "GET", "PATH_INFO": path, "QUERY_STRING": "", "SERVER_NAME": "here",
            "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1", "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(), "wsgi.errors": sys.stderr,
        }  # fmt: skip
        body = b"".join(app(request, lambda status, headers, error=None: answer.append(status)))
        assert answer == ["200 OK"], (path, answer, body)
        return body

    (summary,) = json.loads(get("/api/studies"))["study_summaries"]
    page: Any = json.loads(get(f"/api/studies/{summary['study_id']}"))
    assert [trial["values"] for trial in page["trials"]] == [
        trial.values for trial in result.study.trials
    ]
    assert all(trial["state"] == "Complete" for trial in page["trials"])
    assert page["has_intermediate_values"]
    keys = {attribute["key"] for attribute in page["user_attrs"]}
    assert {"lrtool:space", "lrtool:range_test", "lrtool:settings"} <= keys
    get(f"/api/studies/{summary['study_id']}/param_importances")
    get(f"/csv/{summary['study_id']}")
