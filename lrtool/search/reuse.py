"""A range test made before, for another study of the same storage."""

import logging
from contextlib import closing

import optuna

from lrtool.result import RangeTestResult
from lrtool.search.storage import StorageLike, open_storage
from lrtool.search.study import RANGE_TEST

__all__ = ["FINGERPRINT", "measured_before"]

_log = logging.getLogger(__name__)

FINGERPRINT = "fingerprint"


def measured_before(storage: StorageLike, fingerprint: str) -> RangeTestResult | None:
    """The range test of a study whose model, data and optimizer had the same fingerprint.

    Args:
        storage: where to look; other studies are read and left alone.
        fingerprint: of what is about to be measured.
    """
    with closing(open_storage(storage, "")) as home:
        for study in optuna.get_all_study_summaries(home.storage, include_best_trial=False):
            stored = study.user_attrs.get(RANGE_TEST)
            if stored is not None and stored["context"].get(FINGERPRINT) == fingerprint:
                _log.info("the range test is that of study %r", study.study_name)
                return RangeTestResult.from_dict(stored)
    return None
