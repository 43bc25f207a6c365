"""What a terminal shows: tables, pictures of characters, colour only where it is wanted."""

import os
import shutil
import sys
from collections.abc import Sequence

from lrtool._columns import columns

__all__ = ["ascii_only", "colour", "show", "show_table", "strong", "width"]


def colour() -> bool:
    """Whether to use colour: on a terminal, unless NO_COLOR is set (https://no-color.org)."""
    quiet = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    return sys.stdout.isatty() and not quiet


def ascii_only() -> bool:
    """Whether standard output can show nothing beyond ASCII."""
    return "utf" not in (getattr(sys.stdout, "encoding", None) or "ascii").lower()


def width() -> int:
    """Columns to use: the terminal's, at most 100; 80 where there is none."""
    return min(shutil.get_terminal_size((80, 24)).columns, 100)


def show(text: str = "") -> None:
    """Print a line, in characters that standard output knows."""
    print(text.encode("ascii", "replace").decode("ascii") if ascii_only() else text)


def strong(text: str) -> str:
    """`text` in bold where there is colour."""
    return f"\033[1m{text}\033[0m" if colour() else text


def show_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table: by rich on a terminal where it is installed, in aligned columns elsewhere."""
    cells = [[_cell(value) for value in row] for row in rows]
    # rich writes characters as they are, also those that the terminal lacks.
    if colour() and not ascii_only() and _show_rich(header, cells):
        return
    show(columns(header, cells, ruled=True))


def _show_rich(header: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    try:
        from rich.console import Console
        from rich.markup import escape
        from rich.table import Table
    except ImportError:
        return False
    table = Table(header_style="bold", box=None, pad_edge=False)
    for title in header:
        table.add_column(escape(title), overflow="fold")  # a number cut off is another number
    for row in rows:
        table.add_row(*map(escape, row))
    Console(width=width()).print(table)
    return True


def _cell(value: object) -> str:
    if value is None or value != value:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
