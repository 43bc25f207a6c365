"""A trial's folder: its checkpoints, found again by the trial that repeats it."""

import re
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any
from urllib.parse import quote
from zipfile import is_zipfile

from optuna.trial import Trial

from lrtool.search.result import CHECKPOINT

__all__ = ["best_kept", "checkpoints", "drop_losers", "folder_for", "newest"]

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
            filename="best",
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


def drop_losers(trial: Trial, folder: Path, value: float, mode: str) -> None:
    """Delete the folders of all finished trials but the best, this one of `value` included."""
    sign = 1 if mode == "min" else -1
    values = {
        other.user_attrs[_FOLDER]: sign * other.value
        for other in trial.study.get_trials(deepcopy=False)
        if _FOLDER in other.user_attrs and other.state.is_finished() and other.value is not None
    }
    values[str(folder)] = sign * value
    best = min(values.values())
    for loser in [name for name, other in values.items() if other > best]:
        rmtree(loser, ignore_errors=True)
