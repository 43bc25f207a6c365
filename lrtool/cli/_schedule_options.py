"""A schedule's parameters as options: from its fields, with help from its docstring."""

import argparse
import inspect
import re
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field
from typing import Any, Literal, get_args, get_origin

from lrtool.durations import Duration
from lrtool.errors import ArgumentError
from lrtool.schedules.registry import SCHEDULES, arguments, names

__all__ = ["add_options", "as_options", "defaults", "option", "shown_names", "summary"]

_IN_PYTHON_ONLY = ("Schedule", "Callable", "Scale")


def shown_names() -> list[str]:
    """Every schedule whose parameters can be written on a command line."""
    return [
        name
        for name in names()
        if not any(
            word in str(entry.type)
            for entry in arguments(name).values()
            for word in _IN_PYTHON_ONLY
        )
    ]


def option(parameter: str) -> str:
    """The option of a parameter.

    >>> option("T_0"), option("max_lr")
    ('--T-0', '--max-lr')
    """
    return "--" + parameter.replace("_", "-")


def defaults(name: str) -> dict[str, Any]:
    """The parameters of the schedule `name` and their defaults; MISSING where one is needed."""
    return {key: entry.default for key, entry in arguments(name).items()}


def summary(name: str) -> str:
    """What the schedule `name` is, in a line of words.

    >>> summary("constant")
    'One value for ever'
    """
    line = (inspect.getdoc(SCHEDULES[name]) or "").partition("\n")[0]
    return line.partition(": ``")[0].rstrip(".").replace("`", "")


def add_options(parser: argparse.ArgumentParser, name: str) -> None:
    """Add an option for each parameter of the schedule `name`; those left out have no value."""
    texts = _texts(name)
    group = parser.add_argument_group(f"parameters of {name}")
    for key, entry in arguments(name).items():
        default = "" if entry.default in (MISSING, None) else f" ({entry.default})"
        group.add_argument(
            option(key), dest=key, default=argparse.SUPPRESS,
            help=(texts.get(key, "") + default).replace("%", "%%"), **_reading(entry),
        )  # fmt: skip


def as_options(name: str, words: Sequence[str]) -> list[str]:
    """`words` with the parameters that are written as in Python, max_lr=0.1, made options.

    >>> as_options("constant", ["lr=0.1", "--steps", "5"])
    ['--lr=0.1', '--steps', '5']
    """
    known = arguments(name)
    return [
        f"{option(key)}={value}" if equals and key in known else word
        for word in words
        for key, equals, value in [word.partition("=")]
    ]


def _reading(entry: "Field[Any]") -> Mapping[str, Any]:
    """How argparse reads a field's value."""
    if get_origin(entry.type) is Literal:
        return {"choices": get_args(entry.type)}
    if entry.type is bool:
        return {"nargs": "?", "const": True, "type": _switch, "metavar": "true|false"}
    if entry.type == Sequence[int]:
        return {"type": _lengths, "metavar": "STEP,STEP,..."}
    if entry.type in (int, int | None):
        return {"type": _length, "metavar": "STEPS"}
    return {"type": float, "metavar": "LR" if entry.name.endswith("lr") else "X"}


def _length(text: str) -> float | Duration:
    """A number of steps, or a duration such as 10ep."""
    try:
        length = Duration.parse(text)
    except ArgumentError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    if length.unit != "step":
        return length
    return int(length.value) if length.value.is_integer() else length.value


def _lengths(text: str) -> tuple[float | Duration, ...]:
    return tuple(_length(part) for part in text.strip("[()]").split(",") if part)


def _switch(text: str) -> bool:
    try:
        return {"true": True, "false": False}[text.lower()]
    except KeyError:
        raise argparse.ArgumentTypeError(f"true or false must hold, got {text!r}") from None


def _texts(name: str) -> dict[str, str]:
    """What the docstring's Args section says of each parameter."""
    _, _, section = (inspect.getdoc(SCHEDULES[name]) or "").partition("\nArgs:\n")
    section = section.partition("\n\n")[0].replace("`", "")
    parts = re.split(r"^    (\w+): ", section, flags=re.MULTILINE)[1:]
    return {key: " ".join(text.split()) for key, text in zip(parts[::2], parts[1::2], strict=True)}
