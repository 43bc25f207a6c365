"""Where studies live: a journal file by default, a database server for many machines."""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import optuna
from optuna.storages import BaseStorage, InMemoryStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

from lrtool._optional import optional_import
from lrtool.errors import ArgumentError, FileFormatError, MissingDependencyError
from lrtool.search.locks import DatabaseLocks, FileLocks, Locks, ProcessLocks, has_flock, hold
from lrtool.search.passwords import without_password

_TABLES = "(tables)"  # the name of the lock under which a database is set up
_PATIENCE = 5.0  # seconds to wait for a proxy

__all__ = ["Home", "StorageLike", "engine_url", "open_storage"]

StorageLike: TypeAlias = str | Path | BaseStorage


@dataclass(frozen=True)
class Home:
    """An open storage with the locks that go with it.

    Args:
        storage: Optuna's.
        locks: what keeps its workers apart.
        url: what was opened, without a password; None for an object handed in.
    """

    storage: BaseStorage
    locks: Locks
    url: str | None

    def close(self) -> None:
        """Give connections back; the storage opens new ones when it is used again."""
        if isinstance(self.storage, RDBStorage):
            self.storage.remove_session()
            self.storage.engine.dispose()


def open_storage(storage: StorageLike, study_name: str) -> Home:
    """Open what `storage` names.

    Args:
        storage: a path (an Optuna journal file), `postgresql://…`, `mysql://…`, `sqlite:///…`,
            `grpc://host:port` (Optuna's proxy, which has no locks: its workers take each other for
            alive, and may together exceed the total), `memory://`, or an Optuna storage.
        study_name: locks are held per study.

    Raises:
        ArgumentError: for a scheme nobody knows.
        FileFormatError: for a file that is no Optuna journal.
        MissingDependencyError: when the database's driver is not installed.
    """
    if isinstance(storage, BaseStorage):
        return Home(storage, _locks_of(storage, study_name), None)
    text = str(storage)
    kind = _kind(text)
    if kind == "memory":
        return Home(InMemoryStorage(), ProcessLocks(), text)
    if kind == "file":
        return _journal(Path(text.removeprefix("file://")), study_name)
    if kind == "sqlite":
        return _sqlite(text, study_name)
    if kind in DatabaseLocks.SERVERS:
        return _server(text, study_name)
    if kind == "grpc":
        return _grpc(text)
    raise ArgumentError(
        f"storage must be a file, postgresql://, mysql://, sqlite:///, grpc:// or memory://, "
        f"got {without_password(text)!r}"
    )


def engine_url(url: str) -> str:
    """The URL of a database as SQLAlchemy takes it, once its driver imports.

    Args:
        url: `postgresql://…` (or `postgres://…`), `mysql://…`; another is given back as it is.

    Raises:
        MissingDependencyError: when the driver is not installed.
    """
    kind = _kind(url)
    if kind == "postgresql":
        optional_import("psycopg", extra="postgres", purpose="a study in PostgreSQL")
        return f"postgresql+psycopg://{url.split('://', 1)[1]}"
    if kind == "mysql":
        _check_driver(url)
    return url


def _kind(text: str) -> str:
    """What kind of storage `text` names: its scheme without the driver; "file" for a path."""
    scheme = text.partition("://")[0].partition("+")[0].lower() if "://" in text else "file"
    return {"postgres": "postgresql"}.get(scheme, scheme)


def _locks_of(storage: BaseStorage, study_name: str) -> Locks:
    """Locks where an Optuna storage keeps its studies, when it says where that is."""
    if isinstance(storage, RDBStorage):
        kind = _kind(storage.url)
        if kind in DatabaseLocks.SERVERS:
            return DatabaseLocks(storage.url, study_name)
        path = _sqlite_file(storage.url)
        if kind == "sqlite" and path is not None:
            return _locks_beside(path, study_name)
    return ProcessLocks(shared=not isinstance(storage, InMemoryStorage))


class _Flock(JournalFileOpenLock):
    """A journal lock that the system drops with its holder, and that mends a half-written line.

    Optuna's own lock files outlive a killed process and make the others wait; and a process killed
    while it writes leaves half a line behind, which would spoil the line after it.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self._path = path

    def acquire(self) -> bool:
        self._held = hold(Path(f"{self._path}.flock"))
        self._held.__enter__()
        _drop_half_line(self._path)
        return True

    def release(self) -> None:
        self._held.__exit__(None, None, None)


def _drop_half_line(path: Path) -> None:
    with path.open("rb+") as file:
        size = file.seek(0, os.SEEK_END)
        if size == 0:
            return
        file.seek(size - 1)
        if file.read(1) == b"\n":
            return
        file.seek(max(0, size - 2**20))
        tail = file.read()
        file.truncate(size - len(tail) + tail.rfind(b"\n") + 1)


def _journal(path: Path, study_name: str) -> Home:
    if path.is_dir():
        raise FileFormatError(f"{path} must be an Optuna journal file, but it is a folder")
    with _writable(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.open("ab").close()
    _refuse_other(
        path, b"{", "an Optuna journal file", "a new path, or a database as sqlite:///file"
    )
    lock = _Flock(path) if has_flock() else None
    storage = JournalStorage(JournalFileBackend(str(path), lock_obj=lock))
    return Home(storage, _locks_beside(path, study_name), str(path))


@contextmanager
def _writable(path: Path) -> Iterator[None]:
    """Say in one line that `path` cannot be written."""
    try:
        yield
    except OSError as error:
        raise ArgumentError(
            f"storage must be a file that can be written, got {str(path)!r}: {error.strerror}; "
            "choose another place"
        ) from error


def _refuse_other(path: Path, begins: bytes, rule: str, remedy: str) -> None:
    """Refuse a file that begins otherwise, before anything is made beside it."""
    with path.open("rb") as file:
        start = file.read(len(begins))
    if start not in (b"", begins):
        raise FileFormatError(f"{path} must be {rule}, but it holds something else; give {remedy}")


def _locks_beside(path: Path, study_name: str) -> Locks:
    if not has_flock():
        return ProcessLocks(shared=True)
    return FileLocks(Path(f"{path}.locks"), study_name)


def _sqlite_file(url: str) -> Path | None:
    # sqlite:///relative and sqlite:////absolute
    name = url.split("://", 1)[1].removeprefix("/").partition("?")[0]
    return None if name in {"", ":memory:"} else Path(name)


def _sqlite(url: str, study_name: str) -> Home:
    path = _sqlite_file(url)
    if path is None:
        return Home(RDBStorage(url), ProcessLocks(), url)
    with _writable(path):
        if path.exists():
            _refuse_other(path, b"SQLite format 3\0", "an SQLite database", "a new path")
        path.parent.mkdir(parents=True, exist_ok=True)
        locks = _locks_beside(path, study_name)
    with _answering(url), _locks_beside(path, _TABLES).mutex():
        storage = RDBStorage(url)
    return Home(storage, locks, url)


def _server(given: str, study_name: str) -> Home:
    url, shown = engine_url(given), without_password(given)
    # Workers that start together on an empty database would all make its tables.
    with _answering(shown), DatabaseLocks(url, _TABLES).mutex():
        storage = RDBStorage(url, engine_kwargs={"pool_pre_ping": True})
    return Home(storage, DatabaseLocks(url, study_name), shown)


def _check_driver(url: str) -> None:
    """Import the driver that SQLAlchemy takes for `url`, or say how to name another."""
    import sqlalchemy

    try:
        sqlalchemy.make_url(url).get_dialect().import_dbapi()
    except (ImportError, sqlalchemy.exc.NoSuchModuleError) as error:
        raise MissingDependencyError(
            f"a study in MySQL needs a driver that imports, and {url.split('://', 1)[0]}:// has "
            f"none ({error}); for example: pip install pymysql, then mysql+pymysql://..."
        ) from error


@contextmanager
def _answering(shown: str) -> Iterator[None]:
    """Say in one line that the server is not there, or lets nobody in."""
    from sqlalchemy.exc import OperationalError

    try:
        yield
    except OperationalError as error:
        reason = str(error.orig).strip().splitlines()[0]
        raise ArgumentError(
            f"storage must be a database that answers, got {shown!r}: {reason}; "
            "check host, port, user, password and the database's name"
        ) from error


def _grpc(url: str) -> Home:
    parts = urlsplit(url)
    with _no_experimental_warning():
        proxy: Any = optuna.storages.GrpcStorageProxy
        storage = proxy(host=parts.hostname or "localhost", port=parts.port or 13000)
    try:
        storage.wait_server_ready(_PATIENCE)
    except ConnectionError as error:
        raise ArgumentError(
            f"storage must be a proxy that answers, got {url!r}; start Optuna's "
            "run_grpc_proxy_server there, and check host and port"
        ) from error
    # What lies behind the proxy is out of reach, and the proxy has no locks.
    return Home(storage, ProcessLocks(shared=True), url)


@contextmanager
def _no_experimental_warning() -> Iterator[None]:
    with warnings.catch_warnings(), suppress(AttributeError):
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        yield
