"""Shell lines of the documentation, checked against what they call, without running them."""

import contextlib
import io
import re
import shlex
from pathlib import Path

from lrtool.cli.parser import build_parser

__all__ = ["check_command"]

ROOT = Path(__file__).parents[2]
_FREE = {"cd", "git", "python", "python3", ".", "source", "createdb", "export", "optuna-dashboard"}


def check_command(line: str) -> None:
    """Fail unless the line is a command that exists, with arguments that it takes.

    Args:
        line: one shell line; comments and a leading `VAR=value` or a last `&` are ignored.
    """
    words = [word for word in shlex.split(line, comments=True) if word != "&"]
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words = words[1:]
    if words[:3] in (["python", "-m", "lrtool"],):
        words = ["lrtool", *words[3:]]
    if not words:
        return
    known = {"lrtool": _lrtool, "make": _make, "pip": _pip}
    if words[0] in known:
        known[words[0]](words[1:], line)
    else:
        assert words[0].rpartition("/")[2] in _FREE, f"unknown command: {line}"


def _lrtool(words: list[str], line: str) -> None:
    complaint = io.StringIO()
    code: object = 0
    with contextlib.redirect_stderr(complaint), contextlib.redirect_stdout(io.StringIO()):
        try:
            build_parser().parse_args(words)
        except SystemExit as stop:  # 0 after --help
            code = stop.code
    assert code == 0, f"{line}: {complaint.getvalue()}"


def _make(words: list[str], line: str) -> None:
    targets = re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)
    unknown = [word for word in words if "=" not in word and word not in targets]
    assert not unknown, f"{line}: no target {unknown} in the Makefile"


def _pip(words: list[str], line: str) -> None:
    project = (ROOT / "pyproject.toml").read_text()
    section = project.split("[project.optional-dependencies]")[1].split("\n[")[0]
    known = set(re.findall(r"^([a-z]+) = \[", section, re.MULTILINE))
    extras = {
        extra.strip()
        for word in words
        for found in re.findall(r"\[([a-z, ]+)\]", word)
        if word.startswith(("lrtool", "."))
        for extra in found.split(",")
    }
    unknown = extras - known
    assert not unknown, f"{line}: no extra {unknown} in pyproject.toml"
