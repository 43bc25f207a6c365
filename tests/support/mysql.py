"""A MySQL (or MariaDB) server of the test's own, for as long as the test."""

import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest

_SBIN = "/usr/sbin:/usr/local/sbin"


def _binary(*names: str) -> str | None:
    path = f"{os.environ.get('PATH', '')}:{_SBIN}"
    return next((found for name in names if (found := shutil.which(name, path=path))), None)


@contextmanager
def mysql() -> Iterator[str]:
    """The URL of a fresh server; skips the test, with the reason, where none is installed."""
    driver: Any = pytest.importorskip("pymysql", reason="PyMySQL is not installed")
    install, server = _binary("mariadb-install-db"), _binary("mariadbd")
    if install is None or server is None:
        pytest.skip("no MariaDB server is installed (mariadb-install-db and mariadbd)")
    folder = Path(mkdtemp(prefix="lrtool-my-", dir="/tmp"))
    user = pwd.getpwuid(os.geteuid()).pw_name
    if os.geteuid() == 0 and "mysql" in {entry.pw_name for entry in pwd.getpwall()}:
        user = "mysql"
        os.chown(folder, pwd.getpwnam(user).pw_uid, -1)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    files = ["--no-defaults", f"--datadir={folder / 'data'}", f"--user={user}"]
    process = None
    try:
        subprocess.run(
            [install, *files, "--auth-root-authentication-method=normal", "--skip-test-db"],
            check=True, cwd=folder, capture_output=True,
        )  # fmt: skip
        with (folder / "log").open("w") as log:
            process = subprocess.Popen(
                [server, *files, f"--port={port}", "--bind-address=127.0.0.1",
                 f"--socket={folder / 'socket'}", "--skip-name-resolve",
                 "--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=16M"],
                cwd=folder, stdout=subprocess.DEVNULL, stderr=log,
            )  # fmt: skip
        _wait(driver, port, process, folder / "log")
        yield f"mysql+pymysql://root@127.0.0.1:{port}/studies"
    finally:
        if process is not None:
            process.terminate()
            process.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


def _wait(driver: Any, port: int, process: "subprocess.Popen[Any]", log: Path) -> None:
    for _ in range(300):
        assert process.poll() is None, log.read_text()
        try:
            with driver.connect(host="127.0.0.1", port=port, user="root") as connection:
                connection.cursor().execute("CREATE DATABASE studies")
            return
        except driver.err.OperationalError:
            time.sleep(0.1)
    raise AssertionError(log.read_text())
