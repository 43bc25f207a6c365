"""RangeTestResult: a finished range test, ready to be read, saved, drawn and handed on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lrtool._files import check_format, read_json, reading, write_json
from lrtool.curve import LossCurve
from lrtool.suggest import Suggester, Suggestion, SuggestionTable, compare

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["RangeTestResult"]

_FORMAT = "lrtool.RangeTestResult/1"


@dataclass(frozen=True)
class RangeTestResult:
    """What a range test measured and what it suggests.

    Args:
        curve: the raw measurement.
        suggestion: the rates read off it.
        context: what the measurement holds for: optimizer name, the groups' rates before it, batch
            size per rank, world size, accumulation, precision, seed, epoch and step, and what the
            loss is. Plain JSON values.
        applied: whether the suggestion was written to the optimizer.
        not_restored: what the borrowed Trainer could not give back, in words; empty when all was.
        diagnosis: other findings worth reading (badly scaled inputs, dead parameters), in words.
        groups: parameter group's name -> its own range test, where each was swept by itself; the
            curve and the suggestion above are then those of the group with the highest rate.
        group_ratio: parameter group's name -> its rate over the highest, in the optimizer's order;
            empty where the groups keep the ratios they have.
    """

    curve: LossCurve
    suggestion: Suggestion
    context: Mapping[str, Any] = field(default_factory=dict)
    applied: bool = False
    not_restored: tuple[str, ...] = ()
    diagnosis: tuple[str, ...] = ()
    groups: Mapping[str, "RangeTestResult"] = field(default_factory=dict)
    group_ratio: Mapping[str, float] = field(default_factory=dict)

    @property
    def lr(self) -> float:
        """The rate to train at, constant or slowly decaying; NaN when there is no pick."""
        return self.suggestion.lr

    @property
    def min_lr(self) -> float:
        """The base of a cycle; NaN when there is no pick."""
        return self.suggestion.min_lr

    @property
    def max_lr(self) -> float:
        """The peak of a cycle; NaN when there is no pick."""
        return self.suggestion.max_lr

    @property
    def group_lr(self) -> dict[str, float]:
        """Parameter group's name -> the rate for it; empty unless the groups were measured."""
        return {name: self.lr * share for name, share in self.group_ratio.items()}

    @property
    def num_steps(self) -> int:
        """Optimizer steps spent."""
        return sum(one.num_steps for one in self.groups.values()) or len(self.curve)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, complete: `from_dict` gives an equal result."""
        return {
            "format": _FORMAT,
            "curve": self.curve.to_dict(),
            "suggestion": self.suggestion.to_dict(),
            "context": dict(self.context),
            "applied": self.applied,
            "not_restored": list(self.not_restored),
            "diagnosis": list(self.diagnosis),
            "groups": {name: one.to_dict() for name, one in self.groups.items()},
            "group_ratio": dict(self.group_ratio),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "RangeTestResult":
        """Invert `to_dict`.

        Raises:
            FileFormatError: when `data` is not what `to_dict` made.
        """
        check_format(data, _FORMAT)
        return cls(
            curve=LossCurve.from_dict(data["curve"]),
            suggestion=Suggestion.from_dict(data["suggestion"]),
            context=dict(data["context"]),
            applied=data["applied"],
            not_restored=tuple(data["not_restored"]),
            diagnosis=tuple(data["diagnosis"]),
            groups={name: cls.from_dict(one) for name, one in data.get("groups", {}).items()},
            group_ratio=dict(data.get("group_ratio", {})),
        )

    def compare(self, suggesters: Mapping[str, Suggester] | None = None) -> SuggestionTable:
        """Every suggester's answer to the same curve, and your own by name, as a table."""
        return compare(self.curve, suggesters, optimizer=self.context.get("optimizer"))

    def save(self, path: str | Path) -> None:
        """Write the result as JSON."""
        write_json(path, self.to_dict())

    @classmethod
    def load(cls, path: str | Path) -> "RangeTestResult":
        """Read what `save` wrote.

        Raises:
            FileFormatError: when the file is missing, not JSON, or not a saved result.
        """
        with reading(path, "RangeTestResult.save"):
            return cls.from_dict(read_json(path))

    def plot(self, ax: "Axes | None" = None, *, compare: bool = False) -> "Axes":
        """Draw losses, smoothed curve and marked rates; returns the Axes, shows nothing.

        Where parameter groups were swept one by one, their curves are overlaid instead.

        Args:
            ax: where to draw; None makes a new figure.
            compare: mark every suggester's rate too.
        """
        from lrtool.plotting import plot_range_test, plot_range_tests

        if self.groups:
            return plot_range_tests(self.groups, ax=ax)
        others = self.compare().suggestions if compare else None
        return plot_range_test(self, ax=ax, suggestions=others)

    def report(self, path: str | Path) -> Path:
        """Write one self-contained HTML page; its folder must exist."""
        from lrtool.report import environment_section, range_test_section, write_report

        sections = [range_test_section(self), environment_section()]
        return write_report(path, sections, title="Range test")

    def _repr_html_(self) -> str:
        from lrtool.report import result_html

        return result_html(self)

    def __repr__(self) -> str:
        low, high = self.suggestion.interval
        rates = f"lr={self.lr:.3g}, min_lr={self.min_lr:.3g}, max_lr={self.max_lr:.3g}"
        if self.group_ratio:
            rates += f", group_lr={{{self._by_group()}}}"
        return (
            f"RangeTestResult({rates}, interval=({low:.2g}, {high:.2g}), "
            f"status={self.suggestion.status.value}, num_steps={self.num_steps})"
        )

    def __str__(self) -> str:
        said = f"{self.suggestion} ({self.num_steps} steps, {self.curve.stop_reason.value})"
        return f"{said}; by group: {self._by_group()}" if self.group_ratio else said

    def _by_group(self) -> str:
        return ", ".join(f"{name}: {lr:.3g}" for name, lr in self.group_lr.items())
