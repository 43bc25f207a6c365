"""A method of one object replaced for a while."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["stand_in"]


@contextmanager
def stand_in(owner: object, name: str, change: Callable[[Any], Any]) -> Iterator[None]:
    """Have what `owner.name()` returns pass through `change` inside the `with` block.

    Args:
        owner: an object; one with a method of its own, put there by hand, gets it back.
        name: a method without arguments.
        change: what it returns -> what it is to return.
    """
    attributes = vars(owner)
    kept = {name: attributes[name]} if name in attributes else {}
    method = getattr(owner, name)
    attributes[name] = lambda: change(method())
    try:
        yield
    finally:
        del attributes[name]
        attributes.update(kept)
