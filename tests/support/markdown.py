"""The code blocks of a Markdown page, run as a reader would run them: in order, in one session."""

import contextlib
import io
import re
import sys
import textwrap
import warnings
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from unittest import mock

__all__ = ["Block", "blocks", "run_python"]

_FENCE = re.compile(
    r"(?:^[ \t]*<!-- (?P<mark>[a-z]+)(?:: (?P<value>[^\n]*?))? -->\n)?"
    r"^(?P<indent>[ \t]*)```(?P<language>[a-z]*)[^\n]*\n(?P<text>.*?)^(?P=indent)```[ \t]*$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """One fenced block.

    Args:
        page: the file it is in.
        line: the line before its first, so that an error names the right one.
        language: after the fence; empty without one.
        text: what is between the fences, without their indent.
        mark: the word of an HTML comment right above: "needs" (a package, without which the block
            is only compiled), "output" (what the block above prints), "file" (saved under that
            name, for the blocks below), "argv" (what was typed to start the block), "apart" (a
            script in a process of its own).
        value: what follows the word.
    """

    page: Path
    line: int
    language: str
    text: str
    mark: str = ""
    value: str = ""

    @property
    def runnable(self) -> bool:
        """Whether what it needs is installed."""
        return self.mark != "needs" or find_spec(self.value.split(".")[0]) is not None


def blocks(page: Path) -> list[Block]:
    """Every fenced block of a page, in order."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(
            page,
            text.count("\n", 0, found.start("text")),
            found["language"],
            textwrap.dedent(found["text"]),
            found["mark"] or "",
            found["value"] or "",
        )
        for found in _FENCE.finditer(text)
    ]


def run_python(page: Path, session: dict[str, Any]) -> int:
    """Run the page's Python blocks in `session`, in order, and compare what they print.

    Args:
        page: a Markdown file.
        session: the names that the page takes for granted; the blocks add theirs. Where it has a
            `Model`, every block finds a new, untrained `model`, unless the page made its own.

    Returns:
        How many blocks were run.
    """
    printed, count, given = "", 0, session.get("model")
    for block in blocks(page):
        if block.mark == "output":
            assert printed.strip() == block.text.strip(), f"{page}:{block.line}: other output"
        if block.mark == "file":
            Path(block.value).write_text(block.text, encoding="utf-8")
        if block.language != "python" or block.mark in {"file", "apart"}:
            continue
        code = compile("\n" * block.line + block.text, str(page), "exec")
        if block.runnable:
            if "Model" in session and session["model"] is given:
                given = session["model"] = session["Model"]()
            argv = block.value.split() if block.mark == "argv" else sys.argv
            with (
                contextlib.redirect_stdout(io.StringIO()) as out,
                mock.patch("sys.argv", argv),
                warnings.catch_warnings(),
            ):
                if block.mark == "needs":
                    warnings.simplefilter("ignore")  # another tool's warnings are not ours to mend
                exec(code, session)
            printed, count = out.getvalue(), count + 1
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
    return count
