"""LiveCurve: the range test drawn while it goes, in a notebook."""

import sys
from io import BytesIO
from time import monotonic
from typing import Any, Protocol

from lrtool._check import positive
from lrtool.callbacks._lightning import Callback
from lrtool.callbacks._progress import SweepBar
from lrtool.curve import LossCurve

__all__ = ["LiveCurve"]


class LiveCurve(Callback):  # type: ignore[misc, unused-ignore]
    """Draws the curve in the notebook cell while the sweep goes, in place of its progress bar.

    Where ipywidgets is installed, the picture is a widget that is changed in place; elsewhere the
    cell's output is replaced. Either way an ordinary picture stays in the notebook at the end.
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
        picture = _in_cell()
        return None if picture is None else LiveBar(self.every, picture)


class Picture(Protocol):
    """A place for one picture."""

    def show(self, png: bytes) -> None:
        """Put `png` where the last one was."""

    def close(self) -> None:
        """Leave the last one for good."""


class LiveBar(SweepBar):
    """Draws the curve so far, now and then.

    Args:
        every: seconds between two pictures.
        picture: where to draw.
    """

    def __init__(self, every: float, picture: Picture) -> None:
        self._every, self._picture = every, picture
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

    def close(self) -> None:
        """Leave the last picture, also that of a sweep that was interrupted."""
        self._picture.close()

    def _draw(self, curve: LossCurve) -> None:
        from lrtool.plotting import plot_range_test
        from lrtool.plotting.style import new_figure, style

        buffer = BytesIO()
        with style():
            figure = new_figure((6.4, 3.4))
            plot_range_test(curve, figure.subplots())
            figure.savefig(buffer, format="png")
        self._picture.show(buffer.getvalue())


class OutputPicture:
    """A picture as the output of a notebook cell.

    Args:
        display: IPython.display.
    """

    def __init__(self, display: Any) -> None:
        self._display = display
        self._handle = display.DisplayHandle()
        self._shown = False

    def show(self, png: bytes) -> None:
        """Put `png` where the last one was."""
        self.put(self._display.Image(data=png))

    def put(self, thing: Any) -> None:
        """Make `thing` the output."""
        (self._handle.update if self._shown else self._handle.display)(thing)
        self._shown = True

    def close(self) -> None:
        """Nothing to do: an output stays."""


class WidgetPicture:
    """A picture as a widget: the page gets the new bytes alone, and nothing is laid out again.

    Args:
        output: takes the widget, and at the end the last picture: a widget lives no longer than
            its kernel, and shows nothing in a notebook that was saved or printed.
        widget: an empty ipywidgets.Image.
    """

    def __init__(self, output: OutputPicture, widget: Any) -> None:
        self._output, self._widget = output, widget
        self._png = b""

    def show(self, png: bytes) -> None:
        """Put `png` where the last one was."""
        self._widget.value = png
        if not self._png:
            self._output.put(self._widget)
        self._png = png

    def close(self) -> None:
        """Put an ordinary picture in the place of the widget."""
        if self._png:
            self._output.show(self._png)
        self._widget.close()


def _in_cell() -> Picture | None:
    """A place in the output of the running notebook cell; None outside of one."""
    # A notebook has imported IPython; asking for it first would be the slowest part of this.
    ipython: Any = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    if shell is None or not hasattr(shell, "kernel"):
        return None
    output = OutputPicture(ipython.display)
    try:
        from ipywidgets import Image
    except ImportError:
        return output
    return WidgetPicture(output, Image(format="png"))
