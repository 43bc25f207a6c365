"""Schedules as pictures."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from lrtool._check import integer, require
from lrtool.plotting._axes import fit_text, is_small, legend, plain
from lrtool.plotting.style import ink, new_axes
from lrtool.schedules.base import Schedule

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_schedule", "plot_schedules"]

_MOST_POINTS = 4000


def plot_schedule(
    schedule: Schedule, total_steps: int | None = None, ax: "Axes | None" = None
) -> "Axes":
    """Draw the value of every optimizer step of a schedule.

    Args:
        schedule: the schedule.
        total_steps: how many steps to draw; None draws the schedule's own length.
        ax: where to draw; None makes a new figure.

    Returns:
        The Axes.

    Raises:
        ArgumentError: when the schedule has no length and none is given.
    """
    ax = new_axes((6.4, 3.2)) if ax is None else ax
    palette = ink(ax)
    steps, values = sample(schedule, total_steps)
    ax.plot(steps, values, color=palette.curve)
    peak = int(np.argmax(values))
    ax.plot(steps[peak], values[peak], "o", color=palette.pick, markersize=5)
    if not is_small(ax):
        right = steps[peak] > 0.7 * steps[-1]
        ax.annotate(
            f"{values[peak]:.3g} at step {int(steps[peak])}", (steps[peak], values[peak]),
            xytext=(-7 if right else 7, 2), textcoords="offset points",
            ha="right" if right else "left", va="bottom", fontsize=8.5, color=palette.text,
            annotation_clip=False,
        )  # fmt: skip
    _finish(ax, float(values.max()))
    return ax


def plot_schedules(
    schedules: Mapping[str, Schedule], total_steps: int | None = None, ax: "Axes | None" = None
) -> "Axes":
    """Draw several schedules on one Axes, each by its name.

    Args:
        schedules: name to schedule.
        total_steps: how many steps to draw of each; None draws each to its own length.
        ax: where to draw; None makes a new figure.

    Returns:
        The Axes.
    """
    ax = new_axes((6.4, 3.2)) if ax is None else ax
    palette = ink(ax)
    top = 0.0
    for index, (name, schedule) in enumerate(schedules.items()):
        steps, values = sample(schedule, total_steps)
        top = max(top, float(values.max()))
        ax.plot(steps, values, color=palette.series[index % len(palette.series)], label=plain(name))
    _finish(ax, top)
    legend(ax)
    return ax


def sample(schedule: Schedule, total_steps: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Steps and values to draw: every step, or an even choice of them when there are very many."""
    length = schedule.length if total_steps is None else total_steps
    require(
        length is not None, "a total_steps", "this schedule never settles: say how much to draw",
        schedule=schedule, total_steps=total_steps,
    )  # fmt: skip
    assert length is not None
    integer(1, total_steps=length)
    steps = np.unique(np.linspace(0, length - 1, min(int(length), _MOST_POINTS)).round())
    return steps, np.array([schedule(float(step)) for step in steps])


def _finish(ax: "Axes", top: float) -> None:
    ax.set_xlabel("optimizer step")
    ax.set_ylabel("value")
    if top > 0:
        ax.set_ylim(0, 1.12 * top)
    fit_text(ax)
