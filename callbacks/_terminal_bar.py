"""A bar for sweeps whose Trainer shows none: on standard error, only where somebody watches."""

from typing import Any

from lrtool.callbacks._lightning import Callback
from lrtool.callbacks._progress import SweepBar
from lrtool.curve import LossCurve

__all__ = ["TerminalBar"]


class TerminalBar(Callback):  # type: ignore[misc, unused-ignore]
    """Shows a range test's steps on a terminal, whatever the Trainer's own bars do."""

    def sweep_bar(self) -> SweepBar:
        """A new bar for one sweep."""
        return _Bar()


class _Bar(SweepBar):
    def __init__(self) -> None:
        from tqdm.auto import tqdm

        # disable=None: no bar where standard error is no terminal.
        self._bar: Any = tqdm(desc="  range test", unit="step", leave=False, disable=None)

    def step(self, lr: float, loss: float, total: int) -> None:
        self._bar.total = total
        self._bar.set_postfix_str(f"lr {lr:.1e}, loss {loss:.3g}", refresh=False)
        self._bar.update()

    def end(self, curve: LossCurve) -> None:
        self._bar.total = self._bar.n

    def close(self) -> None:
        self._bar.close()
