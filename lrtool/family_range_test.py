"""range_family: the range test under several weight decays or momenta."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from torch.optim import Optimizer

from lrtool import param_groups
from lrtool._check import non_negative, require
from lrtool.families import Family, family
from lrtool.tuner import range_test

if TYPE_CHECKING:
    from lrtool.callbacks._lightning import LightningModule
    from lrtool.param_groups import Knob

__all__ = ["range_family"]


def range_family(
    model: "LightningModule",
    data: Any,
    *,
    weight_decay: Sequence[float] | None = None,
    momentum: Sequence[float] | None = None,
    **options: Any,
) -> Family:
    """Run one range test per value of one setting, each from the same weights on the same batches.

    Args:
        model: as for `lrtool.range_test`; left as it was.
        data: as for `lrtool.range_test`.
        weight_decay: the values to try, each at or above zero; groups keep their ratio.
        momentum: the values to try, each in [0, 1): `momentum`, or `betas[0]` for Adam's kin.
        **options: as for `lrtool.range_test`.

    Returns:
        The range tests by value, the value to take and why; `plot_range_tests` overlays them.

    Raises:
        ArgumentError: unless exactly one setting is given, with values that are allowed and differ.
        UnsupportedError: when the model cannot be swept.

    References:
        Smith, "A disciplined approach to neural network hyper-parameters: Part 1", 2018.
    """
    settings = {"weight_decay": weight_decay, "momentum": momentum}
    given = {name: list(values) for name, values in settings.items() if values is not None}
    require(len(given) == 1, "exactly one of weight_decay, momentum", given=sorted(given))
    ((name, values),) = given.items()
    require(len(set(values)) == len(values) > 0, f"values of {name} that differ", values=values)
    for value in values:
        non_negative("", **{name: value})
        require(name != "momentum" or value < 1, "momentum < 1", momentum=value)
    results = {}
    for value in values:
        with _configured(model, name, value, options.get("optimizer", 0)):  # type: ignore[arg-type]
            results[value] = range_test(model, data, **options)
    return family(name, results)


@contextmanager
def _configured(model: "LightningModule", knob: "Knob", value: float, index: int) -> Iterator[None]:
    """Have `model` configure its optimizer with another value of `knob`."""
    configure = model.configure_optimizers

    def configured() -> Any:
        made = configure()
        optimizers = list(_optimizers_in(made))
        require(index < len(optimizers), f"an optimizer number {index}", found=len(optimizers))
        chosen = optimizers[index]
        require(
            param_groups.get(chosen, knob) is not None,
            f"an optimizer with {knob}",
            "choose a setting it has",
            optimizer=type(chosen).__name__,
        )
        _set(chosen, knob, value)
        return made

    model.configure_optimizers = configured  # type: ignore[method-assign]
    try:
        yield
    finally:
        del model.configure_optimizers


def _set(optimizer: Optimizer, knob: "Knob", value: float) -> None:
    if param_groups.get(optimizer, knob):
        param_groups.set_value(optimizer, knob, value)
    else:  # all zero: no ratio to keep
        param_groups.set_all(optimizer, knob, [value] * len(optimizer.param_groups))


def _optimizers_in(made: Any) -> Iterator[Optimizer]:
    """The optimizers in whatever `configure_optimizers` may return, in its order."""
    if isinstance(made, Optimizer):
        yield made
    elif isinstance(made, dict):
        yield from _optimizers_in(made.get("optimizer"))
    elif isinstance(made, list | tuple):
        for part in made:
            yield from _optimizers_in(part)
