"""Schedules: pure values of the optimizer step."""

from lrtool.schedules.base import Cycle, Schedule

__all__ = ["Cycle", "Schedule"]
