"""Described: a callback shows its settings, and what came of them, where it is printed."""

from collections.abc import Callable, Iterator, Mapping
from functools import wraps
from inspect import Parameter, Signature, signature
from reprlib import Repr
from typing import Any

__all__ = ["Described"]

_KEPT = "_lrtool_arguments"


class Described:
    """`EarlyStopping('val_loss', patience=5)`: the arguments that differ from their defaults.

    Of each argument the constructor got the text alone is kept, so that nothing more has to be
    copied or pickled; an attribute of its name goes first, which may have changed since. What came
    of it follows, and angle brackets then say that this is more than a constructor's call.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__init__" in vars(cls):
            cls.__init__ = _noting(vars(cls)["__init__"])  # type: ignore[method-assign]

    def __repr__(self) -> str:
        given = vars(self).get(_KEPT)
        call = f"{type(self).__name__}({', '.join(_settings(self, given or {}))})"
        outcome = None if given is None else self._outcome()  # not of one that is half built
        return call if outcome is None else f"<{call}: {outcome}>"

    def _outcome(self) -> str | None:
        """What was measured or decided, in a few words; None before."""
        return None


def _noting(init: Callable[..., None]) -> Callable[..., None]:
    """`init`, which then keeps the texts of its arguments; a subclass's replace its base's."""
    own = _signature(init)

    @wraps(init)
    def noting(self: Any, *args: Any, **kwargs: Any) -> None:
        init(self, *args, **kwargs)
        named = dict(list(own.bind(self, *args, **kwargs).arguments.items())[1:])
        for name, parameter in own.parameters.items():
            if parameter.kind is Parameter.VAR_KEYWORD:
                named |= named.pop(name, {})
        vars(self)[_KEPT] = {name: _text(value) for name, value in named.items()}

    return noting


def _settings(callback: Described, given: Mapping[str, str]) -> Iterator[str]:
    parameters = _signature(type(callback)).parameters
    for name in dict.fromkeys([*parameters, *given]):
        now = _text(vars(callback)[name]) if name in vars(callback) else given.get(name)
        parameter = parameters.get(name, Parameter(name, Parameter.KEYWORD_ONLY))
        needed = parameter.default is Parameter.empty
        if now is None or (not needed and now == _text(parameter.default)):
            continue
        bare = needed and parameter.kind is Parameter.POSITIONAL_OR_KEYWORD
        yield now if bare else f"{name}={now}"


def _signature(call: Callable[..., object]) -> Signature:
    try:
        return signature(call)
    except NameError:  # Python 3.14 looks up annotations, also those that only type checkers know
        return signature(lambda *args, **kwargs: None)


class _Short(Repr):
    """Python's own shortened texts, without addresses."""

    def repr_function(self, x: Any, level: int) -> str:
        return str(x.__name__)

    def repr_Duration(self, x: Any, level: int) -> str:  # noqa: N802  reprlib's way to name a type
        return repr(str(x))

    def repr_instance(self, x: Any, level: int) -> str:
        plain: Any = object.__repr__
        if type(x).__repr__ is plain:
            return f"{type(x).__name__}(...)"
        return super().repr_instance(x, level)


_short = _Short()
_short.maxstring = _short.maxother = 80
_text = _short.repr
