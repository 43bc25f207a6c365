"""Families: several range tests side by side, and which member to take."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lrtool._check import require
from lrtool._columns import columns
from lrtool._files import check_format, read_json, reading, write_json
from lrtool.result import RangeTestResult
from lrtool.suggest.reading import Reading, read

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Family", "family"]

_FORMAT = "lrtool.Family/1"


@dataclass(frozen=True, eq=False)
class Family:
    """Range tests that differ in one setting, and the member to take.

    Args:
        setting: what differs: "weight_decay", "momentum", "optimizer", "batch_size", ...
        results: the setting's value -> its range test.
        best: the value to take; None when no member has a pick.
        reason: why, as a sentence.
    """

    setting: str
    results: Mapping[Any, RangeTestResult]
    best: Any
    reason: str

    @property
    def result(self) -> RangeTestResult | None:
        """The range test of the member to take."""
        return None if self.best is None else self.results[self.best]

    @property
    def choice(self) -> str:
        """What to take and why, as a sentence."""
        return self.reason if self.best is None else f"take {self.reason}"

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Header and rows, one a value; the one to take is marked by a star."""
        header = [self.setting, "lr", "80% interval", "max_lr", "lowest loss", "status"]
        return header, [self._row(value, result) for value, result in self.results.items()]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; as keys of the results the setting's values are text."""
        return {
            "format": _FORMAT,
            "setting": self.setting,
            "values": [_plain(value) for value in self.results],
            "best": _plain(self.best),
            "reason": self.reason,
            "results": {str(value): result.to_dict() for value, result in self.results.items()},
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Family":
        """Invert `to_dict`.

        Raises:
            FileFormatError: when `data` is not what `to_dict` made.
        """
        check_format(data, _FORMAT)
        results = {
            value: RangeTestResult.from_dict(data["results"][str(value)])
            for value in data["values"]
        }
        return cls(data["setting"], results, data["best"], data["reason"])

    def save(self, path: str | Path) -> None:
        """Write the range tests as JSON."""
        write_json(path, self.to_dict())

    @classmethod
    def load(cls, path: str | Path) -> "Family":
        """Read what `save` wrote.

        Raises:
            FileFormatError: when the file is missing, not JSON, or not a saved family.
        """
        with reading(path, "Family.save"):
            return cls.from_dict(read_json(path))

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Overlay the range tests; returns the Axes, shows nothing."""
        from lrtool.plotting import plot_range_tests

        return plot_range_tests(self._named(), ax=ax)

    def report(self, path: str | Path) -> Path:
        """Write one self-contained HTML page; its folder must exist."""
        from lrtool.report import environment_section, family_sections, write_report

        sections = [*family_sections(self), environment_section()]
        return write_report(path, sections, title=f"Range tests by {self.setting}")

    def _repr_html_(self) -> str:
        from lrtool.report import family_html

        return family_html(self)

    def __repr__(self) -> str:
        values = ", ".join(map(str, self.results))
        return f"Family({self.setting}: {values}; best={self.best})"

    def __str__(self) -> str:
        reasons = [f"{name}: {one.suggestion.reason}" for name, one in self._named().items()]
        return "\n".join([self.choice, "", columns(*self.table()), "", *reasons])

    def _named(self) -> dict[str, RangeTestResult]:
        return {f"{self.setting} {value}": result for value, result in self.results.items()}

    def _row(self, value: Any, result: RangeTestResult) -> list[str]:
        name = f"{value} *" if value == self.best else str(value)
        found, reading = result.suggestion, read(result.curve)
        lowest = "-" if reading is None else f"{reading.base - reading.drop:.3g}"
        if not found.has_pick:
            return [name, "-", "-", "-", lowest, found.status.value]
        low, high = found.interval
        interval = f"{low:.2g} .. {high:.2g}"
        lr, peak = f"{found.lr:.3g}", f"{found.max_lr:.3g}"
        return [name, lr, interval, peak, lowest, found.status.value]


def family(setting: str, results: Mapping[Any, RangeTestResult]) -> Family:
    """Choose among range tests that differ in `setting` only.

    The member whose loss came down lowest wins. Members that came as low within noise (two standard
    deviations of the smoothed minimum, or 2% of the drop) are tied, and among them the one that
    bears the highest peak rate is taken, then the largest value of the setting.

    Args:
        setting: the name of what differs.
        results: value of the setting -> range test, at least one; same model, data and seed.

    Raises:
        ArgumentError: when there is nothing to compare.

    References:
        Smith, "A disciplined approach to neural network hyper-parameters: Part 1", 2018, sections
        4.3 and 4.4: weight decays and momenta are compared by their range tests.
    """
    require(len(results) > 0, "at least one range test", members=len(results))
    readings = {value: _readable(result) for value, result in results.items()}
    found = {value: reading for value, reading in readings.items() if reading is not None}
    if not found:
        return Family(setting, results, None, "no range test has a pick")
    floors = {value: reading.base - reading.drop for value, reading in found.items()}
    leader = min(floors, key=lambda value: floors[value])
    tied = [value for value in found if _tied(found[value], found[leader])]
    best = max(tied, key=lambda value: (results[value].max_lr, _order(value)))
    others = ", ".join(str(value) for value in tied if value != best)
    reason = f"the loss came down to {floors[best]:.3g}"
    if others:
        peak = f"the highest peak rate, {results[best].max_lr:.3g}"
        reason += f", within the noise as low as with {others}, and it bears {peak}"
    elif len(found) > 1:
        reason += ", the lowest"
    if setting == "batch_size" and best > (fewest := min(found)):
        reason += f", with {best / fewest:.3g} times the examples that {fewest} took"
    return Family(setting, results, best, f"{best} ({reason})")


def _readable(result: RangeTestResult) -> Reading | None:
    return read(result.curve) if result.suggestion.has_pick else None


def _tied(one: Reading, leader: Reading) -> bool:
    gap = (one.base - one.drop) - (leader.base - leader.drop)
    noise = np.hypot(one.error[one.lowest], leader.error[leader.lowest])
    return bool(gap <= max(2 * noise, 0.02 * leader.drop))


def _plain(value: Any) -> Any:
    """A number of Python's where it is numpy's, which JSON does not take."""
    return value.item() if isinstance(value, np.generic) else value


def _order(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) else 0.0
