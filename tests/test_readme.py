"""The README: what it shows runs, what it names exists, and it opens with both."""

import re
from pathlib import Path

import pytest

from support.commands import check_command
from support.markdown import blocks, run_python
from support.reader import session

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
CONTRIBUTING = ROOT / "CONTRIBUTING.md"


def test_python_blocks_run() -> None:
    assert run_python(README, session()) == 4


def test_it_opens_with_three_lines_and_two_commands() -> None:
    python, shell, *_ = blocks(README)
    assert python.language == "python"
    assert len([line for line in python.text.splitlines() if line]) == 3
    assert [line.split("#")[0].split() for line in shell.text.splitlines()] == [
        ["make", "demo"],
        ["make", "test"],
    ]


@pytest.mark.parametrize("page", [README, CONTRIBUTING], ids=lambda page: page.name)
def test_commands_exist(page: Path) -> None:
    for block in blocks(page):
        if block.language == "bash":
            for line in block.text.splitlines():
                check_command(line)


def test_links_lead_somewhere() -> None:
    text = README.read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#:]+?)(?:#[^)]*)?\)|^\[[^\]]+\]: ([^:\s]+)$", text, re.MULTILINE)
    assert targets
    missing = [one or two for one, two in targets if not (ROOT / (one or two)).exists()]
    assert not missing


@pytest.mark.parametrize("page", [README, CONTRIBUTING], ids=lambda page: page.name)
def test_files_it_names_exist(page: Path) -> None:
    named = re.findall(r"`((?:\w+/)+\w*\.?\w*)`", page.read_text(encoding="utf-8"))
    missing = [
        name
        for name in named
        if name != "site/" and "NAME" not in name and not (ROOT / name).exists()
    ]
    assert not missing


def test_contributing_is_four_commands() -> None:
    (commands, *_) = [block for block in blocks(CONTRIBUTING) if block.language == "bash"]
    assert len(commands.text.splitlines()) == 4


def test_every_row_of_the_table_names_a_benchmark_that_exists() -> None:
    table = README.read_text(encoding="utf-8").split("## Measured")[1].split("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ")][1:]
    for row in rows:
        named = re.findall(r"python (benchmarks/\w+\.py)|(make demo)", row.split("|")[-2])
        assert named, f"a figure without the command that made it: {row}"
        assert all(not script or (ROOT / script).exists() for script, _ in named), row


def test_every_figure_of_the_table_is_in_the_results_of_its_benchmark() -> None:
    table = README.read_text(encoding="utf-8").split("## Measured")[1].split("\n## ")[0]
    for row in [line for line in table.splitlines() if "python benchmarks/" in line]:
        _, _, ours, others, command, _ = row.split("|")
        (script,) = re.findall(r"benchmarks/(\w+)\.py", command)
        results = (ROOT / "benchmarks" / "results" / f"{script}.md").read_text(encoding="utf-8")
        figures = re.findall(r"\d+\.\d+|\d+%|\d+ of \d+", ours + others)
        assert figures, row
        assert not [figure for figure in figures if figure not in results], row
