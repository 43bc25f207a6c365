"""With one Lightning alone, either one: the other is made impossible to import."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent

SCRIPT = '''
import sys, warnings

class Hiding:
    """A finder that finds all but the absent one, as on a machine without it."""

    def __init__(self, finder):
        self._finder = finder

    def __getattr__(self, name):
        return getattr(self._finder, name)

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "ABSENT":
            return None
        return self._finder.find_spec(name, path, target)

sys.meta_path[:] = map(Hiding, sys.meta_path)
warnings.simplefilter("ignore")

import torch
import PRESENT as pl
import lrtool
from lrtool.callbacks import EarlyStopping, LRRangeTest, OneCycleScheduler

class Model(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.net = torch.nn.Linear(4, 1)

    def training_step(self, batch, batch_idx):
        return ((self.net(batch[0]) - batch[1]) ** 2).mean()

    def validation_step(self, batch, batch_idx):
        self.log("val_loss", ((self.net(batch[0]) - batch[1]) ** 2).mean())

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=1e-4, momentum=0.9)

torch.manual_seed(0)
x = torch.randn(128, 4)
data = torch.utils.data.TensorDataset(x, x.sum(1, keepdim=True))
loader = torch.utils.data.DataLoader(data, 16)

finder = LRRangeTest(num_steps=40)
schedule = OneCycleScheduler()
stopping = EarlyStopping("val_loss", patience=2, restore_best=True)
trainer = pl.Trainer(
    max_epochs=4, accelerator="cpu", logger=False, enable_checkpointing=False,
    enable_progress_bar=False, enable_model_summary=False,
    callbacks=[finder, schedule, stopping],
)
trainer.fit(Model(), loader, loader)
assert finder.result.suggestion.has_pick, finder.result
assert schedule.schedule.max_lr == finder.result.max_lr
assert torch.isfinite(trainer.callback_metrics["val_loss"])

result = lrtool.range_test(Model(), loader, num_steps=40)
assert result.suggestion.has_pick, result
tuned = lrtool.tune(Model, (loader, loader), n_trials=2, max_epochs=1, seed=0, out_dir="out")
assert len(tuned.trials) == 2
assert "max_lr" in tuned.best_params
assert not [name for name in sys.modules if name.split(".")[0] == "ABSENT"]
print("done")
'''


@pytest.mark.parametrize(
    ("present", "absent"),
    [("lightning.pytorch", "pytorch_lightning"), ("pytorch_lightning", "lightning")],
)
def test_works_with_one_lightning_alone(present: str, absent: str, tmp_path: Path) -> None:
    pytest.importorskip(present, reason=f"{present} is not installed")
    script = tmp_path / "run.py"
    script.write_text(SCRIPT.replace("PRESENT", present).replace("ABSENT", absent))
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(TESTS.parent), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "done"
