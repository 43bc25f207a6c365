"""Comparison: optimizers side by side, each at its own rate."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lrtool._check import one_of
from lrtool._columns import columns
from lrtool.optimizers import Capabilities
from lrtool.result import RangeTestResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Compared", "Comparison"]


@dataclass(frozen=True)
class Compared:
    """One optimizer's part.

    Args:
        name: as `lrtool.optimizers.create` takes it.
        capabilities: of the optimizer.
        lr: the rate it trained at: the peak where the schedule is cyclical.
        schedule: the schedule it trained on.
        why: where the rate comes from.
        result: its range test; None where one says nothing about it.
        values: one a seed: the monitored metric at the end, or the mean training loss of the last
            tenth; NaN where the training ended non-finite.
        losses: one sequence a seed: (step, training loss).
    """

    name: str
    capabilities: Capabilities
    lr: float
    schedule: str
    why: str
    result: RangeTestResult | None
    values: tuple[float, ...]
    losses: tuple[tuple[tuple[int, float], ...], ...] = field(repr=False)

    @property
    def mean(self) -> float:
        """The mean over the seeds; NaN when one of them is."""
        return float(np.mean(self.values))


@dataclass(frozen=True)
class Comparison:
    """What `compare_optimizers` found, the best first.

    Args:
        rows: one an optimizer, best first.
        metric: what `values` are.
        mode: "min" or "max".
        max_steps: optimizer steps of each training.
        seeds: of the trainings, paired between optimizers.
    """

    rows: tuple[Compared, ...]
    metric: str
    mode: str
    max_steps: int
    seeds: tuple[int, ...]

    @property
    def best(self) -> Compared:
        """The optimizer with the best mean."""
        return self.rows[0]

    def __getitem__(self, name: str) -> Compared:
        """The part of one optimizer, by its name."""
        one_of("optimizer", name, [row.name for row in self.rows])
        return next(row for row in self.rows if row.name == name)

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Header and rows; the last columns compare with the best, seed by seed."""
        header = ["optimizer", "lr", "80% interval", "schedule", f"{self.metric} (mean ± sd)"]
        header += ["worse than the best by", "in seeds", "rate"]
        return header, [self._line(row) for row in self.rows]

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Overlay the range tests; returns the Axes, shows nothing."""
        from lrtool.plotting import plot_range_tests

        found = {row.name: row.result for row in self.rows if row.result is not None}
        return plot_range_tests(found, ax=ax)

    def plot_training(self, ax: "Axes | None" = None) -> "Axes":
        """Overlay the trainings of the first seed; returns the Axes, shows nothing."""
        from lrtool.plotting import plot_curves

        return plot_curves(
            {row.name: row.losses[0] for row in self.rows}, ax=ax, ylabel="training loss"
        )

    def report(self, path: str | Path) -> Path:
        """Write one page: the table and every range test."""
        from lrtool.report import range_test_section, table_section, write_report

        header, rows = self.table()
        tests = [range_test_section(row.result, row.name) for row in self.rows if row.result]
        sections = [table_section("Optimizers", header, rows), *tests]
        return write_report(path, sections, title="Comparison of optimizers")

    def __str__(self) -> str:
        return columns(*self.table())

    def _repr_html_(self) -> str:
        from lrtool.report import table_section

        return table_section("Optimizers", *self.table()).html

    def _line(self, row: Compared) -> list[str]:
        gaps = np.array(row.values) - np.array(self.best.values)
        gaps = gaps if self.mode == "min" else -gaps
        interval = "–"
        if row.result is not None and row.result.suggestion.has_pick:
            low, high = row.result.suggestion.interval
            interval = f"{low:.2g} – {high:.2g}"
        spread = f" ± {np.std(row.values, ddof=1):.2g}" if len(row.values) > 1 else ""
        behind = "–" if row is self.best else f"{gaps.mean():.3g}"
        count = "–" if row is self.best else f"{int((gaps > 0).sum())} of {len(gaps)}"
        return [
            row.name, f"{row.lr:.3g}", interval, row.schedule, f"{row.mean:.4g}{spread}", behind,
            count, row.why,
        ]  # fmt: skip
