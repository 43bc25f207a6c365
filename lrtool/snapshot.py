"""Borrow models, optimizers and the random state, and give them back bit for bit.

A snapshot is a copy of values inside live objects, never of the objects: restoring writes the
values back into the same tensors, dicts and lists, so every reference that others hold stays good.
"""

import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from operator import length_hint
from types import CellType, FunctionType, MethodType, ModuleType
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from torch import Tensor

from lrtool._check import one_of
from lrtool.random_state import RandomState, generator_state
from lrtool.reach import cells, inside, is_bulky, is_data, is_followed, is_one_way
from lrtool.weights import is_dense, is_expanded

__all__ = ["Snapshot", "Where", "preserved", "uninterrupted"]

Where: TypeAlias = Literal["cpu", "device"]
# Below torch 2.3 there is only CUDA's, which later derives from this one.
_SCALER: Any = getattr(torch.amp, "GradScaler", torch.cuda.amp.GradScaler)
_FUNCTIONS = (FunctionType, MethodType, partial)
_LEAVES = (int, float, complex, str, bytes, bool, type(None), type, torch.dtype, torch.device)


class Snapshot:
    """The values inside some objects at one moment.

    Followed to any depth: modules, optimizers, gradient scalers, the user's own objects (their
    whole `__dict__`: parameters, buffers persistent or not, metric states, flags, attributes),
    dicts, lists, sets, tuples, what functions carry along. Copied: tensors, arrays, the states of
    random generators. Of a library's objects, and of those that live on their own (a thread, an
    open file), only attributes that hold plain numbers, strings or tensors are kept, one level
    deep. In data, whatever is bulky is passed over.

    Args:
        things: what to keep the values of.
        where: "cpu" copies tensors to host memory, "device" beside the originals.
        skip: objects to pass over when they are met on the way.
        data: what is kept as data, as are the datasets that are met on the way.

    >>> layer = torch.nn.Linear(2, 2)
    >>> before = layer.weight.clone()
    >>> snapshot = Snapshot(layer)
    >>> _ = torch.nn.init.zeros_(layer.weight)
    >>> snapshot.restore()
    >>> bool((layer.weight == before).all())
    True
    """

    def __init__(
        self,
        *things: object,
        where: Where = "cpu",
        skip: Iterable[object] = (),
        data: Iterable[object] = (),
    ) -> None:
        one_of("where", where, ("cpu", "device"))
        self._where = where
        self._seen: dict[int, object] = {id(thing): thing for thing in skip}
        self._tensors: list[tuple[Tensor, Tensor, Tensor, bool, Tensor | None]] = []
        self._arrays: list[tuple[np.ndarray, np.ndarray]] = []
        self._dicts: list[tuple[dict[Any, Any], dict[Any, Any]]] = []
        self._sequences: list[tuple[Any, list[Any]]] = []
        self._attributes: list[tuple[dict[str, Any], dict[str, Any]]] = []
        self._generators: list[tuple[Callable[[Any], object], Any]] = []
        self._cells: list[tuple[CellType, Any]] = []
        self._data = list(data)
        self._bulky: list[tuple[Any, int | None]] = []
        self._one_way: list[tuple[Any, int | None]] = []
        self._walk(things)
        self._walk(self._data, as_data=True)

    @property
    def nbytes(self) -> int:
        """Bytes of dense tensors and arrays held."""
        tensors = sum(copy.nbytes for _, _, copy, _, _ in self._tensors if is_dense(copy))
        return tensors + sum(copy.nbytes for _, copy in self._arrays)

    @property
    def num_changed_bulky(self) -> int:
        """How many of the bulky things in data, which are not given back, have changed since."""
        return sum(_mark(thing) != mark for thing, mark in self._bulky)

    @property
    def advanced(self) -> tuple[str, ...]:
        """Kinds of the iterators met that have gone on since, or may have: nothing rewinds them."""
        marks = [(type(thing).__name__, mark, _drawn(thing)) for thing, mark in self._one_way]
        return tuple(sorted({name for name, mark, now in marks if mark is None or now != mark}))

    def restore(self) -> None:
        """Write every value back; can be called again."""
        for container, saved in self._dicts:
            _restore_dict(container, saved)
        for sequence, items in self._sequences:
            _restore_sequence(sequence, items)
        for attributes, plain in self._attributes:
            for name, value in plain.items():
                if attributes.get(name) is not value:
                    attributes[name] = value
        for kept in self._tensors:
            _restore_tensor(*kept)
        for array, saved_array in self._arrays:
            array[...] = saved_array
        for cell, contents in self._cells:
            if cell.cell_contents is not contents:
                cell.cell_contents = contents
        for set_state, state in self._generators:
            set_state(state)

    def _walk(self, things: Iterable[object], as_data: bool = False) -> None:
        stack = list(things)
        while stack:
            thing = stack.pop()
            if isinstance(thing, _LEAVES) or id(thing) in self._seen:
                continue
            if not as_data and is_data(thing):
                self._data.append(thing)
                continue
            self._seen[id(thing)] = thing
            if is_one_way(thing):
                self._one_way.append((thing, _drawn(thing)))
            elif as_data and is_bulky(thing):
                self._bulky.append((thing, _mark(thing)))
            else:
                stack.extend(self._keep(thing))

    def _keep(self, thing: Any) -> list[Any]:
        """Record `thing`'s own value; return what to look at next."""
        if isinstance(thing, Tensor):
            return self._keep_tensor(thing)
        if isinstance(thing, dict):
            self._dicts.append((thing, dict(thing)))
            return [*thing.keys(), *thing.values()]
        if isinstance(thing, list | set | deque):
            self._sequences.append((thing, list(thing)))
            return list(thing)
        if isinstance(thing, tuple):
            return list(thing)
        if isinstance(thing, np.ndarray):
            if thing.flags.writeable:  # nobody writes to the others, such as a mapped file's
                self._arrays.append((thing, thing.copy()))
            return []
        if (generator := generator_state(thing)) is not None:
            self._generators.append(generator)
            return []
        if isinstance(thing, _FUNCTIONS):
            self._cells.extend(cells(thing))
            return inside(thing)
        if _is_scaler(thing) or is_followed(thing):
            return [vars(thing)]
        return self._keep_attributes(thing)

    def _keep_tensor(self, tensor: Tensor) -> list[Any]:
        frozen = tensor.is_meta or tensor.is_inference() or is_expanded(tensor)
        if frozen or not tensor.is_leaf:
            return []  # nothing to copy, or nobody may write to it
        alias = tensor.detach()
        copy = alias.to("cpu", copy=True) if self._where == "cpu" else alias.clone()
        self._tensors.append((tensor, alias, copy, tensor.requires_grad, tensor.grad))
        return []

    def _keep_attributes(self, thing: Any) -> list[Any]:
        attributes = getattr(thing, "__dict__", None)
        if not isinstance(attributes, dict) or isinstance(thing, ModuleType):
            return []
        plain = {name: value for name, value in attributes.items() if isinstance(value, _LEAVES)}
        if plain:
            self._attributes.append((attributes, plain))
        tensors = (Tensor, np.ndarray)
        generators = [v for v in attributes.values() if generator_state(v) is not None]
        return [v for v in attributes.values() if isinstance(v, tensors)] + generators


@contextmanager
def preserved(*things: object, where: Where = "cpu") -> Iterator[Snapshot]:
    """Give back `things` and the global random state at the end, however the block ends.

    Args:
        things: modules, optimizers, containers of them: see `Snapshot`.
        where: where copies of tensors live, "cpu" or "device".

    >>> layer = torch.nn.Linear(2, 2)
    >>> before = layer.weight.clone()
    >>> with preserved(layer):
    ...     _ = torch.nn.init.normal_(layer.weight)
    >>> bool((layer.weight == before).all())
    True
    """
    snapshot, random_state = Snapshot(*things, where=where), RandomState()
    try:
        yield snapshot
    finally:
        with uninterrupted():
            snapshot.restore()
            random_state.restore()


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold Ctrl-C back until the block is done, so that a restore is never left half-way."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    pressed: list[int] = []
    old = signal.signal(signal.SIGINT, lambda number, frame: pressed.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_DFL if old is None else old)
        if pressed and callable(old):
            old(signal.SIGINT, None)


@torch.no_grad()
def _restore_tensor(
    tensor: Tensor, alias: Tensor, copy: Tensor, requires_grad: bool, grad: Tensor | None
) -> None:
    """Write `copy` into the storage that `tensor` had, and have it point there again."""
    if not is_dense(tensor):  # a sparse alias is no alias: it holds numbers of its own
        tensor.copy_(copy)
    else:
        alias.copy_(copy)
        if tensor.data_ptr() != alias.data_ptr() or tensor.shape != alias.shape:
            tensor.data = alias
    tensor.requires_grad_(requires_grad)
    tensor.grad = grad


def _restore_dict(container: dict[Any, Any], saved: dict[Any, Any]) -> None:
    """Write differences only: guards of compiled code watch these dicts."""
    if not _same_keys(container, saved):
        container.clear()
        container.update(saved)
        return
    for key, value in saved.items():
        if container[key] is not value:
            container[key] = value


def _same_keys(one: dict[Any, Any], two: dict[Any, Any]) -> bool:
    """Whether the keys are equal and in the same order; tensors count as equal when identical."""
    return len(one) == len(two) and all(
        a is b or (not isinstance(a, Tensor) and a == b) for a, b in zip(one, two, strict=True)
    )


def _restore_sequence(sequence: Any, items: list[Any]) -> None:
    if len(sequence) == len(items) and all(
        old is new for old, new in zip(sequence, items, strict=True)
    ):
        return
    sequence.clear()
    sequence.update(items) if isinstance(sequence, set) else sequence.extend(items)


def _drawn(iterator: Any) -> int | None:
    """What tells that `iterator` has gone on; None where nothing does.

    How many batches a DataLoader's has given, how many items that of a list or the like has left.
    """
    if hasattr(iterator, "_num_yielded"):
        return int(iterator._num_yielded)
    # A length alone, as a DataLoader's or a progress bar's, is no count of what is left.
    left = length_hint(iterator, -1) if hasattr(type(iterator), "__length_hint__") else -1
    return left if left >= 0 else None


def _mark(thing: Any) -> int | None:
    """What tells that `thing` has changed; None where nothing does."""
    if isinstance(thing, Tensor):
        return None if thing.is_inference() else thing._version
    return None if isinstance(thing, np.ndarray) else len(thing)


def _is_scaler(thing: object) -> bool:
    return isinstance(thing, _SCALER)
