"""A table as text: columns side by side, each as wide as its widest cell."""

from collections.abc import Sequence

__all__ = ["columns"]


def columns(header: Sequence[str], rows: Sequence[Sequence[str]], *, ruled: bool = False) -> str:
    """Header and rows, one line each; with `ruled` a line of dashes between them.

    >>> print(columns(("lr", "status"), [("0.001", "clear")]))
    lr     status
    0.001  clear
    """
    cells = [header, *rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    if ruled:
        cells.insert(1, ["-" * width for width in widths])
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    )
