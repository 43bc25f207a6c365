"""range_family: the range test under several values of one setting."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from torch.optim import Optimizer

from lrtool import optimizers, param_groups
from lrtool._check import integer, non_negative, require
from lrtool.callbacks._configured import optimizers_in
from lrtool.callbacks._new_model import check_model
from lrtool.callbacks._range_test_context import refuse_unswept
from lrtool.callbacks._rebatch import rebatched
from lrtool.callbacks._stand_in import stand_in
from lrtool.callbacks.measure import measure
from lrtool.families import Family, family
from lrtool.optimizers.build import class_of

if TYPE_CHECKING:
    from lrtool.callbacks._lightning import LightningModule
    from lrtool.param_groups import Knob

__all__ = ["Optimizers", "range_family"]

_Make: TypeAlias = str | Callable[[Any], Optimizer]
Optimizers: TypeAlias = Sequence[_Make] | Mapping[str, _Make]
"""Names that `lrtool.optimizers.create` takes, or functions `params -> Optimizer`."""


def range_family(
    model: "LightningModule",
    data: Any,
    *,
    weight_decay: Sequence[float] | None = None,
    momentum: Sequence[float] | None = None,
    batch_size: Sequence[int] | None = None,
    optimizer: int | Optimizers = 0,
    **options: Any,
) -> Family:
    """Run one range test per value of one setting; `lrtool.range_test` does so when given a list.

    Args:
        model: as for `lrtool.range_test`; left as it was.
        data: as for `lrtool.range_test`.
        weight_decay: as for `lrtool.range_test`.
        momentum: as for `lrtool.range_test`.
        batch_size: as for `lrtool.range_test`.
        optimizer: as for `lrtool.range_test`.
        **options: as for `lrtool.range_test`.

    Raises:
        ArgumentError: unless exactly one setting is given, with values that are allowed and differ.
        UnsupportedError: when the model cannot be swept, an optimizer has no rate to sweep, or the
            data cannot be cut into other batches.
    """
    check_model(model)
    index, makes = (optimizer, None) if isinstance(optimizer, int) else (0, _by_name(optimizer))
    settings: dict[str, Iterable[Any] | None] = {
        "weight_decay": weight_decay, "momentum": momentum, "batch_size": batch_size,
        "optimizer": makes,
    }  # fmt: skip
    for name, values in settings.items():
        require(
            values is None or (isinstance(values, Iterable) and not isinstance(values, str)),
            f"a list of values for {name}", f"write {name}=[{values!r}]", **{name: values},
        )  # fmt: skip
    given = {name: list(values) for name, values in settings.items() if values is not None}
    require(
        len(given) == 1, f"a list for exactly one of {', '.join(settings)}",
        "compare one setting after the other", given=sorted(given),
    )  # fmt: skip
    ((setting, values),) = given.items()
    require(len(set(values)) == len(values) > 0, f"values of {setting} that differ", values=values)
    for value in values:
        _check(setting, value)
    results = {}
    for value in values:
        if setting == "batch_size":
            under = rebatched(data, value)
        elif makes is not None:
            under = _configured(model, data, partial(_replaced, model, makes[value]))
        else:
            knob = cast("Knob", setting)
            under = _configured(model, data, partial(_turned, knob, value, index))
        with under as own:
            results[value] = measure(
                model, own, optimizer=index, label=f"LRRangeTest ({setting} {value})", **options
            )
    return family(setting, results)


def _by_name(given: Optimizers) -> dict[str, _Make]:
    """What makes each optimizer, by its name."""
    require(
        isinstance(given, Iterable) and not isinstance(given, str),
        "a list of optimizers, or the index of one",
        f"write optimizer=[{given!r}]", optimizer=given,
    )  # fmt: skip
    if isinstance(given, Mapping):
        makes = dict(given)
    else:
        listed = list(given)
        names = [one if isinstance(one, str) else getattr(one, "__name__", "?") for one in listed]
        require(
            len(set(names)) == len(names), "optimizers that differ by name",
            "give functions a name each: {name: function}", names=names,
        )  # fmt: skip
        makes = dict(zip(names, listed, strict=True))
    for make in makes.values():
        if isinstance(make, str):
            can = optimizers.capabilities(make)
            refuse_unswept(can)
            class_of(can)  # a missing package is told before the first sweep
    return makes


def _check(setting: str, value: Any) -> None:
    if setting == "batch_size":
        integer(1, batch_size=value)
    elif setting != "optimizer":
        non_negative("", **{setting: value})
        require(setting != "momentum" or value < 1, "momentum < 1", momentum=value)


@contextmanager
def _configured(model: "LightningModule", data: Any, change: Callable[[Any], Any]) -> Iterator[Any]:
    """Have what `model` configures pass through `change`; the data stays as it is."""
    with stand_in(model, "configure_optimizers", change):
        yield data


def _turned(knob: "Knob", value: float, index: int, made: Any) -> Any:
    """What the model configured, with another value of `knob`."""
    found = optimizers_in(made)
    require(index < len(found), f"an optimizer number {index}", found=len(found))
    chosen = found[index]
    require(
        param_groups.get(chosen, knob) is not None, f"an optimizer with {knob}",
        "choose a setting it has", optimizer=type(chosen).__name__,
    )  # fmt: skip
    if param_groups.get(chosen, knob):
        param_groups.set_value(chosen, knob, value)
    else:  # all zero: no ratio to keep
        param_groups.set_all(chosen, knob, [value] * len(chosen.param_groups))
    return made


def _replaced(model: "LightningModule", make: _Make, made: Any) -> Optimizer:
    """Another optimizer in place of the model's own, over the same groups."""
    found = optimizers_in(made)
    require(
        len(found) == 1, "a model with one optimizer",
        "compare optimizers of several in models of their own", found=len(found),
    )  # fmt: skip
    (own,) = found
    groups = [{key: group[key] for key in ("params", "name") if key in group}
              for group in own.param_groups]  # fmt: skip
    if len(groups) > 1:
        new = optimizers.create(make, groups) if isinstance(make, str) else make(groups)
        for knob in ("lr", "weight_decay"):
            if (value := param_groups.get(new, knob)) is not None:
                param_groups.set_value(new, knob, value, param_groups.ratios(own, knob))
        return new
    held = groups[0]["params"]
    if not isinstance(make, str):
        return make(held)
    trained = [one for one in model.parameters() if one.requires_grad]
    whole = {id(one) for one in trained} <= {id(one) for one in held}
    return optimizers.create(make, model if whole else held)
