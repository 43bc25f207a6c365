"""Small pieces of HTML. Every string from outside is escaped here, and nowhere else."""

from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass
from html import escape
from io import BytesIO
from math import isfinite
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lrtool.plotting.style import Theme

__all__ = ["Draw", "download", "image", "number", "picture", "table", "text", "value_text"]

Draw: TypeAlias = "Callable[[Figure], object]"
"""Draws on an empty figure; called once a theme."""


_NARROW = 4.5  # inches: on a phone, text of this figure is as large as the page's small print


def text(value: object) -> str:
    """`value` as text that no browser takes for markup."""
    return escape(str(value), quote=True)


def number(value: object, *, digits: int = 4) -> str:
    """A value for a table cell: floats to some digits, a dash for what is not there."""
    if value is None or (isinstance(value, float) and not isfinite(value)):
        return "–" if value is None or value != value else str(value)
    return f"{value:.{digits}g}" if isinstance(value, float) else str(value)


def value_text(thing: object) -> str:
    """A frozen value as one writes it, its numbers to four digits."""
    if not is_dataclass(thing) or isinstance(thing, type):
        return str(thing)
    given = (
        f"{entry.name}={_argument(getattr(thing, entry.name))}"
        for entry in fields(thing)
        if entry.repr
    )
    return f"{type(thing).__name__}({', '.join(given)})"


def _argument(value: object) -> str:
    return number(value) if isinstance(value, float) else repr(value)


def table(header: Sequence[object], rows: Sequence[Sequence[object]]) -> str:
    """An HTML table; numbers stand to the right."""
    head = "".join(f"<th>{text(name)}</th>" for name in header)
    body = "".join(f"<tr>{''.join(_cell(value) for value in row)}</tr>" for row in rows)
    top = f"<thead><tr>{head}</tr></thead>" if header else ""
    return f'<div class="lrtool-table"><table>{top}<tbody>{body}</tbody></table></div>'


def image(
    draw: Draw,
    alt: str,
    *,
    size: tuple[float, float],
    theme: "Theme" = "light",
    kind: Literal["png", "svg"] = "png",
) -> str:
    """An `<img>` that carries its picture with it.

    A picture inside `<img>` can run no script, whatever a name drawn in it says.
    """
    data = _data(draw, size, theme, kind)
    width = f' style="max-width:100%;width:{size[0] * 96:.0f}px"'
    return f'<img src="{data}" alt="{text(alt)}"{width}>'


def picture(draw: Draw, alt: str, *, size: tuple[float, float]) -> str:
    """A `<picture>` that follows the reader: light or dark, phone or desk; paper gets light."""
    narrow = (_NARROW, max(0.75 * size[1], 2.0))
    phone, dark = "screen and (max-width: 600px)", "(prefers-color-scheme: dark)"
    sources = {
        f"{phone} and {dark}": _data(draw, narrow, "dark", "svg"),
        phone: _data(draw, narrow, "light", "svg"),
        f"screen and {dark}": _data(draw, size, "dark", "svg"),
    }
    listed = "".join(f'<source media="{media}" srcset="{data}">' for media, data in sources.items())
    return f"<picture>{listed}{image(draw, alt, size=size, kind='svg')}</picture>"


def download(name: str, content: str, label: str, mime: str = "application/json") -> str:
    """A link that saves `content`, which the page carries with it."""
    data = b64encode(content.encode("utf-8")).decode("ascii")
    href = f"data:{mime};base64,{data}"
    return f'<a class="lrtool-download" download="{text(name)}" href="{href}">{text(label)}</a>'


def _cell(value: object) -> str:
    numeric = isinstance(value, int | float) and not isinstance(value, bool)
    kind = ' class="num"' if numeric else ""
    return f"<td{kind}>{text(number(value))}</td>"


def _data(draw: Draw, size: tuple[float, float], theme: "Theme", kind: str) -> str:
    from lrtool.plotting.style import new_figure, style

    buffer = BytesIO()
    with style(theme):
        figure = new_figure(size)
        draw(figure)
        # No date in the file: the same result gives the same page.
        options: dict[str, Any] = {"metadata": {"Date": None}} if kind == "svg" else {"dpi": 160}
        figure.savefig(buffer, format=kind, **options)
    mime = "image/svg+xml" if kind == "svg" else "image/png"
    return f"data:{mime};base64,{b64encode(buffer.getvalue()).decode('ascii')}"
