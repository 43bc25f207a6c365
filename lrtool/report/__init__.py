"""Self-contained HTML from finished results: one page, no scripts, nothing fetched."""

from lrtool.report._page import page, write_report
from lrtool.report.fragments import (
    capabilities_html,
    family_html,
    result_html,
    schedule_html,
    suggestion_html,
)
from lrtool.report.importance import importance
from lrtool.report.sections import (
    Section,
    environment_section,
    family_sections,
    range_test_section,
    schedule_section,
    search_section,
    table_section,
    training_section,
)
from lrtool.report.tune import tune_html, tune_sections

__all__ = [
    "Section",
    "capabilities_html",
    "environment_section",
    "family_html",
    "family_sections",
    "importance",
    "page",
    "range_test_section",
    "result_html",
    "schedule_html",
    "schedule_section",
    "search_section",
    "suggestion_html",
    "table_section",
    "training_section",
    "tune_html",
    "tune_sections",
    "write_report",
]
