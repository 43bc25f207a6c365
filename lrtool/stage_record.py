"""StageRecord: what a stage of a transfer-learning recipe measured and what it used."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lrtool.result import RangeTestResult

__all__ = ["StageRecord", "records_table"]


@dataclass(frozen=True)
class StageRecord:
    """What a stage measured and what it used.

    Args:
        stage: its name.
        epoch: its first epoch.
        step: its first optimizer step.
        steps: its length in optimizer steps.
        groups: how many layer groups train.
        trained: how many weights train.
        frozen: how many do not.
        lr: constant or slowly decaying rate it may use; the head's.
        min_lr: base of its cycles.
        max_lr: peak of its cycles.
        lowest_share: the first trained layers' rate over the head's.
        schedule: the schedule it got, written out.
        reason: where the rates come from.
        result: its range test; None without one.
    """

    stage: str
    epoch: int
    step: int
    steps: int
    groups: int
    trained: int
    frozen: int
    lr: float
    min_lr: float
    max_lr: float
    lowest_share: float
    schedule: str
    reason: str
    result: RangeTestResult | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        plain = dict(vars(self))
        plain["result"] = None if self.result is None else self.result.to_dict()
        return plain

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "StageRecord":
        """Invert `to_dict`."""
        result = data["result"]
        return cls(
            **{**data, "result": None if result is None else RangeTestResult.from_dict(result)}
        )

    def __str__(self) -> str:
        total = self.trained + self.frozen
        share = f", first layers at {self.lowest_share:.3g} of it" if self.lowest_share != 1 else ""
        return (
            f"{self.stage}: epoch {self.epoch}, step {self.step}, {self.steps} steps, "
            f"{self.trained:,} of {total:,} weights train; lr {self.lr:.3g}, "
            f"cycle {self.min_lr:.3g}..{self.max_lr:.3g}{share}; {_short(self.schedule)}; "
            f"{self.reason}"
        )


def records_table(records: Sequence[StageRecord]) -> tuple[list[str], list[list[str]]]:
    """Header and rows of the log as a table."""
    header = [
        "stage", "epoch", "step", "steps", "weights", "lr", "max lr", "first layers", "why",
        "schedule",
    ]  # fmt: skip
    rows = [
        [
            one.stage, str(one.epoch), str(one.step), str(one.steps), f"{one.trained:,}",
            f"{one.lr:.3g}", f"{one.max_lr:.3g}", f"{one.lowest_share:.3g}x", one.reason,
            _short(one.schedule),
        ]
        for one in records
    ]  # fmt: skip
    return header, rows


def _short(written: str) -> str:
    """A schedule written out, its numbers to four digits: enough to read."""
    return re.sub(r"\d+\.\d+(e[+-]?\d+)?", lambda found: f"{float(found[0]):.4g}", written)
