"""Argument checks: rule, value, remedy.

Conditions are written in positive form (`0 < low < high < inf`), which also refuses NaN.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from math import inf
from typing import Any

from lrtool.errors import ArgumentError

__all__ = ["fraction", "integer", "non_negative", "one_of", "positive", "require"]

_MOST_NAMES = 40  # a large net has hundreds of submodules


def require(condition: bool, rule: str, remedy: str = "", **values: Any) -> None:
    """Raise `ArgumentError("<rule> must hold, got <values>; <remedy>")` unless `condition`.

    >>> require(1 < 2, "low < high", low=1, high=2)
    >>> require(2 < 1, "low < high", "did you swap them?", low=2, high=1)
    Traceback (most recent call last):
    ...
    lrtool.errors.ArgumentError: low < high must hold, got low=2, high=1; did you swap them?
    """
    if condition:
        return
    got = ", ".join(f"{name}={value!r}" for name, value in values.items())
    raise ArgumentError(f"{rule} must hold, got {got}" + (f"; {remedy}" if remedy else ""))


def positive(remedy: str = "", **values: float) -> None:
    """Require each value to be a finite number above zero."""
    for name, value in values.items():
        require(_is_real(value) and 0 < value < inf, f"0 < {name} < inf", remedy, **{name: value})


def non_negative(remedy: str = "", **values: float) -> None:
    """Require each value to be a finite number, zero or above."""
    for name, value in values.items():
        require(_is_real(value) and 0 <= value < inf, f"0 <= {name} < inf", remedy, **{name: value})


def fraction(remedy: str = "", **values: float) -> None:
    """Require each value to lie strictly between 0 and 1."""
    for name, value in values.items():
        require(_is_real(value) and 0 < value < 1, f"0 < {name} < 1", remedy, **{name: value})


def integer(minimum: int, remedy: str = "", **values: int) -> None:
    """Require each value to be a whole number of at least `minimum`."""
    for name, value in values.items():
        whole = _is_real(value) and value == value // 1
        require(whole and value >= minimum, f"whole {name} >= {minimum}", remedy, **{name: value})


def one_of(name: str, value: str, options: Iterable[str]) -> None:
    """Require `value` to be one of `options`; the message lists them and guesses what was meant.

    >>> one_of("mode", "mni", ("min", "max"))
    Traceback (most recent call last):
    ...
    lrtool.errors.ArgumentError: mode must be one of max, min, got 'mni'; did you mean 'min'?
    """
    known = sorted(options)
    if value in known:
        return
    close = get_close_matches(str(value), known, n=1)
    remedy = f"did you mean {close[0]!r}?" if close else "choose one of these"
    more = len(known) - _MOST_NAMES
    listed = ", ".join(known[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
    raise ArgumentError(f"{name} must be one of {listed}, got {value!r}; {remedy}")


def _is_real(value: object) -> bool:
    """Whether `value` is an int or a float (or numpy's own), and not a bool."""
    return hasattr(value, "__float__") and not isinstance(value, bool | str)
