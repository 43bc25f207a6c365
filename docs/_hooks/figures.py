"""What the documentation's build computes: pictures and readings of measured curves, schedules.

`![what it shows](figure:NAME)` in a page becomes the picture, for light and for dark ground;
`{{ NAME }}` what is read off that curve today; $x_i^2$, and the lines of a ```formula block, become
HTML with subscripts and exponents, for which no browser needs a script.
"""

import re
from collections.abc import Callable, Iterator
from functools import partial
from html import escape
from io import StringIO
from pathlib import Path
from textwrap import fill
from typing import Any

from mkdocs.structure.files import File, Files

from lrtool import schedules
from lrtool.curve import LossCurve
from lrtool.plotting import plot_range_test, plot_schedules, style
from lrtool.plotting.style import new_figure
from lrtool.result import RangeTestResult
from lrtool.suggest import suggest

CURVES = Path(__file__).parents[1] / "curves"
RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"
Draw = Callable[[Any], object]
THEMES = ("light", "dark")
OPTIMIZERS = dict.fromkeys(("scaled", "raw-pixels", "periodic", "diverged-at-start"), "SGD")

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
        for theme in THEMES:
            path = f"img/{name}-{theme}.svg"
            files.append(File.generated(config, path, content=_svg(draw, theme)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Put pictures and readings where a page asks for them."""
    up = "../" * page.url.count("/")

    def picture(found: re.Match[str]) -> str:
        light, dark = (f"![{found[1]}]({up}img/{found[2]}-{on}.svg#only-{on})" for on in THEMES)
        return f"{light}{dark}"

    def reading(found: re.Match[str]) -> str:
        return f"```text\n{fill(str(_result(found[1]).suggestion), 74)}\n```"

    markdown = re.sub(r"^```formula\n(.*?)^```$", _block, markdown, flags=re.MULTILINE | re.DOTALL)
    markdown = _beside_code(partial(re.sub, r"(?<![\w$])\$([^$\n`]+)\$(?!\w)", _inline), markdown)
    markdown = re.sub(r"!\[([^\]]*)\]\(figure:([\w-]+)\)", picture, markdown)
    markdown = re.sub(r"^\{\{ ([\w-]+) \}\}$", reading, markdown, flags=re.MULTILINE)
    return markdown.replace("{{ all results }}", _measurements())


def _beside_code(change: Callable[[str], str], text: str) -> str:
    """`text` with everything changed but its blocks of code."""
    pieces = re.split(r"(^ *```.*?^ *```$)", text, flags=re.MULTILINE | re.DOTALL)
    return "".join(part if index % 2 else change(part) for index, part in enumerate(pieces))


def _measurements() -> str:
    """The last results of all benchmarks, their headings one deeper, links into the code undone."""
    texts = [path.read_text(encoding="utf-8") for path in sorted(RESULTS.glob("*.md"))]
    return "\n\n".join(_beside_code(_deeper, text) for text in texts)


def _deeper(text: str) -> str:
    text = re.sub(r"^#", "##", text, flags=re.MULTILINE)
    return re.sub(r"\[([^\]]+)\]\((?!https?:)[^)]*\)", r"\1", text)


def _block(found: re.Match[str]) -> str:
    lines = "<br>".join(map(formula, found[1].splitlines()))
    return f'<p class="formula">{lines}</p>'


def _inline(found: re.Match[str]) -> str:
    return f'<span class="formula">{formula(found[1])}</span>'


def formula(text: str) -> str:
    """Mark up a formula: single letters in italics, `_i`, `_{i+1}`, `^2` and `^(k/T)` raised."""
    text = escape(text.strip())
    text = re.sub(r"(?<![A-Za-z])([A-Za-z])(?![A-Za-z])", r"<i>\1</i>", text)
    atom = r"(?:\{([^}]*)\}|\(([^)]*)\)|(<i>\w</i>|\w+))"
    for sign, tag in (("_", "sub"), (r"\^", "sup")):
        text = re.sub(sign + atom, lambda m, tag=tag: _tagged(m, tag), text)
    return text.replace("  ", "&emsp;")


def _tagged(found: re.Match[str], tag: str) -> str:
    return f"<{tag}>{found[1] or found[2] or found[3]}</{tag}>"


def _result(name: str) -> RangeTestResult:
    curve = LossCurve.from_json(CURVES / f"{name}.json")
    return RangeTestResult(curve, suggest(curve, optimizer=OPTIMIZERS.get(name, "AdamW")))


def _pictures() -> Iterator[tuple[str, Draw]]:
    for path in sorted(CURVES.glob("*.json")):
        yield path.stem, partial(plot_range_test, _result(path.stem))
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
