"""A search as pictures: history, importance, and the prior it started from."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from lrtool.plotting._axes import fit_text, legend, log_rate_axis, plain, spread
from lrtool.plotting.style import ink, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from optuna import Study
    from optuna.trial import FrozenTrial

    from lrtool.curve import FloatArray

__all__ = ["finished", "plot_importance", "plot_prior", "plot_studies", "plot_study"]


def plot_study(study: "Study", ax: "Axes | None" = None, *, ylabel: str = "value") -> "Axes":
    """Draw a study's history: every finished trial, and the best value so far.

    Args:
        study: an Optuna study with one objective.
        ax: where to draw; None makes a new figure.
        ylabel: the objective's name.

    Returns:
        The Axes.
    """
    return plot_studies({"": study}, ax, ylabel=ylabel)


def plot_studies(
    studies: "Mapping[str, Study]", ax: "Axes | None" = None, *, ylabel: str = "value"
) -> "Axes":
    """Draw the histories of several studies on one Axes, each by its name.

    Args:
        studies: name to study; all of one objective.
        ax: where to draw; None makes a new figure.
        ylabel: the objective's name.

    Returns:
        The Axes.
    """
    from matplotlib.ticker import MaxNLocator

    ax = new_axes((6.4, 3.4)) if ax is None else ax
    palette = ink(ax)
    for index, (name, study) in enumerate(studies.items()):
        colour = palette.series[index % len(palette.series)]
        numbers, values = _finished(study)
        ax.scatter(numbers, values, s=14, color=colour, alpha=0.5, linewidths=0)
        if len(values):
            lowest = study.direction.name == "MINIMIZE"
            best = (np.minimum if lowest else np.maximum).accumulate(values)
            label = plain(f"{name}: best so far" if name else "best so far")
            ax.step(numbers, best, where="post", color=colour, label=label)
        pruned = _pruned(study)
        if pruned:
            ax.plot(
                pruned, [0.02] * len(pruned), "|", color=colour, markersize=6, alpha=0.7,
                transform=ax.get_xaxis_transform(),
                label=plain(f"{name}: pruned" if name else "pruned"),
            )  # fmt: skip
    spread(ax, np.concatenate([_finished(study)[1] for study in studies.values()] or [[]]))
    ax.set_xlabel("trial")
    ax.set_ylabel(plain(ylabel))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    legend(ax)
    fit_text(ax)
    return ax


def plot_importance(importance: Mapping[str, float], ax: "Axes | None" = None) -> "Axes":
    """Draw how much each parameter explains of the objective's variation, largest first.

    Args:
        importance: parameter to share, 0 to 1.
        ax: where to draw; None makes a new figure.

    Returns:
        The Axes.
    """
    ax = new_axes((6.4, 0.9 + 0.32 * max(len(importance), 1))) if ax is None else ax
    palette = ink(ax)
    ordered = sorted(importance.items(), key=lambda item: item[1])
    names, shares = [plain(name) for name, _ in ordered], [share for _, share in ordered]
    bars = ax.barh(names, shares, color=palette.curve, height=0.6)
    ax.bar_label(bars, fmt="%.2f", padding=3, fontsize=8, color=palette.text)
    ax.set_xlim(0, max([1.15 * max(shares, default=1.0), 0.1]))
    ax.set_xlabel("importance")
    ax.grid(visible=False, axis="y")
    fit_text(ax)
    return ax


def plot_prior(
    lr: "FloatArray",
    density: "FloatArray",
    ax: "Axes | None" = None,
    *,
    samples: "FloatArray | None" = None,
) -> "Axes":
    """Draw a prior's density over log LR, and the rates that were tried as ticks under it.

    Args:
        lr: (n,) learning rates, ascending.
        density: (n,) the prior's density per decade at each.
        ax: where to draw; None makes a new figure.
        samples: rates the search tried.

    Returns:
        The Axes.
    """
    ax = new_axes((6.4, 2.6)) if ax is None else ax
    palette = ink(ax)
    ax.fill_between(lr, density, color=palette.curve, alpha=0.2, linewidth=0)
    ax.plot(lr, density, color=palette.curve)
    if samples is not None and len(samples):
        ax.plot(
            samples, np.full(len(samples), 0.03), "|", color=palette.pick, markersize=9,
            transform=ax.get_xaxis_transform(), label="tried",
        )  # fmt: skip
    log_rate_axis(ax, float(np.min(lr)), float(np.max(lr)))
    ax.set_ylim(bottom=0)
    ax.set_xlabel("learning rate")
    ax.set_ylabel("per decade")
    fit_text(ax)
    return ax


def finished(study: "Study") -> "list[FrozenTrial]":
    """The trials that ended with a finite value."""
    return [
        trial
        for trial in study.get_trials(deepcopy=False)
        if trial.state.name == "COMPLETE" and trial.value is not None and np.isfinite(trial.value)
    ]


def _finished(study: "Study") -> tuple[Any, Any]:
    """The finished trials' numbers and values."""
    done = finished(study)
    numbers, values = [trial.number for trial in done], [trial.value for trial in done]
    return np.array(numbers, dtype=float), np.array(values, dtype=float)


def _pruned(study: "Study") -> list[int]:
    trials = study.get_trials(deepcopy=False)
    return [trial.number for trial in trials if trial.state.name == "PRUNED"]
