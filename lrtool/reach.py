"""How far a snapshot follows the objects it meets: what holds state, what is data, what is alive.

A model's helper, a dataset's transform, a collate function's owner: objects like these are followed
like modules, to any depth. Not so those of the standard library, torch, numpy and Lightning, nor an
object that lives on its own, with a thread, a lock, a queue or an open file: of these a snapshot
keeps plain attributes alone.
"""

import io
import queue
import sys
import threading
from collections import deque
from functools import partial
from types import CellType, FunctionType, MethodType
from typing import Any

import numpy as np
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import DataLoader, Dataset

from lrtool.weights import is_dense

__all__ = ["cells", "inside", "is_bulky", "is_data", "is_followed", "is_one_way"]

_OWN_BUT_FOLLOWED = (nn.Module, Optimizer, LRScheduler, Dataset)
_HOLDERS = {"argparse", "collections", "types"}  # of the standard library
_LIBRARIES = (
    set(sys.stdlib_module_names)
    | {"lightning", "lightning_fabric", "lrtool", "numpy", "pytorch_lightning", "torch"}
) - (_HOLDERS | {"__main__"})
_ALIVE = (threading.Thread, type(threading.Lock()), type(threading.RLock()), queue.Queue, io.IOBase)
_BULK = 2**20
_MANY = 1000


def is_followed(thing: object) -> bool:
    """Whether all attributes of `thing` are its state.

    >>> is_followed(nn.Linear(1, 1)), is_followed(threading.Thread())
    (True, False)
    """
    attributes = getattr(thing, "__dict__", None)
    if not isinstance(attributes, dict) or isinstance(thing, DataLoader):
        return False
    if isinstance(thing, _OWN_BUT_FOLLOWED):
        return True
    return not _is_librarys(type(thing)) and not any(
        isinstance(value, _ALIVE) for value in list(attributes.values())
    )


def is_data(thing: object) -> bool:
    """Whether what `thing` holds is read, in the main, and not to be copied: a dataset."""
    return isinstance(thing, Dataset)


def is_one_way(thing: object) -> bool:
    """Whether `thing` is an iterator that nothing rewinds; one of the user's own is its state.

    >>> is_one_way(iter([1])), is_one_way([1])
    (True, False)
    """
    moves = hasattr(type(thing), "__next__") and not isinstance(thing, io.IOBase)
    return moves and not is_followed(thing)


def is_bulky(thing: Any) -> bool:
    """Whether `thing` is too large to be part of a dataset's state: over 1 MiB, over 1000 items."""
    if isinstance(thing, Tensor):
        return is_dense(thing) and thing.nbytes > _BULK
    if isinstance(thing, np.ndarray):
        return thing.nbytes > _BULK
    return isinstance(thing, dict | list | set | deque | tuple) and len(thing) > _MANY


def inside(thing: Any) -> list[Any]:
    """What a function of the user's own carries along; nothing for any other object."""
    if isinstance(thing, partial):
        return [thing.func, thing.args, thing.keywords]
    if isinstance(thing, MethodType):
        return [thing.__self__, thing.__func__]
    if isinstance(thing, FunctionType) and not _is_librarys(thing):
        return [thing.__defaults__, thing.__kwdefaults__, *[value for _, value in cells(thing)]]
    return []


def cells(thing: Any) -> list[tuple[CellType, Any]]:
    """The variables around a function of the user's own that it uses: their places and values."""
    if not isinstance(thing, FunctionType) or _is_librarys(thing):
        return []
    return [(cell, cell.cell_contents) for cell in thing.__closure__ or () if _is_assigned(cell)]


def _is_assigned(cell: CellType) -> bool:
    try:
        return cell.cell_contents is cell.cell_contents
    except ValueError:
        return False


def _is_librarys(thing: Any) -> bool:
    return str(thing.__module__).split(".")[0] in _LIBRARIES
