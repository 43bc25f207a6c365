"""Durations with a unit: "10ep", "500step", "0.1dur"."""

import re
from dataclasses import dataclass
from math import inf
from typing import Literal, TypeAlias

from lrtool._check import non_negative
from lrtool.errors import ArgumentError

__all__ = ["Duration", "DurationLike", "Unit"]

Unit: TypeAlias = Literal["step", "batch", "ep", "dur", "check", "cycle"]

_UNITS: dict[str, Unit] = {
    "step": "step", "steps": "step", "st": "step",
    "ba": "batch", "batch": "batch", "batches": "batch",
    "ep": "ep", "epoch": "ep", "epochs": "ep",
    "dur": "dur",
    "check": "check", "checks": "check",
    "cycle": "cycle", "cycles": "cycle",
}  # fmt: skip
_NUMBER = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
_PATTERN = re.compile(rf"\s*({_NUMBER})\s*([a-zA-Z]*)\s*")


@dataclass(frozen=True)
class Duration:
    """A length of training: `value` of `unit`.

    Units: `step` (optimizer steps), `batch` (training batches), `ep` (epochs), `dur` (a fraction of
    the whole training), `check` (evaluations of a metric), `cycle` (cycles of a schedule).

    >>> Duration.parse("10ep")
    Duration(value=10.0, unit='ep')
    >>> Duration.parse(500)
    Duration(value=500.0, unit='step')
    >>> Duration.parse("0.1dur").steps(total_steps=2000)
    200
    """

    value: float
    unit: Unit = "step"

    def __post_init__(self) -> None:
        non_negative(value=self.value)

    @classmethod
    def parse(cls, text: "DurationLike", default: Unit = "step") -> "Duration":
        """Read a number (of `default` units), a string such as "10ep", or a Duration."""
        if isinstance(text, Duration):
            return text
        value, unit = (text, default) if not isinstance(text, str) else _parts(text, default)
        non_negative("a length is a number, or one with a unit, as '10ep'", duration=value)
        return cls(float(value), unit)

    def steps(
        self,
        *,
        total_steps: float | None = None,
        steps_per_epoch: float | None = None,
        batches_per_step: float = 1,
    ) -> int:
        """Convert to whole optimizer steps, rounding to the nearest.

        Args:
            total_steps: optimizer steps of the whole training; needed by `dur`.
            steps_per_epoch: optimizer steps of an epoch; needed by `ep`.
            batches_per_step: gradient-accumulation factor, used by `batch`.

        Raises:
            ArgumentError: when the unit needs a length that is unknown, or is not a length of time.
        """
        if self.unit == "step":
            return round(self.value)
        if self.unit == "batch":
            return round(self.value / batches_per_step)
        length = {"ep": steps_per_epoch, "dur": total_steps}.get(self.unit)
        if length is None or not 0 < length < inf:
            unknown = {"ep": "an epoch", "dur": "the training"}.get(self.unit, f"a {self.unit}")
            raise ArgumentError(
                f"{self} cannot be converted to optimizer steps: the length of {unknown}"
                " is unknown; give it in steps ('500step') or set max_steps on the Trainer"
            )
        return round(self.value * length)

    def __str__(self) -> str:
        return repr(float(self.value)).removesuffix(".0") + self.unit


DurationLike: TypeAlias = int | float | str | Duration


def _parts(text: str, default: Unit) -> tuple[float, Unit]:
    """The number and the unit in a string."""
    match = _PATTERN.fullmatch(text)
    unit = match and (_UNITS.get(match[2].lower()) if match[2] else default)
    if match and unit:
        return float(match[1]), unit
    raise ArgumentError(
        f"a duration must be a number and a unit, got {text!r}; "
        "write for example '500step', '64batch', '10ep', '0.1dur', '3check' or '2cycle'"
    )
