"""Pictures made of characters, for terminals and logs."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from lrtool.plotting._data import line, window
from lrtool.plotting.schedule import sample
from lrtool.schedules.base import Schedule

if TYPE_CHECKING:
    from lrtool.curve import FloatArray
    from lrtool.result import RangeTestResult

__all__ = ["text_range_test", "text_schedule"]

_ASCII = str.maketrans("·●│┆─└┴▲", ".*|:-++^")


@dataclass
class _Grid:
    """A grid of characters under two linear scales."""

    x: tuple[float, float]
    y: tuple[float, float]
    width: int
    height: int
    rows: list[list[str]] = field(init=False)

    def __post_init__(self) -> None:
        self.rows = [[" "] * self.width for _ in range(self.height)]

    def column(self, x: float) -> int:
        return _cell(x, self.x, self.width)

    def dot(self, x: float, y: float, mark: str) -> None:
        if self.y[0] <= y <= self.y[1]:
            self.rows[self.height - 1 - _cell(y, self.y, self.height)][self.column(x)] = mark

    def upright(self, x: float, mark: str) -> None:
        if self.x[0] <= x <= self.x[1]:
            for row in self.rows:
                row[self.column(x)] = mark

    def lines(self) -> list[str]:
        """The rows with the vertical scale at their left."""
        low, high = self.y
        middle = self.height // 2
        values = {0: high, middle: high - (high - low) * middle / (self.height - 1)}
        values[self.height - 1] = low
        edge = [f"{values[i]:9.3g} " if i in values else " " * 10 for i in range(self.height)]
        return [f"{edge[i]}│{''.join(row).rstrip()}" for i, row in enumerate(self.rows)]


def text_range_test(
    result: "RangeTestResult", *, width: int = 72, height: int = 14, ascii_only: bool = False
) -> str:
    """Draw a range test with characters: `·` measured, `●` smoothed, `│` the pick, `┆` min and max.

    Args:
        result: a finished range test.
        width: columns in all, at least 30.
        height: rows of the curve, at least 4.
        ascii_only: use only characters that every terminal has.

    Returns:
        The picture, several lines.
    """
    curve = result.curve
    if not np.isfinite(curve.loss).any():
        return "no finite loss was measured"
    lr, smoothed = line(curve)
    decades = (float(np.log10(curve.lr.min())), float(np.log10(curve.lr.max())))
    grid = _Grid(decades, window(curve, smoothed), max(width, 30) - 11, max(height, 4))
    if result.suggestion.has_pick:
        for rate, mark in ((result.min_lr, "┆"), (result.max_lr, "┆"), (result.lr, "│")):
            grid.upright(float(np.log10(rate)), mark)
    for x, y in zip(np.log10(curve.lr), curve.loss, strict=True):
        grid.dot(float(x), float(y), "·")
    fine = np.linspace(*decades, 3 * grid.width)
    for x, y in zip(fine, np.interp(fine, np.log10(lr), smoothed), strict=True):
        grid.dot(float(x), float(y), "●")
    ticks = [(float(k), f"1e{k}") for k in range(int(np.ceil(decades[0])), int(decades[1]) + 1)]
    return _finish(grid, ticks, "learning rate", ascii_only)


def text_schedule(
    schedule: Schedule,
    total_steps: int | None = None,
    *,
    width: int = 72,
    height: int = 10,
    ascii_only: bool = False,
) -> str:
    """Draw a schedule with characters.

    Args:
        schedule: the schedule.
        total_steps: how many steps to draw; None draws the schedule's own length.
        width: columns in all, at least 30.
        height: rows of the curve, at least 4.
        ascii_only: use only characters that every terminal has.

    Returns:
        The picture, several lines.
    """
    steps, values = sample(schedule, total_steps)
    low, high = min(0.0, float(values.min())), float(values.max())
    ends = (float(steps[0]), max(float(steps[-1]), float(steps[0]) + 1))
    grid = _Grid(ends, (low, high if high > low else low + 1), max(width, 30) - 11, max(height, 4))
    _trace(grid, steps, values)
    ticks = [(float(x), f"{x:.0f}") for x in np.linspace(*ends, 5)]
    return _finish(grid, ticks, "optimizer step", ascii_only)


def _trace(grid: _Grid, x: "FloatArray", y: "FloatArray") -> None:
    fine = np.linspace(x[0], x[-1], 3 * grid.width)
    for at, value in zip(fine, np.interp(fine, x, y), strict=True):
        grid.dot(float(at), float(value), "●")


def _finish(grid: _Grid, ticks: Sequence[tuple[float, str]], label: str, ascii_only: bool) -> str:
    axis = ["─"] * grid.width
    names = [" "] * grid.width
    free = 0
    for at, name in ticks:
        column = grid.column(at)
        start = max(min(column - len(name) // 2, grid.width - len(name)), 0)
        if start < free:
            continue
        axis[column] = "┴"
        names[start : start + len(name)] = name
        free = start + len(name) + 1
    out = [*grid.lines(), " " * 10 + "└" + "".join(axis), " " * 11 + "".join(names).rstrip()]
    out.append(" " * 11 + label.center(grid.width).rstrip())
    picture = "\n".join(out)
    return picture.translate(_ASCII) if ascii_only else picture


def _cell(value: float, ends: tuple[float, float], cells: int) -> int:
    low, high = ends
    share = (value - low) / (high - low) if high > low else 0.5
    return int(np.clip(round(share * (cells - 1)), 0, cells - 1))
