"""measure: one range test in a Trainer made for it."""

from collections.abc import Mapping
from typing import Any

from lrtool._quiet import quiet
from lrtool.callbacks._borrow_data import dataset_parts
from lrtool.callbacks._fit import QUIET, fit, listed_callbacks
from lrtool.callbacks._lightning import LightningModule, namespace_of
from lrtool.callbacks._new_model import check_model
from lrtool.callbacks._range_test_context import stays_in_workers
from lrtool.callbacks.range_test import LRRangeTest
from lrtool.errors import ArgumentError, UnsupportedError
from lrtool.random_state import RandomState
from lrtool.result import RangeTestResult
from lrtool.snapshot import Snapshot

__all__ = ["measure"]


def measure(
    model: LightningModule,
    data: Any,
    *,
    trainer_kwargs: Mapping[str, Any] | None = None,
    label: str = "LRRangeTest",
    **options: Any,
) -> RangeTestResult:
    """What `lrtool.range_test` does for one value of every setting; its arguments are the same.

    Args:
        model: as for `lrtool.range_test`.
        data: as for `lrtool.range_test`.
        trainer_kwargs: as for `lrtool.range_test`.
        label: what warnings call the range test.
        **options: as for `lrtool.range_test`.
    """
    check_model(model)
    if "then" in options or "apply" in options:
        raise ArgumentError(
            "lrtool.range_test only measures, got apply= or then=; "
            "put LRRangeTest among the callbacks of your own Trainer to train on"
        )
    finder = LRRangeTest(apply=False, then="stop", **options)
    finder.label = label
    given = trainer_kwargs or {}
    callbacks = [finder, *listed_callbacks(given)]
    kwargs = {**QUIET, "max_epochs": 1, **given, "callbacks": callbacks}
    # Opening the loaders draws from their generators, and from the global ones.
    loaders, random_state = Snapshot(data=dataset_parts(data)), RandomState()
    try:
        with quiet():
            trainer = namespace_of(model).Trainer(**kwargs)
            if stays_in_workers(trainer):
                raise UnsupportedError(
                    "a range test whose result is to be read here must run in this process, got a "
                    "strategy that starts others; use devices=1, or strategy='ddp' in a script"
                )
            fit(trainer, model, data)
    finally:
        loaders.restore()
        random_state.restore()
    if finder.result is None:
        raise ArgumentError("the training data must hold at least one batch, got none")
    return finder.result
