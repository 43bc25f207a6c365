"""TuneResult: a finished study, ready to be read, drawn, reported and pasted."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from lrtool.result import RangeTestResult
from lrtool.search.recipes import cli_yaml, snippet
from lrtool.search.run import PARAMS
from lrtool.search.space import Space
from lrtool.search.trials import reasons_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes


__all__ = ["CHECKPOINT", "TuneResult"]

CHECKPOINT = "lrtool:checkpoint"


@dataclass(frozen=True)
class TuneResult:
    """What a search found.

    Args:
        study: Optuna's; its own plots work on it.
        space: what was searched, with priors.
        range_test: the measurement behind the prior; None without one.
        settings: monitor, mode, n_trials, seed, sampler, pruner, as kept in the study.
        storage: where the study lives, without a password.
        out_dir: where the trials' folders are; None when they keep nothing.
        finished: whether the study's total was reached; False after Ctrl-C.
    """

    study: Study
    space: Space
    range_test: RangeTestResult | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    storage: str | None = None
    out_dir: Path | None = None
    finished: bool = True

    @property
    def any_finished(self) -> bool:
        """Whether there is a best trial."""
        return bool(self.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)))

    @property
    def best_trial(self) -> FrozenTrial:
        """The trial with the best value.

        Raises:
            ValueError: when no trial has finished.
        """
        return self.study.best_trial

    @property
    def best_params(self) -> dict[str, Any]:
        """Its parameters in their own units: schedule, max_lr, momentum, weight_decay, and more."""
        return self.params_of(self.best_trial)

    @property
    def best_value(self) -> float:
        """Its value."""
        return self.study.best_value

    @property
    def best_checkpoint(self) -> Path | None:
        """The weights of its best check; None when none were kept."""
        path = self.best_trial.user_attrs.get(CHECKPOINT)
        return Path(path) if path else None

    @property
    def trials(self) -> list[dict[str, Any]]:
        """One row a trial: number, state, value, reason of its end, and its parameters."""
        reasons = reasons_of(self.study)
        return [
            {
                "number": trial.number,
                "state": trial.state.name,
                "value": trial.value,
                "reason": reasons[trial.number],
                **self.params_of(trial),
            }
            for trial in self.study.get_trials(deepcopy=False)
        ]

    @property
    def prior_guard(self) -> dict[str, Any] | None:
        """At which trial the prior was found misleading, and why; None when it was not."""
        return self.study.user_attrs.get("lrtool:prior_guard")

    def params_of(self, trial: FrozenTrial) -> dict[str, Any]:
        """A trial's parameters in their own units."""
        kept: dict[str, Any] | None = trial.user_attrs.get(PARAMS)
        return dict(kept) if kept is not None else self.space.params(trial.params)

    def snippet(self) -> str:
        """Python that trains with the best parameters, ready to paste."""
        return snippet(self.best_params)

    def cli_yaml(self) -> str:
        """The best parameters as YAML for LightningCLI."""
        return cli_yaml(self.best_params)

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Draw the history; returns the Axes, shows nothing."""
        from lrtool.plotting import plot_study

        return plot_study(self.study, ax=ax, ylabel=self.settings.get("monitor", "value"))

    def report(self, path: str | Path) -> Path:
        """Write one self-contained HTML page."""
        from lrtool.report import tune_sections, write_report

        title = f"Search {self.study.study_name}"
        return write_report(path, tune_sections(self), title=title, lead=str(self))

    def _repr_html_(self) -> str:
        from lrtool.report import tune_html

        return tune_html(self)

    def __str__(self) -> str:
        if not self.any_finished:
            return f"no trial of study {self.study.study_name!r} has finished yet"
        settings = ", ".join(
            f"{name}={value:.4g}" if isinstance(value, float) else f"{name}={value}"
            for name, value in self.best_params.items()
        )
        name = self.settings.get("monitor", "value")
        return f"{name} {self.best_value:.6g} in {len(self.study.trials)} trials: {settings}"
