"""Results in files: written as JSON, and read with one clear error when a file is not one."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lrtool.errors import FileFormatError

__all__ = ["check_format", "read_json", "reading", "write_json"]


def write_json(path: str | Path, data: Mapping[str, Any]) -> None:
    """Write `data` as JSON, to be read by people too."""
    Path(path).write_text(json.dumps(data, indent=1), encoding="utf-8")


def read_json(path: str | Path) -> Any:
    """What `write_json` wrote; inside `reading`."""
    return json.loads(Path(path).read_text(encoding="utf-8"))


@contextmanager
def reading(path: str | Path, writer: str) -> Iterator[None]:
    """Make whatever goes wrong while the block reads `path` an error that names the file.

    Args:
        path: what is read.
        writer: what writes such files, for the message.

    Raises:
        FileFormatError: when the file is missing, or not what `writer` writes.
    """
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise FileFormatError(
            f"{path} must be a file written by {writer}, but reading it failed: "
            f"{type(error).__name__}: {error}"
        ) from error


def check_format(data: Mapping[str, Any], expected: str) -> None:
    """Refuse `data` whose "format" is another than `expected`.

    Raises:
        FileFormatError: naming both.
    """
    if data.get("format") != expected:
        raise FileFormatError(f"expected a {expected}, got format={data.get('format')!r}")
