"""All that early stopping remembers."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from lrtool.stopping.vocabulary import Moment

__all__ = ["StoppingState"]


@dataclass(frozen=True)
class StoppingState:
    """All that early stopping remembers: plain numbers, so that a checkpoint can hold it.

    Args:
        checks: values seen.
        last: the latest value as measured, finite or not; None before the first.
        value: the latest judged (smoothed) value; None when the latest was not judged.
        best: the best judged value; None before the first.
        best_at: when it was measured.
        mark: the value that the next one must beat by min_delta to start patience anew; None before
            the first.
        mark_at: when it was measured.
        since: where patience counts from.
        window: the values the smoothing still needs, oldest first.
        memory: the memory of a criterion.
    """

    checks: int = 0
    last: float | None = None
    value: float | None = None
    best: float | None = None
    best_at: Moment | None = None
    mark: float | None = None
    mark_at: Moment | None = None
    since: Moment = field(default_factory=Moment)
    window: tuple[float, ...] = ()
    memory: tuple[float, ...] = ()

    @property
    def improved(self) -> bool:
        """Whether the latest value is the best."""
        return self.best_at is not None and self.best_at.check == self.checks

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, lists and dicts."""
        return {**asdict(self), "window": list(self.window), "memory": list(self.memory)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "StoppingState":
        """The state `to_dict` wrote."""
        moments = {name: data[name] for name in ("best_at", "mark_at", "since")}
        return cls(**{
            **data,
            **{name: None if at is None else Moment(**at) for name, at in moments.items()},
            "window": tuple(data["window"]),
            "memory": tuple(data["memory"]),
        })  # fmt: skip
