"""Locks that die with their process: one for the study's book-keeping, one for each worker's life.

A worker holds a lease as long as it lives. The operating system (or the database server) drops it
with the process, `kill -9` included, so a dead worker is known at once and without clocks.
"""

import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["DatabaseLocks", "FileLocks", "Locks", "ProcessLocks", "has_flock", "hold"]


class Locks(ABC):
    """A mutex for the study and a lease for each worker."""

    @abstractmethod
    @contextmanager
    def mutex(self) -> Iterator[None]:
        """Hold the study's book-keeping lock; other workers wait."""

    @abstractmethod
    @contextmanager
    def lease(self, worker: str) -> Iterator[None]:
        """Hold `worker`'s lease: it lives as long as this does."""

    @abstractmethod
    def alive(self, worker: str) -> bool:
        """Whether `worker` holds its lease; True where nobody can know."""


class ProcessLocks(Locks):
    """For one process: threads wait for each other.

    Args:
        shared: whether other processes may work on the same study; their workers then count as
            alive, for nobody here can know.
    """

    def __init__(self, shared: bool = False) -> None:
        self._mutex = threading.RLock()
        self._workers: set[str] = set()
        self._shared = shared

    @contextmanager
    def mutex(self) -> Iterator[None]:  # noqa: D102
        with self._mutex:
            yield

    @contextmanager
    def lease(self, worker: str) -> Iterator[None]:  # noqa: D102
        self._workers.add(worker)
        try:
            yield
        finally:
            self._workers.discard(worker)

    def alive(self, worker: str) -> bool:  # noqa: D102
        return self._shared or worker in self._workers


class FileLocks(Locks):
    """For processes that share a folder: `flock` on one file each."""

    def __init__(self, folder: Path, study: str) -> None:
        self._folder = folder
        self._study = _digest(study)
        folder.mkdir(parents=True, exist_ok=True)

    def _path(self, name: str) -> Path:
        return self._folder / f"{self._study}-{name}.lock"

    @contextmanager
    def mutex(self) -> Iterator[None]:  # noqa: D102
        with hold(self._path("study")):
            yield

    @contextmanager
    def lease(self, worker: str) -> Iterator[None]:  # noqa: D102
        path = self._path(worker)
        with ExitStack() as held:
            with self.mutex():  # nobody sweeps between the making of the file and its lock
                self._sweep()
                held.enter_context(hold(path))
            try:
                yield
            finally:
                path.unlink(missing_ok=True)

    def _sweep(self) -> None:
        """Delete the leases that workers left behind who were killed between two trials."""
        for path in self._folder.glob(f"{self._study}-*.lock"):
            name = path.stem.removeprefix(f"{self._study}-")
            if name != "study":
                self.alive(name)

    def alive(self, worker: str) -> bool:  # noqa: D102
        path = self._path(worker)
        if not path.exists():
            return False
        with _open(path) as descriptor:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            path.unlink(missing_ok=True)
            return False


class DatabaseLocks(Locks):
    """For processes that share a database server: its session locks, on connections of our own."""

    _SQL: ClassVar = {
        "postgresql": {
            "lock": "SELECT pg_advisory_lock(:key)",
            "unlock": "SELECT pg_advisory_unlock(:key)",
            "try": "SELECT pg_try_advisory_lock(:key)",
        },
        "mysql": {
            # MariaDB knows no endless wait (-1): a year, and so long a session may idle.
            "lock": "SELECT GET_LOCK(:key, 31536000)",
            "unlock": "SELECT RELEASE_LOCK(:key)",
            "try": "SELECT GET_LOCK(:key, 0)",
        },
    }

    SERVERS: ClassVar = frozenset(_SQL)

    def __init__(self, url: str, study: str) -> None:
        import sqlalchemy

        # No pool: a lock is a connection, and ends with it.
        self._engine = sqlalchemy.create_engine(
            url,
            isolation_level="AUTOCOMMIT",
            poolclass=sqlalchemy.pool.NullPool,
            **_keepalive(url),
        )
        self._sql = {
            name: sqlalchemy.text(sql) for name, sql in self._SQL[self._engine.dialect.name].items()
        }
        self._text = self._engine.dialect.name == "mysql"
        self._study = study

    def _key(self, name: str) -> Any:
        digest = _digest(f"{self._study}:{name}")
        # PostgreSQL's key is a signed 64-bit number, MySQL's a string.
        return digest if self._text else int(digest, 16) - 2**63

    @contextmanager
    def _held(self, name: str) -> Iterator[None]:
        with self._engine.connect() as connection:
            key = {"key": self._key(name)}
            if self._text:  # PostgreSQL's sessions may idle for ever
                connection.exec_driver_sql("SET SESSION wait_timeout = 31536000")
            connection.execute(self._sql["lock"], key)
            try:
                yield
            finally:
                connection.execute(self._sql["unlock"], key)

    @contextmanager
    def mutex(self) -> Iterator[None]:  # noqa: D102
        with self._held("study"):
            yield

    @contextmanager
    def lease(self, worker: str) -> Iterator[None]:  # noqa: D102
        with self._held(worker):
            yield

    def alive(self, worker: str) -> bool:  # noqa: D102
        with self._engine.connect() as connection:
            key = {"key": self._key(worker)}
            if not connection.execute(self._sql["try"], key).scalar():
                return True
            connection.execute(self._sql["unlock"], key)
            return False


def has_flock() -> bool:
    """Whether this system has locks on files that die with their holder."""
    return fcntl is not None


@contextmanager
def hold(path: Path) -> Iterator[None]:
    """Hold the lock on a file, made when missing; wait for it as long as it takes."""
    with _open(path) as descriptor:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield


@contextmanager
def _open(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        yield descriptor
    finally:
        os.close(descriptor)  # which also drops the lock


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:16]


def _keepalive(url: str) -> dict[str, Any]:
    """Let the server notice within two minutes that a machine is gone, cable and all."""
    if not url.startswith("postgresql"):
        return {}
    options = "-c tcp_keepalives_idle=30 -c tcp_keepalives_interval=15 -c tcp_keepalives_count=6"
    return {"connect_args": {"options": options}}
