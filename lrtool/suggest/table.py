"""Every suggester's answer to one curve, as a table."""

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

from lrtool._columns import columns
from lrtool.curve import LossCurve
from lrtool.suggest.suggesters import SUGGESTERS, Suggester, suggest
from lrtool.suggest.suggestion import Suggestion

__all__ = ["SuggestionTable", "compare"]

_COLUMNS = ("suggester", "lr", "min_lr", "max_lr", "80% interval", "status")


@dataclass(frozen=True)
class SuggestionTable:
    """Suggestions by suggester; prints as a table, in a notebook too.

    Args:
        suggestions: suggester's name -> its suggestion.
    """

    suggestions: Mapping[str, Suggestion]

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """The table's cells as text, one row a suggester."""
        return [_row(name, found) for name, found in self.suggestions.items()]

    def __getitem__(self, name: str) -> Suggestion:
        return self.suggestions[name]

    def __str__(self) -> str:
        return columns(_COLUMNS, self.rows)

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{escape(column)}</th>" for column in _COLUMNS)
        body = "".join(
            "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>"
            for row in self.rows
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def compare(
    curve: LossCurve,
    suggesters: Mapping[str, Suggester] | None = None,
    *,
    optimizer: str | None = None,
) -> SuggestionTable:
    """Ask every suggester about one curve.

    Args:
        curve: the measurement.
        suggesters: your own, by name, beside the built-in ones.
        optimizer: the optimizer's class name, for `auto`.

    >>> import numpy as np
    >>> lr = np.geomspace(1e-6, 10, 100)
    >>> table = compare(LossCurve(lr, 1 / (1 + lr / 1e-3) + lr))
    >>> table["minimum"].lr < table["slide"].lr
    True
    """
    found = {name: suggest(curve, name, optimizer=optimizer) for name in SUGGESTERS}
    found |= {name: mine(curve) for name, mine in (suggesters or {}).items()}
    return SuggestionTable(found)


def _row(name: str, found: Suggestion) -> tuple[str, ...]:
    if not found.has_pick:
        return (name, "-", "-", "-", "-", found.status.value)
    low, high = found.interval
    rates = (f"{rate:.3g}" for rate in (found.lr, found.min_lr, found.max_lr))
    return (name, *rates, f"{low:.2g} .. {high:.2g}", found.status.value)
