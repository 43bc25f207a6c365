"""LiveCurve: the range test drawn while it goes, in a notebook."""

import sys
from collections.abc import Callable
from io import BytesIO
from time import monotonic
from typing import Any

from lrtool._check import positive
from lrtool.callbacks._lightning import Callback
from lrtool.callbacks._progress import SweepBar
from lrtool.curve import LossCurve

__all__ = ["LiveCurve"]


class LiveCurve(Callback):  # type: ignore[misc, unused-ignore]
    """Draws the curve in the notebook cell while the sweep goes, in place of its progress bar.

    Outside a notebook it does nothing.

    Args:
        every: seconds between two pictures, above zero; one takes about a tenth of a second.

    Raises:
        ArgumentError: when `every` is not above zero.

    >>> watcher = LiveCurve()
    >>> # lrtool.range_test(model, data, trainer_kwargs={"callbacks": [watcher]})
    """

    def __init__(self, *, every: float = 1.0) -> None:
        super().__init__()
        positive(every=every)
        self.every = every

    def sweep_bar(self) -> SweepBar | None:
        """What the range test shows its steps to; None outside a notebook."""
        show = _cell()
        return None if show is None else LiveBar(self.every, show)


class LiveBar(SweepBar):
    """Draws the curve so far, now and then.

    Args:
        every: seconds between two pictures.
        show: takes a PNG and puts it in the place of the last one.
    """

    def __init__(self, every: float, show: Callable[[bytes], None]) -> None:
        self._every, self._show = every, show
        self._lr: list[float] = []
        self._loss: list[float] = []
        self._last = monotonic()

    def step(self, lr: float, loss: float, total: int) -> None:
        """Keep the step; draw when it is time."""
        self._lr.append(lr)
        self._loss.append(loss)
        if monotonic() - self._last >= self._every:
            self._draw(LossCurve(self._lr, self._loss))  # type: ignore[arg-type]
            self._last = monotonic()

    def end(self, curve: LossCurve) -> None:
        """Draw all of it, and where it broke."""
        self._draw(curve)

    def _draw(self, curve: LossCurve) -> None:
        from lrtool.plotting import plot_range_test
        from lrtool.plotting.style import new_figure, style

        buffer = BytesIO()
        with style():
            figure = new_figure((6.4, 3.4))
            plot_range_test(curve, figure.subplots())
            figure.savefig(buffer, format="png")
        self._show(buffer.getvalue())


def _cell() -> Callable[[bytes], None] | None:
    """Shows PNGs in the running notebook cell, each in place of the last; None outside of one."""
    # A notebook has imported IPython; asking for it first would be the slowest part of this.
    ipython: Any = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    if shell is None or not hasattr(shell, "kernel"):
        return None
    display: Any = ipython.display
    handle = display.DisplayHandle()
    shown = False

    def show(png: bytes) -> None:
        nonlocal shown
        picture = display.Image(data=png)
        (handle.update if shown else handle.display)(picture)
        shown = True

    return show
