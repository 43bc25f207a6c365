"""A trial whose worker died goes on from its own checkpoint, wherever the study lives."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import lrtool
from lrtool.search import TuneResult
from lrtool.search.trials import RETRY_OF
from support.measurements import measurement
from support.mysql import mysql
from support.postgres import postgres
from support.tiny import TinyModel, tiny_loader


class Gone(BaseException):
    """As a kill would: nobody tells the study."""


class Dying(TinyModel):
    """Dies at the start of an epoch, once; keeps which epochs it began."""

    def __init__(self, begun: list[int], dies_at: int | None) -> None:
        super().__init__()
        self.begun, self.dies_at = begun, dies_at

    def on_train_epoch_start(self) -> None:
        self.begun.append(self.current_epoch)
        if self.current_epoch == self.dies_at:
            raise Gone


@contextmanager
def place(kind: str) -> Iterator[str]:
    if kind == "postgresql":
        with postgres() as url:
            yield url
    elif kind == "mysql":
        with mysql() as url:
            yield url
    else:
        yield {"journal": "study.journal", "sqlite": "sqlite:///study.db"}[kind]


@pytest.mark.parametrize("kind", ["journal", "sqlite", "postgresql", "mysql"])
def test_F7_a_dead_workers_trial_goes_on_from_its_checkpoint(kind: str) -> None:
    begun: list[int] = []

    def tune(storage: str, dies_at: int | None) -> TuneResult:
        return lrtool.tune(
            partial(Dying, begun, dies_at), lambda: (tiny_loader(), tiny_loader(16)),
            storage=storage, study_name="s", n_trials=1, max_epochs=3, seed=1,
            range_test=measurement(0.01), out_dir="out", progress_bar=False,
            trainer_kwargs={"accelerator": "cpu"},
        )  # fmt: skip

    with place(kind) as storage:
        with pytest.raises(Gone):
            tune(storage, dies_at=2)
        assert begun == [0, 1, 2]
        result = tune(storage, dies_at=None)
        assert begun == [0, 1, 2, 2]  # not from the start
        first, repeat = result.study.trials
        assert (first.state.name, repeat.state.name) == ("FAIL", "COMPLETE")
        assert repeat.user_attrs[RETRY_OF] == 0
        assert repeat.params == first.params
        assert len(list(Path("out/s").iterdir())) == 1
        assert len(repeat.intermediate_values) == 3
        backend: Any = getattr(result.study._storage, "_backend", None)
        if hasattr(backend, "engine"):  # before the server goes
            backend.remove_session()
            backend.engine.dispose()
