"""`lrtool report STUDY`."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from lrtool._terminal import show
from lrtool.cli._out import command_line, file_to_write, print_json
from lrtool.cli._study import read_study

if TYPE_CHECKING:
    from lrtool.report import Section

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> None:
    """Write one page about a study or a saved range test."""
    from lrtool.report import write_report

    page = file_to_write(arguments.out)
    title, sections = _sections(arguments.study, arguments.study_name)
    write_report(page, sections, title=title)
    if arguments.json:
        print_json({"report": str(page), "title": title})
        return
    show(f"written: {page}")


def _sections(study: str, name: str | None) -> "tuple[str, list[Section]]":
    kind = "" if "://" in study else _format(Path(study))
    if kind.startswith("lrtool.RangeTest"):
        return _range_test_sections(Path(study))
    if kind.startswith("lrtool.Family"):
        return _family_sections(Path(study))
    return _study_sections(study, name)


def _format(path: Path) -> str:
    """What this one JSON object says it is; nothing for anything else: a journal has many."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError):
        return ""
    return str(data.get("format", "")) if isinstance(data, dict) else ""


def _range_test_sections(path: Path) -> "tuple[str, list[Section]]":
    from lrtool.report import environment_section, range_test_section
    from lrtool.result import RangeTestResult

    result = RangeTestResult.load(path)
    again = environment_section(commands=[command_line()])
    return "Range test", [range_test_section(result), again]


def _family_sections(path: Path) -> "tuple[str, list[Section]]":
    from lrtool.families import Family
    from lrtool.report import environment_section, family_sections

    again = environment_section(commands=[command_line()])
    return "Range test", [*family_sections(Family.load(path)), again]


def _study_sections(url: str, name: str | None) -> "tuple[str, list[Section]]":
    from lrtool.report import environment_section, importance, search_section, tune_sections
    from lrtool.search.passwords import without_password
    from lrtool.search.result import TuneResult
    from lrtool.search.study import SETTINGS, load_definition

    study = read_study(url, name)
    title = f"Search {study.study_name}"
    if SETTINGS not in study.user_attrs:  # made by plain Optuna: all that Optuna knows is shown
        found = search_section({"": study}, importance=importance(study))
        return title, [found, environment_section(commands=[command_line()])]
    definition = load_definition(study)
    settings = dict(study.user_attrs[SETTINGS])
    shown = without_password(url)
    result = TuneResult(study, definition.space, definition.range_test, settings, shown)
    return title, tune_sections(result, command=command_line())
