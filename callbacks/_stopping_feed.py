"""Which new values of the metrics each of a Trainer's hooks brings."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lrtool.callbacks._monitored import Monitored

if TYPE_CHECKING:
    from lrtool.callbacks._lightning import Trainer

__all__ = ["Feed"]

Values = dict[str, float]


class Feed:
    """New values by name, the same on every rank; empty where a hook brings none.

    A metric that validation logs is read after validations, any other at the end of training
    epochs. Every rank must ask at the same hooks.

    Args:
        names: the monitors.
        train_monitor: a training metric needed beside them.
        on_train_epoch_end: True reads all at the end of training epochs, False after validations.
        every_n_train_steps: read their means over so many optimizer steps instead.
        strict: refuse a metric that has had no value when it should have.
    """

    def __init__(
        self,
        names: Sequence[str],
        train_monitor: str | None,
        on_train_epoch_end: bool | None,
        every_n_train_steps: int | None,
        strict: bool,
    ) -> None:
        self._names = names
        self._train_monitor = train_monitor
        self._only_validation = on_train_epoch_end is False
        self._only_epochs = bool(on_train_epoch_end or train_monitor)
        self._every = every_n_train_steps
        self._strict = strict
        self._metrics = Monitored()
        self._of_validation: set[str] = set()
        self._validated = False

    @property
    def of_epochs(self) -> bool:
        """Whether the values are those of whole training epochs, as far as is known yet."""
        return not (self._of_validation or self._only_validation or self._every)

    def before_validation(self, trainer: "Trainer") -> None:
        """Tell apart what the validation to come will log."""
        self._metrics.mark(trainer, self._names)

    def after_validation(self, trainer: "Trainer") -> Values:
        """What this validation logged."""
        self._validated = True
        if self._only_epochs or self._every:
            return {}
        rare = trainer.val_check_interval != 1.0 or trainer.check_val_every_n_epoch != 1
        demand = rare or self._only_validation
        values = self._take(trainer, self._names, demand=demand, since_mark=True)
        self._of_validation.update(values)
        return values

    def after_epoch(self, trainer: "Trainer") -> Values:
        """What no validation logs."""
        if self._only_validation or self._every:
            return {}
        names = [name for name in self._names if name not in self._of_validation]
        seen_all = self._validated or not trainer.enable_validation
        return self._take(trainer, names, demand=seen_all)

    def after_step(self, trainer: "Trainer", last: int) -> Values:
        """The means over the last steps, every so many of them; `last`: the step of the latest."""
        if self._every is None:
            return {}
        for name in self._names:
            self._metrics.add(trainer, name)
        if trainer.global_step // self._every == last // self._every:
            return {}
        means = {name: self._metrics.take_mean(trainer, name) for name in self._names}
        if self._strict:
            self._metrics.demand(trainer, self._names)
        return {name: mean for name, mean in means.items() if mean is not None}

    def train_value(self, trainer: "Trainer") -> float | None:
        """The training metric needed beside the monitors."""
        if self._train_monitor is None:
            return None
        return self._metrics.take(trainer, self._train_monitor)

    def _take(
        self, trainer: "Trainer", names: Sequence[str], *, demand: bool, since_mark: bool = False
    ) -> Values:
        taken = {name: self._metrics.take(trainer, name, since_mark=since_mark) for name in names}
        if demand and self._strict:
            self._metrics.demand(trainer, names)
        return {name: value for name, value in taken.items() if value is not None}
