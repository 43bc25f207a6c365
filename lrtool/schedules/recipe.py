"""A schedule whose lengths and rates are not known yet: a name, some arguments, filled in later."""

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, replace
from typing import Any, TypeAlias

from lrtool._check import integer, one_of, require
from lrtool.durations import Duration
from lrtool.errors import ArgumentError
from lrtool.schedules.base import Schedule
from lrtool.schedules.registry import SCHEDULES, arguments, create

__all__ = ["Horizon", "Recipe", "ScheduleLike", "recipe", "resolve"]

_RATES = ("lr", "min_lr", "max_lr")


@dataclass(frozen=True)
class Horizon:
    """What a run knows and a recipe wants to know.

    Args:
        total_steps: optimizer steps of the whole run.
        steps_per_epoch: optimizer steps of one epoch; None when epochs have no known length.
        batches_per_step: batches accumulated into one optimizer step.
        lr: the rate to train at, constant or slowly decaying.
        min_lr: the base of a cycle.
        max_lr: the peak of a cycle.
    """

    total_steps: int
    steps_per_epoch: float | None = None
    batches_per_step: float = 1
    lr: float | None = None
    min_lr: float | None = None
    max_lr: float | None = None

    def __post_init__(self) -> None:
        integer(1, total_steps=self.total_steps)

    def scaled(self, factor: float) -> "Horizon":
        """The horizon of a parameter group whose rates are `factor` times as large."""

        def part(rate: float | None) -> float | None:
            return None if rate is None else rate * factor

        return replace(self, lr=part(self.lr), min_lr=part(self.min_lr), max_lr=part(self.max_lr))

    def steps(self, duration: "int | float | str | Duration") -> int:
        """Convert a duration ("10ep", "0.1dur", 500) to whole optimizer steps."""
        return Duration.parse(duration).steps(
            total_steps=self.total_steps,
            steps_per_epoch=self.steps_per_epoch,
            batches_per_step=self.batches_per_step,
        )


@dataclass(frozen=True)
class Recipe:
    """A schedule to be: `build` gives the schedule once the run's length and rates are known.

    Arguments left out are taken from the `Horizon`: `total_steps`, the rates `lr`, `min_lr` and
    `max_lr`, and lengths that make the cycles fill the run. Lengths may be durations.

    Args:
        name: one of `lrtool.schedules.names()`.
        params: the schedule's own arguments, as far as they are decided.

    >>> plan = recipe("sgdr", T_0="2ep", T_mult=2)
    >>> plan.build(Horizon(total_steps=1000, steps_per_epoch=100, max_lr=0.1))
    Sgdr(max_lr=0.1, T_0=200, T_mult=2.0, eta_min=0.0, decay=1.0, warmup_steps=0)
    >>> recipe("one_cycle").build(Horizon(total_steps=50, max_lr=0.1)).total_steps
    50
    """

    name: str
    params: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        one_of("schedule", self.name, SCHEDULES)
        object.__setattr__(self, "params", dict(self.params))
        known = arguments(self.name)
        for name in self.params:
            one_of(f"argument of {self.name}", name, known)

    def with_known(self, **params: Any) -> "Recipe":
        """This recipe and those of `params` that are not None."""
        known = {name: value for name, value in params.items() if value is not None}
        return Recipe(self.name, {**self.params, **known})

    def check(self) -> None:
        """Refuse wrong arguments now, by building for a made-up run that has everything.

        Raises:
            ArgumentError: when an argument is out of its range.
        """
        rate = self.params.get("max_lr") or self.params.get("min_lr") or 1.0
        self.build(Horizon(10**6, 1000.0, lr=rate, min_lr=rate, max_lr=rate))

    def build(self, horizon: Horizon) -> Any:
        """The schedule for a run of this horizon.

        Raises:
            ArgumentError: when an argument is neither given nor known to the horizon, or is out of
                its range.
        """
        entries = arguments(self.name)
        given = {
            name: _converted(entries[name], value, horizon)
            for name, value in self.params.items()
            if not _is_inner(name)
        }
        given = self._filled(given, entries, horizon)
        given.update(self._inner(given, horizon))
        missing = [
            name
            for name, entry in entries.items()
            if name not in given and entry.default is MISSING and entry.default_factory is MISSING
        ]
        require(not missing, f"every argument of {self.name} is given or measured", missing=missing)
        try:
            return create(self.name, **given)
        except ArgumentError as error:
            for name in _RATES:
                at_rest = given.get(name) == 0 and name not in self.params
                if at_rest and f" {name}=" in str(error):
                    remedy = f"give {name}=, an LRRangeTest, or the optimizer a rate"
                    raise ArgumentError(f"{error}; {remedy}") from None
            raise

    def _filled(
        self, given: dict[str, Any], entries: Mapping[str, "Field[Any]"], horizon: Horizon
    ) -> dict[str, Any]:
        """`given` and what the horizon knows of the arguments without a default."""
        wanted = {
            name
            for name, entry in entries.items()
            if name not in given and entry.default is MISSING
        }
        if "total_steps" in wanted:
            given["total_steps"] = horizon.total_steps
        for name in wanted.intersection(_RATES):
            value = getattr(horizon, name)
            if value is not None:
                given[name] = value
        lengths = SCHEDULES[self.name].fitted(horizon.total_steps, given)
        return {**lengths, **given} if wanted.intersection(lengths) else given

    def _inner(self, given: Mapping[str, Any], horizon: Horizon) -> dict[str, Any]:
        """The schedules inside this one, each built for its share of the run."""
        built: dict[str, Any] = {}
        if "schedule" in self.params:
            spans = SCHEDULES[self.name].spans(horizon.total_steps, given)
            span = spans[0] if spans else horizon.total_steps
            built["schedule"] = resolve(self.params["schedule"], _of_length(horizon, span))
        if "schedules" in self.params:
            parts: Sequence[ScheduleLike] = self.params["schedules"]
            spans = SCHEDULES[self.name].spans(horizon.total_steps, given)
            spans = spans or [horizon.total_steps] * len(parts)
            built["schedules"] = [
                resolve(part, _of_length(horizon, span))
                for part, span in zip(parts, spans, strict=False)
            ]
        return built


ScheduleLike: TypeAlias = Schedule | Recipe | str | float


def recipe(name: str, **params: Any) -> Recipe:
    """A schedule to be, filled in when the run is known: see `Recipe`.

    >>> recipe("cosine")
    Recipe(name='cosine', params={})
    """
    return Recipe(name, params)


def resolve(thing: "ScheduleLike", horizon: Horizon) -> Schedule:
    """Make a schedule of a schedule, a recipe, a name or a number.

    >>> resolve(0.1, Horizon(total_steps=10))
    Constant(lr=0.1)
    >>> resolve("linear", Horizon(total_steps=10, lr=0.1))
    Linear(lr=0.1, total_steps=10, end_lr=0.0)
    """
    if isinstance(thing, Schedule):
        return thing
    if isinstance(thing, str):
        thing = Recipe(thing)
    if isinstance(thing, Recipe):
        built = thing.build(horizon)
        assert isinstance(built, Schedule)
        return built
    return create("constant", lr=thing)


def _is_inner(name: str) -> bool:
    return name in {"schedule", "schedules"}


def _of_length(horizon: Horizon, total_steps: int) -> Horizon:
    return replace(horizon, total_steps=total_steps)


def _converted(entry: "Field[Any]", value: Any, horizon: Horizon) -> Any:
    """`value` as its field wants it: a whole-number field is a length, and takes durations."""
    if entry.type in (int, int | None) and isinstance(value, str | Duration):
        return horizon.steps(value)
    if entry.type == Sequence[int]:
        return tuple(horizon.steps(part) for part in value)
    if entry.type is float:
        try:
            return float(value)
        except (TypeError, ValueError) as error:
            raise ArgumentError(f"{entry.name} must be a number, got {value!r}") from error
    return value
