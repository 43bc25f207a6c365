"""A PostgreSQL server of the test's own, for as long as the test."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest

_HOMES = ("/usr/lib/postgresql/15/bin", "/usr/local/bin", "/usr/local/pgsql/bin", "/usr/bin")


def _binary(name: str) -> str | None:
    found = shutil.which(name)
    paths = [Path(home) / name for home in _HOMES] + [
        path / name for path in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    ]
    return found or next((str(path) for path in paths if path.exists()), None)


@contextmanager
def postgres() -> Iterator[str]:
    """The URL of a fresh server; skips the test, with the reason, where none is installed."""
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    initdb, server = _binary("initdb"), _binary("postgres")
    if initdb is None or server is None:
        pytest.skip("no PostgreSQL server is installed (initdb and postgres)")
    folder = Path(mkdtemp(prefix="lrtool-pg-", dir="/tmp"))
    options: dict[str, Any] = {}
    if os.geteuid() == 0:  # the server refuses to run as root
        user = "postgres" if "postgres" in {entry.pw_name for entry in pwd.getpwall()} else "nobody"
        os.chown(folder, pwd.getpwnam(user).pw_uid, -1)
        options = {"user": user}
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data = folder / "data"
    common: dict[str, Any] = {"cwd": folder, "stdout": subprocess.DEVNULL, **options}
    process = None
    try:
        subprocess.run(
            [initdb, "-D", data, "-U", "lrtool", "--auth=trust", "--no-sync", "-E", "UTF8"],
            check=True, stderr=subprocess.DEVNULL, **common,
        )  # fmt: skip
        with (folder / "log").open("w") as log:
            process = subprocess.Popen(
                [server, "-D", data, "-p", str(port), "-k", folder,
                 "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"],
                stderr=log, **common,
            )  # fmt: skip
        url = f"postgresql://lrtool@127.0.0.1:{port}/postgres"
        _wait(url, process, folder / "log")
        yield url
    finally:
        if process is not None:
            process.send_signal(signal.SIGINT)  # a fast shutdown: clients are sent away
            process.wait(20)
        shutil.rmtree(folder, ignore_errors=True)


def _wait(url: str, process: "subprocess.Popen[Any]", log: Path) -> None:
    import psycopg

    for _ in range(200):
        assert process.poll() is None, log.read_text()
        try:
            psycopg.connect(url, connect_timeout=2).close()
            return
        except psycopg.OperationalError:
            time.sleep(0.1)
    raise AssertionError(log.read_text())
