"""knobs_of: where the knobs of a model's optimizer stand, and whose they are."""

from collections.abc import Callable
from typing import Any

from torch.nn.parameter import is_lazy

from lrtool import optimizers, param_groups
from lrtool.callbacks._configured import configured_by, optimizers_in, schedulers_in
from lrtool.callbacks._lightning import LightningModule
from lrtool.callbacks._new_model import new_model
from lrtool.errors import UnsupportedError
from lrtool.search.measured import Knobs

__all__ = ["knobs_of", "model_in_words", "only_optimizer"]


def knobs_of(model_fn: Callable[[], LightningModule]) -> Knobs:
    """Build a model and its optimizer once, and read where the knobs stand.

    Raises:
        ArgumentError: when `model_fn` does not make a LightningModule.
        UnsupportedError: when the module does not configure exactly one optimizer and no scheduler.
    """
    optimizer = only_optimizer(new_model(model_fn))
    momentum = param_groups.get(optimizer, "momentum")
    group, can = optimizer.param_groups[0], optimizers.capabilities_of(optimizer)
    known = {} if can.momentum_prior is None else {"momentum_prior": can.momentum_prior}
    return Knobs(
        lr=float(param_groups.get(optimizer, "lr") or 1e-3),
        momentum=momentum,
        weight_decay=param_groups.get(optimizer, "weight_decay"),
        accumulates=param_groups.momentum_key(group) == "momentum" and not group.get("dampening"),
        optimizer=type(optimizer).__name__,
        swept=bool(can.range_test),
        weight_decay_prior=can.weight_decay_prior,
        **known,
    )


def model_in_words(model_fn: Callable[[], LightningModule]) -> str:
    """Class, size and optimizer of a model: one study is of one model.

    Raises:
        ArgumentError: when `model_fn` does not make a LightningModule.
        UnsupportedError: as for `knobs_of`.
    """
    model = new_model(model_fn)
    count = sum(one.numel() for one in model.parameters() if not is_lazy(one))
    optimizer = type(only_optimizer(model)).__name__
    return f"{type(model).__name__} of {count:,} parameters, {optimizer}"


def only_optimizer(model: LightningModule) -> Any:
    """The optimizer that a model configures, before it has a Trainer.

    Raises:
        UnsupportedError: when there is not exactly one, or a scheduler that would move its rate;
            when `configure_optimizers` reads the Trainer.
    """
    configured = configured_by(model)
    found, schedulers = optimizers_in(configured), schedulers_in(configured)
    if len(found) != 1:
        raise UnsupportedError(
            f"a search needs a module with exactly one optimizer, got {len(found)} from "
            "configure_optimizers; return one, such as torch.optim.SGD(self.parameters(), lr=0.1)"
        )
    if schedulers:
        raise UnsupportedError(
            f"a search brings schedules of its own, got a {type(schedulers[0]).__name__} from "
            "configure_optimizers; return only the optimizer"
        )
    return found[0]
