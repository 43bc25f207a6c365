"""The optimizers in what `configure_optimizers` returned, in any of the forms it may take."""

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["optimizers_in"]


def optimizers_in(configured: Any) -> list[Any]:
    """Every optimizer in `configured`, in its order; none in None.

    Args:
        configured: an optimizer, a dictionary with one, a list or tuple of these, or a pair of
            lists: optimizers and schedulers.
    """
    return list(_walk(configured))


def _walk(thing: Any) -> Iterator[Any]:
    if hasattr(thing, "param_groups"):
        yield thing
    elif isinstance(thing, Mapping):
        yield from _walk(thing.get("optimizer"))
    elif isinstance(thing, list | tuple):
        for part in thing:
            yield from _walk(part)
