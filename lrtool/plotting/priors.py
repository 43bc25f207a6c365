"""What a search believed before its first trial, against where its good trials lie."""

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

import numpy as np

from lrtool.plotting._axes import fit_text, legend, log_rate_axis
from lrtool.plotting.search import finished
from lrtool.plotting.style import ink

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from optuna import Study
    from optuna.trial import FrozenTrial

    from lrtool.curve import FloatArray
    from lrtool.search.prior import Prior
    from lrtool.search.space import Space

__all__ = ["COLUMNS", "count_priors", "plot_priors"]

COLUMNS = 3
_FEWEST = 4  # good trials, below which their density would say more than is known


@dataclass(frozen=True)
class _Panel:
    """One parameter: its name on the axis, and the way from its prior's coordinate to its units."""

    key: str
    label: str
    prior: "Prior"
    log: bool
    unit: float = 1.0

    def natural(self, x: "FloatArray") -> "FloatArray":
        return self.unit * 10**x if self.log else x


def count_priors(study: "Study", space: "Space") -> int:
    """How many panels `plot_priors` draws."""
    return len(_panels(study, space))


def plot_priors(study: "Study", space: "Space", figure: "Figure") -> None:
    """Draw, for each number searched, its prior, the trials, and the density of the best third.

    Of the schedules' own parameters, those of the best trial's schedule.

    Args:
        study: a study of lrtool's.
        space: what it searches.
        figure: where to draw; it is empty.
    """
    panels, ranked = _panels(study, space), _ranked(study)
    rows = ceil(len(panels) / COLUMNS)
    axes = list(figure.subplots(rows, COLUMNS, squeeze=False).flat)
    for ax, panel in zip(axes, panels, strict=False):
        _draw(ax, panel, ranked)
    for ax in axes[len(panels) :]:
        ax.set_axis_off()


def _draw(ax: "Axes", panel: _Panel, ranked: "list[FrozenTrial]") -> None:
    palette, prior = ink(ax), panel.prior
    grid = np.linspace(prior.x(prior.low), prior.x(prior.high), 400)
    at, density = panel.natural(grid), np.exp(prior.log_densities(grid))
    ax.fill_between(at, density, color=palette.curve, alpha=0.2, linewidth=0, label="believed")
    ax.plot(at, density, color=palette.curve, linewidth=1.2)
    tried, good = _coordinates(ranked, panel)
    ax.plot(
        panel.natural(tried), np.full(len(tried), 0.04), "|", color=palette.faint, markersize=7,
        transform=ax.get_xaxis_transform(), label="tried",
    )  # fmt: skip
    ax.plot(
        panel.natural(good), np.full(len(good), 0.04), "|", color=palette.pick, markersize=9,
        transform=ax.get_xaxis_transform(), label="the best third",
    )  # fmt: skip
    if len(good) >= _FEWEST:
        ax.plot(at, _kernel_density(good, grid), color=palette.pick, linewidth=1.6)
    if panel.log:
        log_rate_axis(ax, float(at[0]), float(at[-1]))
    ax.set_ylim(bottom=0)
    ax.set_yticks([])
    ax.set_xlabel(panel.label)
    fit_text(ax)
    legend(ax)


def _panels(study: "Study", space: "Space") -> list[_Panel]:
    from lrtool.search.prior import Prior
    from lrtool.search.space import LR, MOMENTUM, WEIGHT_DECAY

    schedule = _best_schedule(study, space)
    several = f" ({schedule})" if len(space.schedules) > 1 else ""
    at = (
        f" at momentum {space.momentum:.3g}"
        if space.accumulates and MOMENTUM in space.priors
        else ""
    )
    known = {
        LR: (f"max_lr{at}{several}", space.reference_lr[schedule]),
        MOMENTUM: ("1 - momentum", 1 - (space.momentum or 0.0)),
        WEIGHT_DECAY: ("weight_decay", space.weight_decay or 1.0),
    }
    panels = []
    for name, prior in space.priors.items():
        if not isinstance(prior, Prior):
            continue
        if name in known:
            label, unit = known[name]
            panels.append(_Panel(name, label, prior, log=True, unit=unit))
        elif name.startswith(f"{schedule}."):
            panels.append(_Panel(name, name.partition(".")[2], prior, log=prior.log))
    return panels


def _best_schedule(study: "Study", space: "Space") -> str:
    from lrtool.search.space import SCHEDULE

    best = _ranked(study)[:1]
    return best[0].params.get(SCHEDULE, space.schedules[0]) if best else space.schedules[0]


def _ranked(study: "Study") -> "list[FrozenTrial]":
    """The trials that finished, the best first."""
    sign = 1 if study.direction.name == "MINIMIZE" else -1
    return sorted(finished(study), key=lambda trial: sign * (trial.value or 0.0))


def _coordinates(ranked: "list[FrozenTrial]", panel: _Panel) -> "tuple[FloatArray, FloatArray]":
    """Where the finished trials lie, and where the best third of them do."""
    good = ranked[: ceil(len(ranked) / 3)]
    tried, best = (
        np.array([panel.prior.x(t.params[panel.key]) for t in trials if panel.key in t.params])
        for trials in (ranked, good)
    )
    return tried, best


def _kernel_density(points: "FloatArray", grid: "FloatArray") -> "FloatArray":
    """The points' density per unit of the grid: Gaussian kernels of Silverman's width."""
    width = 1.06 * float(np.std(points)) * len(points) ** -0.2
    width = max(width, 0.02 * float(grid[-1] - grid[0]))
    kernels = np.exp(-0.5 * ((grid[:, None] - points) / width) ** 2)
    density: FloatArray = kernels.sum(axis=1)
    density /= density.sum() * (grid[1] - grid[0])  # cut off at the bounds, as the prior is
    return density
