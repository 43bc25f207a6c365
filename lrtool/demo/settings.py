"""How much of everything the demo does."""

from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from typing import Any

__all__ = ["Settings"]


@dataclass(frozen=True)
class Settings:
    """What one run of the demo does.

    Args:
        out: the one folder that everything is written to.
        seed: of split, weights, order of batches and search.
        epochs: of each of the two trainings.
        trials: of each of the two searches.
        trial_epochs: of each trial.
    """

    out: Path
    seed: int
    epochs: int
    trials: int
    trial_epochs: int

    @classmethod
    def of(cls, out: Path, *, seed: int, fast: bool) -> "Settings":
        """The whole demo, or a short one."""
        return cls(out, seed, 5, 4, 2) if fast else cls(out, seed, 15, 12, 8)

    @property
    def journal(self) -> Path:
        """The file that both studies live in."""
        return self.out / "demo.journal"

    @property
    def checkpoints(self) -> Path:
        """The folder of the best trial's weights."""
        return self.out / "demo-trials"

    def clear(self) -> None:
        """Make the folder; drop what an earlier demo searched, so that this one measures anew."""
        self.out.mkdir(parents=True, exist_ok=True)
        rmtree(self.checkpoints, ignore_errors=True)
        for path in self.out.glob(f"{self.journal.name}*"):
            if path.is_dir():
                rmtree(path)
            else:
                path.unlink()

    def trainer_kwargs(self) -> dict[str, Any]:
        """Options of every Trainer here: on the CPU, silent, writing nothing outside `out`."""
        return {
            "accelerator": "cpu",
            "devices": 1,
            "default_root_dir": self.out,
            "enable_model_summary": False,
            "enable_progress_bar": False,
            "logger": False,
            "num_sanity_val_steps": 0,
        }
