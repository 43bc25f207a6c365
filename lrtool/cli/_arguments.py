"""argparse, with errors in one line: rule, value, remedy."""

import argparse
from difflib import get_close_matches
from typing import Any, NoReturn

from lrtool._check import one_of
from lrtool.cli._schedule_options import as_options
from lrtool.errors import ArgumentError

__all__ = ["Parser", "ScheduleParser"]


class Parser(argparse.ArgumentParser):
    """Refuses in one line that ends with the remedy."""

    def error(self, message: str) -> NoReturn:
        """End with exit code 2."""
        self.exit(2, f"lrtool: {message}; see: {self.prog} --help\n")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Refuse what is unknown here, where the options that may be meant are known."""
        found, rest = super().parse_known_args(args, namespace)
        if rest:
            meant = get_close_matches(rest[0].partition("=")[0], self._option_string_actions, n=1)
            guess = f"; did you mean {meant[0]}?" if meant else ""
            self.error(f"unrecognized arguments: {' '.join(rest)}{guess}")
        return found, rest

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Refuse a choice that is not there, with the one that may be meant."""
        if action.choices is None:
            return
        try:
            name = action.metavar or "/".join(action.option_strings) or action.dest
            one_of(str(name), value, action.choices)
        except ArgumentError as error:
            self.exit(2, f"lrtool: {error}\n")


class ScheduleParser(Parser):
    """Takes the parameters of the schedule named `schedule` as in Python too: max_lr=0.1."""

    def __init__(self, *, schedule: str, **options: Any) -> None:
        super().__init__(**options)
        self._schedule = schedule

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Read them as options."""
        return super().parse_known_args(as_options(self._schedule, args), namespace)
