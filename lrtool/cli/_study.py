"""STUDY: a study opened to be read. Nothing is created, locked or written."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from lrtool.errors import ArgumentError, FileFormatError

if TYPE_CHECKING:
    from optuna import Study
    from optuna.storages import BaseStorage

__all__ = ["read_study"]


def read_study(url: str, name: str | None) -> "Study":
    """Open the study `name`, or the only one there is.

    Args:
        url: an Optuna journal file, or a database's URL.
        name: the study's name; None when there is only one.

    Raises:
        ArgumentError: when there is no study of that name, or several and no name.
        FileFormatError: when there is nothing of Optuna's.
    """
    import optuna

    from lrtool.search.passwords import without_password

    try:
        storage = _storage(url)
        known = [summary.study_name for summary in optuna.get_all_study_summaries(storage)]
    except ImportError:
        raise
    except Exception as error:  # whatever a damaged file or an absent server brings about
        raise FileFormatError(
            "STUDY must be an Optuna journal file, a database or a saved range test, got "
            f"{without_password(url)!r}: {_reason(error)}"
        ) from error
    return optuna.load_study(study_name=_which(name, known, without_password(url)), storage=storage)


def _reason(error: BaseException) -> str:
    """What went wrong, in the words of what it went wrong in: Optuna has others for all of it."""
    while error.__cause__ is not None:
        error = error.__cause__
    error = getattr(error, "orig", None) or error  # SQLAlchemy quotes the whole statement
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _storage(url: str) -> "BaseStorage":
    from optuna.storages import JournalStorage, RDBStorage
    from optuna.storages.journal import JournalFileBackend

    from lrtool.search.storage import engine_url, open_storage

    scheme, found, rest = url.removeprefix("file://").rpartition("://")
    if not found:
        return JournalStorage(JournalFileBackend(_file(rest)))
    if scheme == "sqlite":
        _file(rest.removeprefix("/").partition("?")[0])
    if scheme == "grpc":
        return open_storage(url, "").storage
    return RDBStorage(engine_url(url), skip_table_creation=True)


def _file(path: str) -> str:
    if not Path(path).is_file():
        raise FileFormatError(
            "there is no such file; lrtool tune writes study.journal into its folder"
        )
    return path


def _which(name: str | None, known: list[str], url: str) -> Any:
    if name in known:
        return name
    if name is None and len(known) == 1:
        return known[0]
    if not known:
        raise FileFormatError(f"STUDY must hold a study, got {url!r} with none in it")
    asked = "none" if name is None else repr(name)
    raise ArgumentError(
        f"--study-name must be one of {', '.join(map(repr, known))}, got {asked}; "
        f"add --study-name {known[0]!r}"
    )
