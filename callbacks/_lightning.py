"""The one module that knows which Lightning is installed: `lightning`, `pytorch_lightning` or both.

The two packages hold the same code under two names, so their classes differ. Callbacks here derive
from whichever exist, which satisfies both Trainers and both LightningCLIs.
"""

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from lrtool.callbacks._described import Described
from lrtool.errors import MissingDependencyError

__all__ = [
    "Callback",
    "LightningModule",
    "Trainer",
    "callbacks_of",
    "is_a",
    "is_data_module",
    "lightning_modules",
    "namespace_of",
    "submodule",
    "submodules",
]

if TYPE_CHECKING:
    from pytorch_lightning import Callback, LightningModule, Trainer
else:
    Trainer = LightningModule = Any


def lightning_modules() -> list[ModuleType]:
    """Every installed Lightning, as its top module (`pytorch_lightning`, `lightning.pytorch`)."""
    tried = [_imported(name) for name in ("pytorch_lightning", "lightning.pytorch")]
    found = [one for one in tried if isinstance(one, ModuleType)]
    if not found:
        raise MissingDependencyError(
            f"lrtool.callbacks needs pytorch_lightning or lightning, and neither imports "
            f"({'; '.join(map(str, tried))}); install one with: pip install pytorch-lightning"
        )
    return found


def _imported(name: str) -> ModuleType | ImportError:
    """The module, or why there is none: a broken one is no fault where the other imports."""
    try:
        return import_module(name)
    except ImportError as error:
        return error


def submodules(name: str) -> list[ModuleType]:
    """The submodule `name` (such as "callbacks") of every installed Lightning."""
    return [import_module(f"{module.__name__}.{name}") for module in lightning_modules()]


def callbacks_of(trainer: Trainer) -> list[Any]:
    """The Trainer's callbacks, an attribute that its class does not declare."""
    return list(trainer.callbacks)  # type: ignore[attr-defined, unused-ignore]


def is_a(thing: object, *names: str) -> bool:
    """Whether the class of `thing` has one of these names or derives from one that has."""
    return any(base.__name__ in names for base in type(thing).__mro__)


def is_data_module(data: object) -> bool:
    """Whether `data` is a LightningDataModule of any installed Lightning."""
    return isinstance(data, tuple(module.LightningDataModule for module in lightning_modules()))


def namespace_of(thing: object) -> ModuleType:
    """The Lightning that `thing` (a Trainer or a LightningModule) comes from."""
    modules = lightning_modules()
    for base in type(thing).__mro__:
        for module in modules:
            if base.__module__.startswith(module.__name__ + "."):
                return module
    return modules[0]


def submodule(thing: object, name: str) -> Any:
    """The submodule `name` (such as "trainer.call") of the Lightning that `thing` comes from."""
    return import_module(f"{namespace_of(thing).__name__}.{name}")


if not TYPE_CHECKING:
    Callback = type(
        "Callback",
        (Described, *(module.Callback for module in lightning_modules())),
        {"__doc__": "Base of lrtool's callbacks, at home in every installed Lightning.",
         "__module__": __name__},
    )  # fmt: skip
