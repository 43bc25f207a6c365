"""fingerprint_of: all that a range test depends on, as one short text to compare."""

import inspect
import pickle
import sys
from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from lrtool.callbacks._borrow_data import dataset_parts
from lrtool.callbacks._knobs import only_optimizer
from lrtool.callbacks._lightning import LightningModule, is_data_module
from lrtool.callbacks._new_model import new_model, seeded
from lrtool.snapshot import Snapshot

__all__ = ["fingerprint_of"]

_NOT_THE_USERS = {"torch", "lightning", "pytorch_lightning", "lrtool", "builtins", "abc", "typing"}


def fingerprint_of(
    model_fn: Callable[[], LightningModule],
    data: Any,
    seed: int,
    trainer_kwargs: Mapping[str, Any],
) -> str | None:
    """A digest of model, data, optimizer and Trainer; None when one of them cannot be read.

    Equal digests mean: the same source files of the model's classes, the same first weights, the
    same optimizer and settings, as many training batches with the same first one, and so the same
    batch size. What a model calls in other files, and later batches, are not looked at.

    Args:
        model_fn: makes the model that is measured.
        data: as for `Trainer.fit`, or a function that makes it; its state is put back.
        seed: of weights and batches.
        trainer_kwargs: the Trainer's arguments.
    """
    digest = sha256()
    with seeded(seed):
        model = new_model(model_fn)
        optimizer = only_optimizer(model)
        data = data() if callable(data) else data
        before = Snapshot(data=dataset_parts(data))
        try:
            for part in _parts(model, optimizer, data, trainer_kwargs):
                digest.update(part)
        except (OSError, TypeError, AttributeError, RuntimeError, pickle.PicklingError):
            return None  # what is wrong with it, if anything is, the measurement will say
        finally:
            before.restore()
    return digest.hexdigest()[:16]


def _parts(
    model: LightningModule, optimizer: Any, data: Any, kwargs: Mapping[str, Any]
) -> Iterable[bytes]:
    yield repr([version("lrtool"), torch.__version__, str(model)]).encode()
    yield from sorted({_source(kind) for kind in _kinds(model)})
    yield from _bytes(dict(model.state_dict()))
    groups = [{k: v for k, v in g.items() if k != "params"} for g in optimizer.param_groups]
    yield repr([type(optimizer).__qualname__, groups]).encode()
    yield repr(sorted(kwargs.items())).encode()
    for loader in _loaders(data):
        yield repr(len(loader)).encode()
        yield from _bytes(list(islice(loader, 1)))


def _kinds(model: LightningModule) -> set[type]:
    """The user's own classes in a model."""
    every = {kind for module in model.modules() for kind in type(module).__mro__}
    return {kind for kind in every if kind.__module__.split(".")[0] not in _NOT_THE_USERS}


def _source(kind: type) -> bytes:
    """The file of a class; in a notebook, which has none, the class."""
    file = getattr(sys.modules.get(kind.__module__), "__file__", None)
    return inspect.getsource(kind).encode() if file is None else Path(file).read_bytes()


def _loaders(data: Any) -> list[Any]:
    """The training loaders in what `Trainer.fit` takes."""
    if is_data_module(data):
        data.prepare_data()
        data.setup("fit")
        return _loaders(data.train_dataloader())
    if isinstance(data, tuple):
        return _loaders(data[0])
    if isinstance(data, list | dict):
        parts = data.values() if isinstance(data, dict) else data
        return [loader for part in parts for loader in _loaders(part)]
    return [data]


def _bytes(thing: Any) -> Iterable[bytes]:
    """A batch, or weights, as bytes that equal ones share."""
    if isinstance(thing, torch.Tensor):
        yield repr([thing.dtype, tuple(thing.shape)]).encode()
        # As plain bytes: NumPy knows no bfloat16.
        yield thing.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()
    elif isinstance(thing, Mapping):
        for name, part in thing.items():
            yield repr(name).encode()
            yield from _bytes(part)
    elif isinstance(thing, tuple | list):
        for part in thing:
            yield from _bytes(part)
    else:
        yield pickle.dumps(thing)
