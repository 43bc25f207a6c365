"""Stand-ins for the user's callbacks and loggers: readable as ever, deaf to every call to act."""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

from lrtool.callbacks._lightning import Callback

__all__ = ["muted_callback", "muted_logger", "muted_profiler", "muted_scheduler"]

_LOGGER_READS = {"group_separator", "log_dir", "name", "root_dir", "save_dir", "sub_dir", "version"}


class _Void:
    """Absorbs any use: attributes, items, calls, loops and `with` blocks."""

    def __getattr__(self, name: str) -> "_Void":
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __call__(self, *args: object, **kwargs: object) -> "_Void":
        return self

    def __getitem__(self, key: object) -> "_Void":
        return self

    def __setitem__(self, key: object, value: object) -> None:
        pass

    def __iter__(self) -> Iterator[object]:
        return iter(())

    def __enter__(self) -> "_Void":
        return self

    def __exit__(self, *args: object) -> None:
        pass


class _Muted:
    """Passes for `original` under isinstance and for reads; `silenced` names read as `instead`."""

    def __init__(self, original: object, silenced: Callable[[str], bool], instead: object) -> None:
        vars(self).update(_original=original, _silenced=silenced, _instead=instead)

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return type(vars(self)["_original"])

    def __getattr__(self, name: str) -> Any:
        me = vars(self)
        return me["_instead"] if me["_silenced"](name) else getattr(me["_original"], name)

    def __getitem__(self, key: object) -> Any:
        return self


def muted_callback(callback: object) -> Any:
    """`callback` without its hooks: each reads as None, which a Trainer passes over."""
    return _Muted(callback, _HOOKS.__contains__, None)


def muted_logger(logger: object) -> Any:
    """`logger` with its name and folders, and an experiment that swallows everything."""
    return _Muted(logger, lambda name: name not in _LOGGER_READS, _Void())


def muted_scheduler(scheduler: object) -> Any:
    """`scheduler` that does not move when stepped."""
    return _Muted(scheduler, {"step", "load_state_dict"}.__contains__, _Void())


def muted_profiler(profiler: type[Any]) -> Any:
    """A profiler that records nothing, at next to no cost a call.

    Args:
        profiler: the pass-through profiler of the Lightning at hand.
    """
    idle = nullcontext()
    return type("IdleProfiler", (profiler,), {"profile": lambda self, name: idle})()


_HOOKS = {
    name
    for name in dir(Callback)
    if name.startswith("on_") or name in {"setup", "teardown", "state_dict", "load_state_dict"}
}
