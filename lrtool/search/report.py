"""What a training function reports to: stores every value, and says when to stop."""

from math import isfinite

import optuna
from optuna.trial import Trial

__all__ = ["Diverged", "Interrupted", "Report"]


class Diverged(optuna.TrialPruned):
    """Raised by a training function whose loss is lost; the trial is pruned, with the reason."""


class Interrupted(Exception):  # noqa: N818 (not an error)
    """Raised by a training function that stopped because `Report.stop_requested` was set."""


class Report:
    """A trial's `report(step, value)`.

    Args:
        trial: Optuna's.
    """

    def __init__(self, trial: Trial) -> None:
        self.trial = trial
        self.stop_requested = False

    def __call__(self, step: int, value: float) -> None:
        """Store `value` at optimizer step `step`; end the trial when it is hopeless.

        Raises:
            TrialPruned: when the study's pruner says so.
            Diverged: when the value is not finite.
        """
        if not isfinite(value):
            raise Diverged(f"the reported value became {value} at step {step}")
        self.trial.report(value, step)
        if self.trial.should_prune():
            raise optuna.TrialPruned(f"the pruner gave it up at step {step} (value {value:.6g})")
