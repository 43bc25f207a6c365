"""Where a command writes: checked before any work, made only when there is something to write."""

import json
import os
import shlex
import sys
from pathlib import Path
from typing import Any

from lrtool._check import require

__all__ = ["command_line", "file_to_write", "folder_to_write", "print_json"]


def command_line() -> str:
    """The command that is running, as one would type it; pages keep it, so without a password."""
    from lrtool.search.passwords import without_password

    return shlex.join(["lrtool", *map(without_password, sys.argv[1:])])


def folder_to_write(text: str) -> Path:
    """Check that `text` can be a folder to write into; it is not made yet."""
    folder = Path(text)
    require(bool(text), "--out naming a folder", "write . for the folder you are in", out=text)
    require(
        not folder.exists() or folder.is_dir(), "--out naming a folder",
        "it is a file: choose another", out=text,
    )  # fmt: skip
    _writable(folder, text)
    return folder


def file_to_write(text: str) -> Path:
    """Check that `text` can be a file to write."""
    path = Path(text)
    require(bool(text), "a file's name", "for example report.html", out=text)
    require(not path.is_dir(), "--out naming a file", "it is a folder: name a file in it", out=text)
    require(path.parent.is_dir(), "--out in a folder that exists", "make it first", out=text)
    _writable(path, text)
    return path


def print_json(value: Any) -> None:
    """One JSON object on standard output; NaN, which JSON does not know, becomes null."""
    print(json.dumps(_plain(value), indent=1), file=sys.stdout)


def _writable(path: Path, text: str) -> None:
    existing = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
    folder = existing if existing.is_dir() else existing.parent
    usable = existing.is_dir() or existing == path
    require(
        usable and os.access(folder, os.W_OK), "--out where files can be made", "choose another",
        out=text,
    )  # fmt: skip


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    return value if isinstance(value, str | int | float | bool | None) else str(value)
