"""A trial's folder: its checkpoints, found again by the trial that repeats it."""

import re
from collections.abc import Mapping
from math import inf
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any
from urllib.parse import quote
from zipfile import is_zipfile

from optuna.study import Study, StudyDirection
from optuna.trial import Trial, TrialState

from lrtool.search.result import CHECKPOINT

__all__ = ["BEST", "best_kept", "checkpoints", "drop_losers", "folder_for", "newest"]

BEST = "best.ckpt"
_FOLDER = "lrtool:folder"


def folder_for(trial: Trial, out_dir: Path) -> Path:
    """The trial's folder below `out_dir`: a new one, or that of the trial it repeats."""
    known = trial.user_attrs.get(_FOLDER)
    if known is not None:
        return Path(known)
    parent = out_dir / _as_one_name(trial.study.study_name)
    parent.mkdir(parents=True, exist_ok=True)
    folder = Path(mkdtemp(prefix=f"trial-{trial.number:04d}-", dir=parent))
    trial.set_user_attr(_FOLDER, str(folder))
    return folder


def _as_one_name(name: str) -> str:
    """`name` as the name of one folder that lies where it is put, each name another's."""
    in_url = re.sub(r"[^\w .-]", lambda found: quote(found[0], safe=""), name)
    return re.sub(r"^\.|\.$", "%2E", in_url)


def checkpoints(lightning: Any, folder: Path | None, monitor: str, mode: str) -> list[Any]:
    """The callback that keeps the best check's weights and the last state; none without folder."""
    if folder is None:
        return []
    return [
        lightning.callbacks.ModelCheckpoint(
            dirpath=folder,
            filename=BEST.removesuffix(".ckpt"),
            monitor=monitor,
            mode=mode,
            save_top_k=1,
            save_last=True,
            enable_version_counter=False,
        )
    ]


def newest(folder: Path | None) -> Path | None:
    """The checkpoint to go on from; None when there is none that is whole."""
    if folder is None:
        return None
    path = folder / "last.ckpt"
    # Where /tmp is another drive, saving ends in a copy, which a kill may cut off. Some strategies
    # write a folder.
    return path if path.is_dir() or is_zipfile(path) else None


def best_kept(trial: Trial, folder: Path) -> bool:
    """Name the best check's weights in the trial; whether there are any."""
    best = next(iter(sorted(folder.glob("best*.ckpt"))), None)
    if best is not None:
        trial.set_user_attr(CHECKPOINT, str(best))
    return best is not None


def drop_losers(study: Study, ended: Mapping[str, float] | None = None) -> None:
    """Delete the folders of all ended trials but the best, once there is a best.

    A pruned trial's value is of a shorter training, and makes it no best; a failed one has none. A
    folder stays while a trial is at work in it, or waits to.

    Args:
        study: whose trials they are.
        ended: folder -> value, of a trial that has just come to its end.
    """
    sign = 1 if study.direction == StudyDirection.MINIMIZE else -1
    losses: dict[str, float] = {}
    needed = set()
    for trial in study.get_trials(deepcopy=False):
        folder = trial.user_attrs.get(_FOLDER)
        if folder is None:
            continue
        if not trial.state.is_finished():
            needed.add(folder)
        value = trial.value if trial.state == TrialState.COMPLETE else None
        loss = inf if value is None else sign * value
        losses[folder] = min(loss, losses.get(folder, inf))  # a repeat has its first one's
    for folder, reached in (ended or {}).items():
        needed.discard(folder)
        losses[folder] = sign * reached
    best = min(losses.values(), default=inf)
    for folder in [name for name, loss in losses.items() if loss > best]:
        if folder not in needed:
            rmtree(folder, ignore_errors=True)
