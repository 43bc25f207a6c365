"""A progress bar for the sweep, in the style of the Trainer's own: rich, tqdm, or none."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lrtool.callbacks._lightning import Trainer, callbacks_of, submodule
from lrtool.curve import LossCurve

__all__ = ["SweepBar", "sweep_bar"]

_TITLE = "LR range test"


class SweepBar:
    """No bar; the base of those that show something."""

    def step(self, lr: float, loss: float, total: int) -> None:
        """Show the step just taken.

        Args:
            lr: its rate.
            loss: the loss it started from.
            total: how many steps are planned by now.
        """

    def end(self, curve: LossCurve) -> None:
        """Say why the sweep ended."""

    def close(self) -> None:
        """Take the bar off."""


class _TqdmBar(SweepBar):
    def __init__(self, trainer: Trainer) -> None:
        tqdm = submodule(trainer, "callbacks.progress.tqdm_progress").Tqdm
        self._bar = tqdm(desc=_TITLE, leave=True, dynamic_ncols=True, unit="step")

    def step(self, lr: float, loss: float, total: int) -> None:
        self._bar.total = total
        self._bar.set_postfix_str(f"lr={lr:.2e}, loss={loss:.4g}", refresh=False)
        self._bar.update()

    def end(self, curve: LossCurve) -> None:
        self._bar.total = self._bar.n
        self._bar.set_postfix_str(curve.ending)

    def close(self) -> None:
        self._bar.close()


class _RichBar(SweepBar):
    """A task in the Trainer's own live display: there can be only one such display."""

    def __init__(self, trainer: Trainer, callback: Any) -> None:
        callback._init_progress(trainer)
        self._progress = callback.progress
        self._task = self._progress.add_task(_TITLE, total=1.0)

    def step(self, lr: float, loss: float, total: int) -> None:
        text = f"{_TITLE} lr={lr:.2e} loss={loss:.4g}"
        self._progress.update(self._task, advance=1, total=total, description=text)

    def end(self, curve: LossCurve) -> None:
        self._progress.console.print(f"{_TITLE}: {curve.ending}")

    def close(self) -> None:
        # Hidden, not removed: the Trainer's bars are found by their place in the list of tasks.
        self._progress.update(self._task, visible=False)


@contextmanager
def sweep_bar(trainer: Trainer) -> Iterator[SweepBar]:
    """The bar that fits `trainer`; taken off when the block ends.

    Args:
        trainer: not borrowed yet: its callbacks are asked which style of bar they are.
    """
    bar = _make(trainer)
    try:
        yield bar
    finally:
        bar.close()


def _make(trainer: Trainer) -> SweepBar:
    for watcher in callbacks_of(trainer):  # LiveCurve, or whoever else wants to see the steps
        bar = watcher.sweep_bar() if hasattr(watcher, "sweep_bar") else None
        if bar is not None:
            return bar  # type: ignore[no-any-return]
    callback: Any = trainer.progress_bar_callback
    if callback is None or not getattr(callback, "is_enabled", False):
        return SweepBar()
    if hasattr(callback, "_init_progress"):
        return _RichBar(trainer, callback)
    return _TqdmBar(trainer)
