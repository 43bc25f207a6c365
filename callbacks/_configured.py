"""The optimizers and schedulers in what `configure_optimizers` returned, whatever its form."""

import warnings
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from lrtool.errors import UnsupportedError

if TYPE_CHECKING:
    from lrtool.callbacks._lightning import LightningModule

__all__ = ["configured_by", "optimizers_in", "schedulers_in"]


def configured_by(model: "LightningModule") -> Any:
    """What `model` configures while it has no Trainer.

    Raises:
        UnsupportedError: when it asks for the Trainer.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Lightning warns of what is not asked here
        try:
            return model.configure_optimizers()
        except RuntimeError as error:
            if "not attached to a `Trainer`" not in str(error):
                raise
            raise UnsupportedError(
                "configure_optimizers is asked before training here, and must do without a "
                f"Trainer, got {type(model).__name__}'s, which reads self.trainer; give what it "
                "reads there as a hyperparameter"
            ) from error


def optimizers_in(configured: Any) -> list[Any]:
    """Every optimizer in `configured`, in its order; none in None.

    Args:
        configured: an optimizer, a dictionary with one, a list or tuple of these, or a pair of
            lists: optimizers and schedulers.
    """
    return list(_walk(configured))


def schedulers_in(configured: Any) -> list[Any]:
    """Every scheduler in `configured`, in its order; none in None.

    Args:
        configured: as for `optimizers_in`.
    """
    if isinstance(configured, Mapping):
        found = [configured.get("lr_scheduler")]
    elif not isinstance(configured, list | tuple):
        found = []
    elif len(configured) == 2 and isinstance(configured[0], list | tuple):
        found = list(configured[1])
    else:
        found = [one for part in configured for one in schedulers_in(part)]
    return [
        one["scheduler"] if isinstance(one, Mapping) else one for one in found if one is not None
    ]


def _walk(thing: Any) -> Iterator[Any]:
    if hasattr(thing, "param_groups"):
        yield thing
    elif isinstance(thing, Mapping):
        yield from _walk(thing.get("optimizer"))
    elif isinstance(thing, list | tuple):
        for part in thing:
            yield from _walk(part)
