"""Batches for a sweep, drawn beside the Trainer's own stream, which stays where it is.

By the time training starts the Trainer has already opened its iterators: workers run, batches
are prefetched, seeds are drawn. So the sweep never touches them: it walks private copies of the
loaders, with their own samplers and generators, over the same datasets.
"""

from collections.abc import Iterator
from copy import copy, deepcopy
from typing import Any

import torch
from torch.utils.data import DataLoader, IterableDataset, Sampler

from lrtool.callbacks._lightning import Trainer, submodule
from lrtool.snapshot import Snapshot

__all__ = ["SweepData", "dataset_parts", "private_loader"]

_INNER = ("dataset", "datasets", "sampler", "batch_sampler", "collate_fn")
_MANY_WRAPS = 50
_MOVING = ("generator", "sampler", "batch_sampler")
_ENDED: Any = object()


class SweepData:
    """An endless stream of training batches that leaves the Trainer's loaders alone.

    Args:
        trainer: a Trainer that is fitting, its loaders set up.

    Attributes:
        drawn: how many batches were drawn.
        index: the last one's place in its pass over the data, as `batch_idx` counts; -1 before it.
        wraps: how often the stream began anew because the data ran out.
        not_restored: what of the data could not be given back, in words.
    """

    def __init__(self, trainer: Trainer) -> None:
        combined: Any = trainer.fit_loop._combined_loader
        self._originals = list(combined.flattened)
        self._states = [_state(loader) for loader in self._originals]
        self._plain = Snapshot(
            data=[*dataset_parts(self._originals), getattr(trainer, "datamodule", None)],
            skip=[trainer, trainer.lightning_module],
        )
        self._copies = [private_loader(loader) for loader in self._originals]
        self._combined = copy(combined)
        self._combined.flattened = self._copies
        self._combined._iterator = None
        self._alone = self._combined.iterables is self._copies[0]
        self._epoch = trainer.current_epoch
        self._set_epoch = submodule(trainer, "loops.fit_loop")._set_sampler_epoch
        self._limit, self._short_tail = _full_batches(self._copies, trainer.num_training_batches)
        self._batches: Iterator[Any] | None = None
        self.index = -1
        self.drawn = 0
        self.wraps = 0

    def __next__(self) -> Any:
        """The next batch, still on the host; starts over when the data runs out.

        Raises:
            StopIteration: when there is no data left to start over with.
        """
        if self._batches is None or self.index + 1 >= self._limit:
            self._open()
        assert self._batches is not None
        drawn = next(self._batches, _ENDED)
        if drawn is _ENDED:
            self._open()
            drawn = next(self._batches)
        self.index += 1
        self.drawn += 1
        return drawn if self._alone else drawn[0]

    def __iter__(self) -> Iterator[Any]:
        """What a `training_step(self, dataloader_iter)` expects: (batch, batch_idx, loader_idx)."""
        while True:
            try:
                batch = next(self)
            except StopIteration:
                return
            yield batch, self.index, 0

    def close(self) -> None:
        """Stop the copies' workers and put back what the datasets themselves remember."""
        self._batches = None
        self._combined.reset()
        self._plain.restore()
        for loader, state in zip(self._originals, self._states, strict=True):
            if state is not None:
                loader.load_state_dict(state)

    @property
    def not_restored(self) -> tuple[str, ...]:
        """One sentence for every stream that cannot be rewound, and one for data written to."""
        streams = tuple(
            f"the training stream {type(thing).__name__} cannot be rewound: {self.drawn} batches "
            "were drawn from it, and training goes on after them"
            for loader in self._originals
            if (thing := _one_shot(loader)) is not None
        )
        inner = self._plain.advanced
        if inner and not streams and any(_is_read_here(loader) for loader in self._originals):
            streams = (
                f"the training data holds iterators ({', '.join(inner)}) that cannot be rewound: "
                f"{self.drawn} batches were drawn, and training goes on after what they took",
            )
        changed = self._plain.num_changed_bulky
        if not changed:
            return streams
        return *streams, (
            f"reading the training data changed {changed} of its tensors or collections that are "
            "too large to copy; they stay as the sweep left them"
        )

    @property
    def remarks(self) -> tuple[str, ...]:
        """What about the data may bend the curve, in words."""
        if self.wraps <= _MANY_WRAPS:
            return ()
        return (
            f"the sweep went over the training data {self.wraps + 1} times, {self._limit:.0f} "
            "batches each: a period in the curve would be theirs, not the rate's; take fewer "
            "num_steps or smaller batches",
        )

    @property
    def left_out(self) -> tuple[str, ...]:
        """What the sweep did not use lest it bend the curve, in words."""
        if not (self.wraps and self._short_tail):
            return ()
        return (
            f"the last batch of the training data holds only {self._short_tail} rows; the "
            "sweep left it out",
        )

    def _open(self) -> None:
        if self._batches is not None:
            self.wraps += 1
        for loader in self._copies:
            self._set_epoch(loader, self._epoch + self.wraps)
        self.index = -1
        # One loader by itself needs nobody to combine it, which would cost each step time.
        self._batches = iter(self._copies[0] if self._alone else self._combined)


def private_loader(loader: Any) -> Any:
    """A copy of `loader` that shares its dataset and nothing that moves while iterating."""
    if not isinstance(loader, DataLoader):
        return loader
    twin = copy(loader)
    attributes = vars(twin)
    made: dict[int, Any] = {id(loader.dataset): loader.dataset}
    attributes.update(
        {name: _moving(attributes[name], made) for name in _MOVING if name in attributes}
    )
    attributes.update(_iterator=None, persistent_workers=False)
    if "next_iter_state" in attributes:  # a loader that resumes would resume here too
        attributes["next_iter_state"] = None
    return twin


def _moving(part: Any, made: dict[int, Any]) -> Any:
    """A copy of a sampler or generator that draws as the original would.

    Args:
        part: torch's samplers are copied without their data, which they only read; others wholly.
            One that cannot be copied is shared: what it counts and draws is put back at the end.
        made: the copies so far, by the original's id.
    """
    if id(part) in made:
        return made[id(part)]
    if isinstance(part, torch.Generator):
        twin: Any = torch.Generator(part.device)
        twin.set_state(part.get_state())
    elif isinstance(part, Sampler) and type(part).__module__.startswith("torch."):
        twin = copy(part)
        for name in _MOVING:
            if name in vars(part):
                setattr(twin, name, _moving(vars(part)[name], made))
    else:
        try:
            return deepcopy(part, made)
        except (TypeError, AttributeError, RuntimeError, NotImplementedError):
            return part
    made[id(part)] = twin
    return twin


def _state(loader: Any) -> Any:
    """The state of a loader that has one and that is walked itself, not as a copy."""
    if isinstance(loader, DataLoader) or not hasattr(loader, "load_state_dict"):
        return None
    return deepcopy(loader.state_dict())


def dataset_parts(data: Any) -> list[object]:
    """Loaders, their samplers, the datasets inside datasets: all that may count or draw when read.

    Args:
        data: a loader, or any nesting of lists, tuples and dicts of loaders.
    """
    parts: list[object] = []
    waiting = [data]
    while waiting:
        thing = waiting.pop()
        if isinstance(thing, dict | list | tuple):
            waiting.extend(thing.values() if isinstance(thing, dict) else thing)
        elif thing is not None and not any(thing is part for part in parts):
            parts.append(thing)
            waiting.extend(getattr(thing, name, None) for name in _INNER)
    return parts


def _one_shot(loader: Any) -> object | None:
    """What in `loader` is its own iterator, hence gone once read; None when it can be re-read."""
    source = loader.dataset if isinstance(loader, DataLoader) else loader
    if isinstance(loader, DataLoader) and (
        loader.num_workers > 0 or not isinstance(source, IterableDataset)
    ):
        return None  # workers read a copy of the dataset; a map-style one is read by index
    if hasattr(loader, "load_state_dict") or hasattr(source, "load_state_dict"):
        return None
    return source if hasattr(source, "__next__") else None


def _is_read_here(loader: Any) -> bool:
    """Whether this process reads the data: workers read copies of it."""
    return int(getattr(loader, "num_workers", 0)) == 0


def _full_batches(loaders: list[Any], num_batches: float) -> tuple[float, int]:
    """How many batches of a pass are full, and the rows of a last one under half its size.

    A short last batch would bend the curve.
    """
    if len(loaders) != 1 or not isinstance(loaders[0], DataLoader):
        return num_batches, 0
    loader = loaders[0]
    if loader.batch_size is None or loader.drop_last or isinstance(loader.dataset, IterableDataset):
        return num_batches, 0
    sampler: Any = loader.sampler
    full, rest = divmod(len(sampler), loader.batch_size)
    if not 0 < full < num_batches:
        return num_batches, 0
    return full, rest if 2 * rest < loader.batch_size else 0
