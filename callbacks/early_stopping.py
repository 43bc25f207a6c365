"""EarlyStopping: stop when a metric no longer improves, and give back the best weights."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lrtool.callbacks._best_weights import BestWeights, KeepBest, refuse_unkeepable
from lrtool.callbacks._cycle_snapshots import CycleSnapshots
from lrtool.callbacks._lightning import Callback, LightningModule, Trainer, submodules
from lrtool.callbacks._same_model import SameModel
from lrtool.callbacks._stop_request import StopRequest
from lrtool.callbacks._stopping_clock import Clock, min_length_met
from lrtool.callbacks._stopping_feed import Feed
from lrtool.callbacks._stopping_findings import StoppingFindings
from lrtool.callbacks._stopping_log import log_info
from lrtool.callbacks._stopping_rules import (
    counts_cycles,
    lengths_are_known,
    panel_of,
    refuse_contradictions,
)
from lrtool.durations import DurationLike
from lrtool.stopping import CONTINUE, Criterion, Moment, Phase, StoppingState

__all__ = ["EarlyStopping"]

if TYPE_CHECKING:
    from pytorch_lightning.callbacks import EarlyStopping as _Base
else:
    # Lightning runs its own EarlyStopping after the module's epoch-end hook, and finds it as
    # `trainer.early_stopping_callback`: this one is to be found and run the same way.
    _Base = type(
        "_Base",
        (Callback, *(module.EarlyStopping for module in submodules("callbacks"))),
        {"__module__": __name__},
    )


class EarlyStopping(StoppingFindings, _Base):  # type: ignore[misc, override]
    """Stop when a metric no longer improves, and give back the best weights.

    Takes the arguments of Lightning's EarlyStopping, in its order and with its defaults, and
    decides as it does, but for schedules that come down to an end (`schedule_aware`); the rest is
    keyword-only. The default patience, three checks, is Lightning's, and short for most trainings:
    a setting that was measured to give up next to nothing for two fifths of the epochs is::

        EarlyStopping("val_loss", patience="0.2dur", smoothing=3, restore_best=True,
                      min_delta=0.02, min_delta_mode="rel")

    Args:
        monitor: the metric's name, or several names.
        min_delta: smallest improvement that counts; one value, or one for each monitor.
        patience: how long to wait for an improvement: an int counts checks (with a cyclical
            schedule: cycles), a string has a unit: "3ep", "500step", "2cycle", "0.1dur".
        verbose: log improvements and the reason for stopping.
        mode: "min" or "max"; one value, or one for each monitor.
        strict: raise when a metric is missing at a check.
        check_finite: stop when a metric is NaN or infinite. It is never the best either way.
        stopping_threshold: stop when the metric is better than this; one value or one for each.
        divergence_threshold: stop when the metric is worse than this; one value or one for each.
        check_on_train_epoch_end: True checks at the end of training epochs, False at the end of
            validations, None wherever the metric gets its new values.
        log_rank_zero_only: log on rank 0 only.
        restore_best: after `fit`, write the weights and buffers of the best check of the first
            monitor back into the model, whatever ended the training, except an exception.
        keep_best: where they are kept: "cpu", "device", or "checkpoint", a file of Lightning's. In
            memory, they are also part of the Trainer's checkpoints: a resumed run has them.
        restore_optimizer: give back the optimizers' state of the best check too.
        min_delta_mode: "abs", as in Lightning; or "rel": min_delta is a share of the value to
            improve on. A smaller improvement is then the best all the same, but patience runs on.
        start_from: values up to and including this time are ignored; "peak": until the learning
            rate has passed its first peak.
        baseline: patience starts anew only for improvements that also beat this value.
        smoothing: judge the mean of the last so many checks, or the check itself where it is worse:
            neither a lucky check is the best, nor a bad one in good company.
        criterion: `GeneralizationLoss`, `ProgressQuotient` or `UpStrips` of `lrtool.stopping`, in
            place of patience.
        stop_when: with several monitors, stop when "all" or "any" of them say so.
        every_n_train_steps: check a training metric every so many optimizer steps, by its mean
            over them; no validation needed.
        schedule_aware: judge at the ends of the schedule's cycles only, and of decays that have an
            end (cosine, linear, wsd ...), and do not count checks while the learning rate is
            warming up. A training that diverges is stopped at once.
        dirpath: folder of the file of keep_best="checkpoint"; by default the Trainer's root.
        snapshots: keep the best weights of each of the last so many cycles.

    Attributes:
        stopping_reason: a `lrtool.stopping.StoppingReason`.
        stopping_reason_message: the reason in a sentence with the numbers.
        best_value: the best value of the first monitor, None before the first.
        snapshots: a `CycleSnapshot` (cycle, value, step, weights) for each cycle kept.
        best_step: the optimizer steps done when it was measured; `best_epoch` likewise.
        wait_count: checks since the last improvement.
        stopped_epoch: the epoch training was stopped in, 0 if it was not.

    Raises:
        ArgumentError: when an argument is out of its range.
        UnsupportedError: when a metric, whole weights or cycles are asked for and there are none.

    References:
        Prechelt, "Early Stopping - But When?", 1998; Huang et al. 2017, "Snapshot Ensembles",
        https://arxiv.org/abs/1704.00109.

    >>> stopper = EarlyStopping("val_loss", patience="5ep", restore_best=True)
    >>> stopper.stopping_reason.value, stopper.best_value
    ('not_stopped', None)
    """

    def __init__(
        self,
        monitor: str | Sequence[str],
        min_delta: float | Sequence[float] = 0.0,
        patience: DurationLike = 3,
        verbose: bool = False,
        mode: str | Sequence[str] = "min",
        strict: bool = True,
        check_finite: bool = True,
        stopping_threshold: float | Sequence[float | None] | None = None,
        divergence_threshold: float | Sequence[float | None] | None = None,
        check_on_train_epoch_end: bool | None = None,
        log_rank_zero_only: bool = False,
        *,
        restore_best: bool = False,
        keep_best: KeepBest = "cpu",
        restore_optimizer: bool = False,
        min_delta_mode: Literal["abs", "rel"] = "abs",
        start_from: DurationLike = 0,
        baseline: float | Sequence[float | None] | None = None,
        smoothing: int = 1,
        criterion: Criterion | None = None,
        stop_when: Literal["any", "all"] = "all",
        every_n_train_steps: int | None = None,
        schedule_aware: bool = True,
        dirpath: str | Path | None = None,
        snapshots: int = 0,
    ) -> None:
        self.monitor = monitor  # type: ignore[assignment]
        self.min_delta = min_delta  # type: ignore[assignment]
        self.patience = patience  # type: ignore[assignment]
        self.verbose = verbose
        self.mode = mode  # type: ignore[assignment]
        self.strict = strict
        self.check_finite = check_finite
        self.stopping_threshold = stopping_threshold  # type: ignore[assignment]
        self.divergence_threshold = divergence_threshold  # type: ignore[assignment]
        self.log_rank_zero_only = log_rank_zero_only
        self.restore_best = restore_best
        self.min_delta_mode = min_delta_mode
        self.start_from = start_from
        self.baseline = baseline
        self.smoothing = smoothing
        self.criterion = criterion
        self.stop_when = stop_when
        self.every_n_train_steps = every_n_train_steps
        self.schedule_aware = schedule_aware
        self._check_on_train_epoch_end = check_on_train_epoch_end
        self._names = (monitor,) if isinstance(monitor, str) else tuple(monitor)
        self._panel = panel_of(self, None)
        self._best = BestWeights(keep_best, restore_optimizer, dirpath)
        self._snapshots = CycleSnapshots(snapshots, self._panel.rules[0].mode)
        refuse_contradictions(self)
        self._request = StopRequest()
        self._model = SameModel()
        self._goes_on = False
        self._loaded = False
        self._reset()

    def _reset(self) -> None:
        self._states = self._panel.start()
        self._best.clear()
        self._snapshots.clear()
        self._request.clear()
        self._decision = CONTINUE
        self._at, self._phase = Moment(), Phase.IGNORE
        self._peak_passed = False

    # -- hooks -------------------------------------------------------------------------------

    @property
    def state_key(self) -> str:
        """Its own: it can stand beside Lightning's EarlyStopping of the same metric."""
        return f"lrtool.EarlyStopping{{'monitor': {self.monitor!r}, 'mode': {self.mode!r}}}"

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Start with fresh eyes on the metrics."""
        if stage == "fit":
            self._goes_on = self._model.goes_on(trainer, pl_module)
            self._clock = Clock(self.schedule_aware)
            self._feed = Feed(
                self._names,
                self._train_monitor,
                self._check_on_train_epoch_end,
                self.every_n_train_steps,
                self.strict,
            )

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Forget the last training, unless this one continues it; a stopped one stays stopped."""
        if not (self._loaded or self._goes_on):
            self._reset()
        self._loaded = False
        self._request.forget()
        if lengths_are_known(self):
            self._decision = self._panel.decide(self._states, self._at, self._phase)
            if self._decision.stop:  # asked for here, the training is skipped altogether
                self._request.make(trainer, self._decision)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Resolve durations, now that lengths are known, and look again at what was resumed."""
        if self.restore_best or self._snapshots.limit:
            refuse_unkeepable(trainer)
        self._panel = panel_of(self, trainer)
        self._decision = self._panel.decide(self._states, self._at, self._phase)
        if self._request.stands and not min_length_met(trainer):
            self._request.withdraw(trainer)
        self._carry_out(trainer)

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Note the learning rate in use."""
        if self.schedule_aware:
            self._clock.batch_start(trainer)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Check a step metric, and judge where a cycle ends."""
        if counts_cycles(self):
            self._clock.demand_cycles(trainer)
        if trainer.fast_dev_run:  # type: ignore[attr-defined]
            return
        self._check(trainer, pl_module, self._feed.after_step(trainer, self._at.step))
        if self._clock.at_cycle_end(trainer) and self._at.step != trainer.global_step:
            self._on_cycle_end(trainer)
        self._carry_out(trainer)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Tell apart what this validation will log."""
        if self._active(trainer):
            self._feed.before_validation(trainer)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Check the metrics that this validation logged."""
        if self._active(trainer):
            self._check(trainer, pl_module, self._feed.after_validation(trainer))

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Check the metrics that no validation logs."""
        if self._active(trainer):
            self._check(trainer, pl_module, self._feed.after_epoch(trainer))
            self._carry_out(trainer)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Give back the best weights: the last hook, after every checkpoint was written."""
        if self.verbose and self._request.stands:
            self._log(trainer, self._request.verdict.message)
        if self.restore_best and self._best:
            self._best.restore(trainer, pl_module)

    def state_dict(self) -> dict[str, Any]:
        """Plain numbers, and the best weights where they are kept in memory."""
        return {
            "states": [state.to_dict() for state in self._states],
            "at": asdict(self._at),
            "phase": self._phase.value,
            "peak_passed": self._peak_passed,
            "stopped_epoch": self.stopped_epoch,
            "best": self._best.state_dict(),
            "snapshots": self._snapshots.state(),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over a checkpoint's state; the arguments, patience among them, stay one's own."""
        self._states = tuple(StoppingState.from_dict(state) for state in state_dict["states"])
        self._at, self._phase = Moment(**state_dict["at"]), Phase(state_dict["phase"])
        self._peak_passed = state_dict["peak_passed"]
        self._request.epoch = state_dict["stopped_epoch"]
        self._best.load_state_dict(state_dict["best"])
        self._snapshots.load(state_dict["snapshots"])
        self._loaded = True

    # -- one check ---------------------------------------------------------------------------

    def _check(
        self, trainer: Trainer, pl_module: LightningModule, values: dict[str, float]
    ) -> None:
        """Judge new values."""
        if not values:
            return
        self._at, self._phase = self._clock.moment(trainer), self._phase_now(trainer)
        in_order = [values.get(name) for name in self._names]
        train = self._feed.train_value(trainer)
        self._states, self._decision = self._panel.update(
            self._states, in_order, self._at, self._phase, train
        )
        if self._names[0] in values and self._states[0].improved:
            if self.restore_best:
                self._best.keep(trainer, pl_module)
            if self.verbose:
                self._log(trainer, f"{self._names[0]} improved to {self.best_value:.6g}")
        value = self._states[0].value
        if self._names[0] in values and value is not None and self._at.cycle:
            self._snapshots.offer(pl_module, self._at.cycle, value, self._at.step)
        self._carry_out(trainer)

    def _on_cycle_end(self, trainer: Trainer) -> None:
        """Judge the cycle that ends with this step by its checks so far.

        Where validation logs the metric, Lightning validates once more after a request to stop,
        and that check can still withdraw it. A metric of whole epochs gets no such chance, unless
        the epoch ends here too.
        """
        of_epochs = self._feed.of_epochs
        if of_epochs and trainer.is_last_batch:
            return
        self._at, self._phase = self._clock.moment(trainer), Phase.JUDGE
        self._decision = self._panel.decide(self._states, self._at)
        self._request.final = of_epochs and self._decision.stop

    def _phase_now(self, trainer: Trainer) -> Phase:
        if self.start_from == "peak" and not self._peak_passed:
            self._peak_passed = not self._clock.rising(trainer)
            if not self._peak_passed:
                return Phase.IGNORE
        return self._clock.phase(trainer)

    # -- carrying the verdict out --------------------------------------------------------------

    def _carry_out(self, trainer: Trainer) -> None:
        """Ask the Trainer to stop where the latest check says so and the run is long enough.

        Nothing is asked before, so that a verdict which falls under min_epochs and is overtaken by
        a later check, or by the next cycle, leaves no trace.
        """
        if self._request.stands:
            self._request.update(trainer, self._decision)
        elif self._decision.stop and min_length_met(trainer):
            phase = self._clock.phase(trainer)
            if self._panel.decide(self._states, self._at, phase).stop:
                self._request.make(trainer, self._decision)

    # -- small things --------------------------------------------------------------------------

    @property
    def _train_monitor(self) -> str | None:
        return None if self.criterion is None else self.criterion.train_monitor

    def _active(self, trainer: Trainer) -> bool:
        fitting = trainer.state.fn == "fit" and not trainer.sanity_checking
        return fitting and not trainer.fast_dev_run  # type: ignore[attr-defined]

    def _log(self, trainer: Trainer, message: str) -> None:
        if trainer.global_rank == 0 or not self.log_rank_zero_only:
            log_info(trainer, message)
