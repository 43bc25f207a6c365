"""TARGET: from `file.py:function` to (model_fn, data)."""

import sys
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from lrtool._check import require
from lrtool.errors import ArgumentError

__all__ = ["load_target"]

_FORM = "write it as file.py:function or package.module:function"


def load_target(target: str) -> tuple[Callable[[], Any], Any]:
    """Call the function that TARGET names and check what it returns.

    Args:
        target: `file.py:function` or `package.module:function`.

    Returns:
        (model_fn, data); data may be a function or class that makes it.

    Raises:
        ArgumentError: when it does not import, is not a function, or returns something else.
    """
    where, _, name = target.rpartition(":")
    require(bool(where and name), "TARGET of the form WHERE:FUNCTION", _FORM, TARGET=target)
    function = _function(_module(where, target), name, target)
    pair = _call(function, target)
    made = isinstance(pair, tuple) and len(pair) == 2 and callable(pair[0])
    # A finished model is callable too.
    made = made and (isinstance(pair[0], type) or not hasattr(pair[0], "training_step"))
    require(
        made, "TARGET returning (model_fn, data)",
        "model_fn() must give a new LightningModule, so return the function or class, not a model",
        TARGET=target, returned=type(pair).__name__,
    )  # fmt: skip
    model_fn, data = pair
    made_data = _call(data, target) if callable(data) else data
    _refuse_no_batches(made_data, target)
    return model_fn, data


def _module(where: str, target: str) -> ModuleType:
    try:
        return _from_file(Path(where)) if where.endswith(".py") else _from_path(where)
    except ArgumentError:
        raise
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        raise ArgumentError(
            f"TARGET must import, got {target!r}; importing {where} raised "
            f"{type(error).__name__}: {error}"
        ) from error


def _from_file(path: Path) -> ModuleType:
    require(path.is_file(), "TARGET naming a file that exists", _FORM, file=str(path))
    # Its neighbours import as for `python file.py`.
    sys.path.insert(0, str(path.resolve().parent))
    if _imports_as_its_stem(path):
        # Under the name that a worker process, and whoever loads a checkpoint later, finds it by.
        return import_module(path.stem)
    name = f"lrtool_target_{path.stem}"
    spec = spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[name] = module  # so that its classes pickle in this process
    spec.loader.exec_module(module)
    return module


def _imports_as_its_stem(path: Path) -> bool:
    """Whether `import stem` means this file; not where the stem is taken, or no name at all."""
    if not path.stem.isidentifier():
        return False
    try:
        spec = find_spec(path.stem)
    except ValueError:  # a module that was made and not found
        return False
    return spec is not None and spec.origin is not None and Path(spec.origin) == path.resolve()


def _from_path(where: str) -> ModuleType:
    sys.path.insert(0, str(Path.cwd()))
    return import_module(where)


def _function(module: ModuleType, name: str, target: str) -> Callable[[], Any]:
    found = getattr(module, name, None)
    if callable(found):
        return found  # type: ignore[no-any-return]
    known = [key for key, value in vars(module).items() if callable(value) and key[0] != "_"]
    raise ArgumentError(
        f"TARGET must name a function, got {target!r}; "
        f"its module has {', '.join(known[:8]) or 'none'}"
    )


def _call(function: Callable[[], Any], target: str) -> Any:
    try:
        return function()
    except (Exception, SystemExit) as error:
        # What LightningCLI ends with, when it is called here and reads the command line.
        remedy = "; name a function that runs no command" if isinstance(error, SystemExit) else ""
        raise ArgumentError(
            f"TARGET must return (model_fn, data) when called, got {target!r}; it raised "
            f"{type(error).__name__}: {error}{remedy}"
        ) from error


def _refuse_no_batches(data: Any, target: str) -> None:
    """Refuse missing or empty training data now, before anything is written."""
    train = data[0] if isinstance(data, tuple | list) and data else data
    require(
        _gives_batches(train), "training data with at least one batch",
        "return (model_fn, train_loader) or (model_fn, (train_loader, val_loader))",
        TARGET=target, data=type(data).__name__,
    )  # fmt: skip


def _gives_batches(train: Any) -> bool:
    from lrtool.callbacks._lightning import lightning_modules

    for module in lightning_modules():
        if isinstance(train, module.LightningDataModule):
            own = type(train).train_dataloader
            return own is not module.LightningDataModule.train_dataloader
    if isinstance(train, str | bytes) or not hasattr(train, "__iter__"):
        return False
    try:
        return not hasattr(train, "__len__") or len(train) > 0
    except TypeError:  # a loader over an IterableDataset knows no length
        return True
