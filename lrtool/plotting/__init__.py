"""Finished objects drawn on matplotlib Axes; nothing here calls show().

Every function takes `ax` (None makes a new figure), draws in colours that suit the ground of that
Axes, light or dark, and returns the Axes.
"""

from lrtool.plotting.interactive import interactive_range_test
from lrtool.plotting.range_test import (
    plot_range_test,
    plot_range_tests,
    plot_slope,
    plot_suggestions,
)
from lrtool.plotting.schedule import plot_schedule, plot_schedules
from lrtool.plotting.search import plot_importance, plot_prior, plot_studies, plot_study
from lrtool.plotting.style import style
from lrtool.plotting.text import text_range_test, text_schedule
from lrtool.plotting.training import plot_curves

__all__ = [
    "interactive_range_test",
    "plot_curves",
    "plot_importance",
    "plot_prior",
    "plot_range_test",
    "plot_range_tests",
    "plot_schedule",
    "plot_schedules",
    "plot_slope",
    "plot_studies",
    "plot_study",
    "plot_suggestions",
    "style",
    "text_range_test",
    "text_schedule",
]
