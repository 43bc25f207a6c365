"""Colour only where it is wanted; tables that line up."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from lrtool import _terminal
from support.results import a_result

WORDS = [sys.executable, "-m", "lrtool", "schedule", "constant", "lr=0.1"]


def on_a_terminal(folder: Path, *words: str, **settings: str) -> str:
    """What a command prints when its standard output is a terminal."""
    inner, outer = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80", **settings}
    environment = {name: value for name, value in environment.items() if value}
    process = subprocess.Popen(
        words or WORDS, cwd=folder, env=environment, stdout=outer, stderr=subprocess.STDOUT
    )
    os.close(outer)
    shown = b""
    try:
        while chunk := os.read(inner, 4096):
            shown += chunk
    except OSError:  # the other end was closed: Linux says so with an error
        pass
    os.close(inner)
    assert process.wait(timeout=60) == 0
    return shown.decode()


def test_a_terminal_gets_colour_where_rich_is_installed(tmp_path: Path) -> None:
    pytest.importorskip("rich", reason="rich is not installed")
    assert "\033[" in on_a_terminal(tmp_path, NO_COLOR="")


def test_a_narrow_terminal_cuts_no_number(tmp_path: Path) -> None:
    pytest.importorskip("rich", reason="rich is not installed")
    code = (
        "from lrtool._terminal import show_table;"
        "show_table(['number', 'value'], [['123456789', '987654321'], ['1', '2']])"
    )
    shown = on_a_terminal(tmp_path, sys.executable, "-c", code, NO_COLOR="", COLUMNS="14")
    left, right = zip(*(line.split() for line in shown.splitlines()[1:-1]), strict=True)
    assert ("".join(left), "".join(right)) == ("123456789", "987654321")


def test_a_terminal_of_few_characters_gets_those_it_has(tmp_path: Path) -> None:
    code = "from lrtool._terminal import show_table; show_table(['interval'], [['1 – 2']])"
    shown = on_a_terminal(tmp_path, sys.executable, "-c", code, PYTHONIOENCODING="ascii")
    assert shown.splitlines() == ["interval", "--------", "1 ? 2"]


@pytest.mark.parametrize("setting", [{"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=str)
def test_who_wants_no_colour_gets_none(setting: dict[str, str], tmp_path: Path) -> None:
    assert "\033[" not in on_a_terminal(tmp_path, **setting)


def test_a_pipe_gets_no_colour(tmp_path: Path) -> None:
    done = subprocess.run(WORDS, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "\033" not in done.stdout


def test_columns_line_up(capsys: pytest.CaptureFixture[str]) -> None:
    _terminal.show_table(("a", "long header"), [("x" * 12, 1.23456), (None, True)])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].index("long") == lines[2].index("1.235") == lines[3].index("yes")
    assert lines[3].startswith("-")


def test_a_terminal_without_rich_gets_the_same_columns(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    table = (("a", "b"), [("x" * 12, 1.5), ("[bold]", None)])
    _terminal.show_table(*table)
    plain = capsys.readouterr().out
    monkeypatch.setattr(_terminal, "colour", lambda: True)
    monkeypatch.setitem(sys.modules, "rich.console", None)  # importing it fails
    _terminal.show_table(*table)
    assert capsys.readouterr().out == plain


def test_repr_of_a_result_is_one_short_line() -> None:
    shown = repr(a_result())
    assert shown == (
        "RangeTestResult(lr=0.001, min_lr=0.0001, max_lr=0.01, interval=(0.0005, 0.005), "
        "status=clear, num_steps=81)"
    )


def test_a_sweep_shows_its_steps_on_a_terminal_and_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from lrtool.callbacks._terminal_bar import TerminalBar

    def shown() -> str:
        bar = TerminalBar().sweep_bar()
        bar.step(1e-3, 2.5, total=1)
        bar.end(a_result().curve)
        bar.close()
        return capfd.readouterr().err

    assert shown() == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert "range test" in shown()
