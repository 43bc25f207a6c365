"""LossCurve: what a sweep measured, raw."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from lrtool._check import require
from lrtool._files import read_json, reading, write_json
from lrtool.divergence import noise_scale
from lrtool.smoothing import smooth
from lrtool.types import StopReason

__all__ = ["FloatArray", "IntArray", "LossCurve"]

FloatArray: TypeAlias = npt.NDArray[np.float64]
IntArray: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class LossCurve:
    """The losses of one LR range test, one entry per optimizer step, in the order they were taken.

    Args:
        lr: (n,) learning rates, the largest group's; each above zero.
        loss: (n,) raw losses. A non-finite loss ends its pass and is kept as its last entry.
        stop_reason: why the sweep ended.
        passes: (n,) which pass over the ladder each step belongs to: 0, 0, ..., 1, 1, ...
            Every pass starts from the same weights. By default one pass.
        message: the stop reason as a sentence, with its numbers.
    """

    lr: FloatArray
    loss: FloatArray
    stop_reason: StopReason = StopReason.COMPLETED
    passes: IntArray | None = None
    message: str = ""

    def __post_init__(self) -> None:
        arrays = {
            "lr": np.array(self.lr, dtype=np.float64),
            "loss": np.array(self.loss, dtype=np.float64),
            "passes": np.zeros(len(self.lr), dtype=np.int64)
            if self.passes is None
            else np.array(self.passes, dtype=np.int64),
        }
        shapes: dict[str, Any] = {name: array.shape for name, array in arrays.items()}
        same = len(set(shapes.values())) == 1 and arrays["lr"].ndim == 1
        require(same, "lr, loss and passes of one equal length", **shapes)
        lr = arrays["lr"]
        require(bool(np.all((lr > 0) & np.isfinite(lr))), "0 < lr < inf", lr=lr.tolist())
        for name, array in arrays.items():
            array.setflags(write=False)
            object.__setattr__(self, name, array)

    @cached_property
    def range_index(self) -> IntArray:
        """(n,) which range each step belongs to, in the order they were first swept.

        Passes that start at the same rate sweep the same range.
        """
        assert self.passes is not None
        known: dict[float, int] = {}
        out = np.zeros(len(self.lr), dtype=np.int64)
        for index in np.unique(self.passes):
            here = self.passes == index
            out[here] = known.setdefault(float(self.lr[here][0]), len(known))
        out.setflags(write=False)
        return out

    @cached_property
    def smoothed(self) -> FloatArray:
        """(n,) losses smoothed over log LR without lag; NaN where the raw loss is not finite.

        Every range swept is smoothed by itself, passes over the same range together. Losses far
        above the start are cut first: an explosion would swell everything within a decade of it.
        """
        out = np.full(len(self.lr), np.nan)
        with np.errstate(over="ignore", invalid="ignore"):  # losses near the largest float
            for index in np.unique(self.range_index):
                here = self.range_index == index
                out[here] = smooth(self.lr[here], _without_explosion(self.loss[here]))
        out.setflags(write=False)
        return out

    @property
    def ending(self) -> str:
        """Why the sweep ended: the stop reason, and the sentence where there is one."""
        reason = self.stop_reason.value
        return f"{reason}: {self.message}" if self.message else reason

    def __len__(self) -> int:
        return len(self.lr)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, LossCurve):
            return NotImplemented
        return self.stop_reason == other.stop_reason and all(
            np.array_equal(getattr(self, name), getattr(other, name), equal_nan=name == "loss")
            for name in ("lr", "loss", "passes")
        )

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies are made anew: NumPy's own copies of the arrays could be written to."""
        return type(self), (self.lr, self.loss, self.stop_reason, self.passes, self.message)

    def __repr__(self) -> str:
        if not len(self):
            return f"LossCurve(0 steps, {self.stop_reason.value})"
        low, high = self.lr.min(), self.lr.max()
        return f"LossCurve({len(self)} steps, lr {low:.3g}..{high:.3g}, {self.stop_reason.value})"

    def to_dict(self) -> dict[str, Any]:
        """Plain lists and strings; a non-finite loss becomes the string "nan", "inf" or "-inf"."""
        assert self.passes is not None
        return {
            "lr": self.lr.tolist(),
            "loss": [x if np.isfinite(x) else str(x) for x in self.loss.tolist()],
            "passes": self.passes.tolist(),
            "stop_reason": self.stop_reason.value,
            "message": self.message,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "LossCurve":
        """Invert `to_dict`."""
        return cls(
            lr=np.array(data["lr"], dtype=np.float64),
            loss=np.array([float(x) for x in data["loss"]]),
            stop_reason=StopReason(data["stop_reason"]),
            passes=np.array(data["passes"], dtype=np.int64),
            message=data.get("message", ""),
        )

    def to_json(self, path: str | Path) -> None:
        """Write `to_dict` as JSON."""
        write_json(path, self.to_dict())

    @classmethod
    def from_json(cls, path: str | Path) -> "LossCurve":
        """Read what `to_json` wrote.

        Raises:
            FileFormatError: when the file is missing, not JSON, or not a saved curve.
        """
        with reading(path, "LossCurve.to_json"):
            return cls.from_dict(read_json(path))

    def to_csv(self, path: str | Path) -> None:
        """Write columns pass, lr, loss, smoothed; floats in full precision."""
        assert self.passes is not None
        with Path(path).open("w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file)
            rows.writerow(["pass", "lr", "loss", "smoothed"])
            rows.writerows(
                zip(
                    self.passes.tolist(),
                    self.lr.tolist(),
                    self.loss.tolist(),
                    self.smoothed.tolist(),
                    strict=True,
                )
            )

    @classmethod
    def from_csv(
        cls, path: str | Path, stop_reason: StopReason = StopReason.COMPLETED
    ) -> "LossCurve":
        """Read what `to_csv` wrote; a CSV holds no stop reason, so give it.

        Raises:
            FileFormatError: when the file is missing, or has other columns.
        """
        with reading(path, "LossCurve.to_csv"):
            with Path(path).open(newline="", encoding="utf-8") as file:
                table = csv.DictReader(file)
                missing = {"pass", "lr", "loss"} - set(table.fieldnames or ())
                require(not missing, "columns pass, lr and loss", missing=sorted(missing))
                rows = list(table)
            return cls(
                lr=np.array([float(row["lr"]) for row in rows]),
                loss=np.array([float(row["loss"]) for row in rows]),
                passes=np.array([int(row["pass"]) for row in rows], dtype=np.int64),
                stop_reason=stop_reason,
            )


def _without_explosion(loss: FloatArray) -> FloatArray:
    """Cut losses at the start's level plus the whole drop plus six times the noise."""
    finite = loss[np.isfinite(loss)]
    if not len(finite):
        return loss
    start = float(np.median(finite[: max(5, len(finite) // 10)]))
    drop = max(0.0, start - float(np.quantile(finite, 0.05)))
    return np.where(
        np.isfinite(loss), np.minimum(loss, start + drop + 6 * noise_scale(finite)), loss
    )
