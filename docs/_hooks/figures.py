"""The pictures of the documentation, drawn at its build from measured curves and real schedules."""

from collections.abc import Callable, Iterator
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

from lrtool import schedules
from lrtool.curve import LossCurve
from lrtool.plotting import plot_range_test, plot_schedules, style
from lrtool.plotting.style import new_figure
from lrtool.result import RangeTestResult
from lrtool.suggest import suggest

CURVES = Path(__file__).parents[1] / "curves"
Draw = Callable[[Any], object]

SCHEDULES = {
    "falling": {
        "linear": schedules.linear(1.0, total_steps=1000),
        "cosine": schedules.cosine(1.0, total_steps=1000),
        "rex": schedules.rex(1.0, total_steps=1000),
        "wsd": schedules.wsd(1.0, total_steps=1000),
    },
    "cycles": {
        "one_cycle": schedules.one_cycle(max_lr=1.0, total_steps=1000),
        "triangular2": schedules.triangular2(max_lr=1.0, min_lr=0.1, step_size_up=125),
        "sgdr": schedules.sgdr(max_lr=1.0, T_0=143, T_mult=2),
    },
}


def on_files(files: Files, config: Any) -> Files:
    """Add every picture, light and dark."""
    for name, draw in _pictures():
        for theme in ("light", "dark"):
            path = f"img/{name}-{theme}.svg"
            files.append(File.generated(config, path, content=_svg(draw, theme)))
    return files


def _pictures() -> Iterator[tuple[str, Draw]]:
    for path in sorted(CURVES.glob("*.json")):
        curve = LossCurve.from_json(path)
        optimizer = "AdamW"
        result = RangeTestResult(curve, suggest(curve, optimizer=optimizer))
        yield path.stem, partial(plot_range_test, result)
    for name, family in SCHEDULES.items():
        yield name, partial(_family, family)


def _family(family: dict[str, Any], ax: Any) -> None:
    plot_schedules(family, total_steps=1000, ax=ax)


def _svg(draw: Draw, theme: Any) -> str:
    with style(theme):
        figure = new_figure((7.2, 3.4))
        draw(figure.subplots())
        text = StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue()
