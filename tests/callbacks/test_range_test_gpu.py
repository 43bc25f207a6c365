"""What only a CUDA device can show: its generator, its scaler, its memory."""

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from lrtool.callbacks import LRRangeTest
from support.tiny import TinyModel, tiny_loader, tiny_trainer
from support.trace import differences, make_model

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here"),
]


def fit(finder: LRRangeTest | None, precision: Any) -> tuple[Any, Any]:
    torch.manual_seed(0)
    model = make_model(import_module("pytorch_lightning"))
    torch.manual_seed(1)
    trainer = tiny_trainer(
        callbacks=[finder] if finder else [], accelerator="gpu", precision=precision
    )
    trainer.fit(model, tiny_loader(shuffle=True))
    scaler = getattr(trainer.precision_plugin, "scaler", None)
    left = {
        "weights": dict(model.state_dict()),
        "optimizer": trainer.optimizers[0].state_dict(),
        "scaler": scaler.state_dict() if scaler else {},
        "random": torch.cuda.get_rng_state(),
    }
    return left, trainer


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "16-mixed"])
@pytest.mark.parametrize("snapshot", ["cpu", "device"])
def test_C7_no_trace_on_a_gpu(precision: str, snapshot: Any) -> None:
    finder = LRRangeTest(num_steps=20, apply=False, snapshot=snapshot)
    plain, _ = fit(None, precision)
    swept, _ = fit(finder, precision)
    assert finder.result is not None
    assert differences(plain, swept) == []


@pytest.mark.parametrize(("snapshot", "copies"), [("cpu", 0.0), ("device", 1.0)])
def test_B17_gpu_memory_is_given_back(snapshot: Any, copies: float, tmp_path: Path) -> None:
    class Wide(TinyModel):
        def __init__(self) -> None:
            super().__init__()
            self.net = nn.Sequential(nn.Linear(4, 4_000_000), nn.Linear(4_000_000, 1))

    model = Wide()
    size = sum(p.nbytes for p in model.parameters())
    marks: dict[str, int] = {}

    class Marking(LRRangeTest):
        def on_train_start(self, trainer: Any, pl_module: Any) -> None:
            torch.cuda.synchronize()
            marks["before"] = torch.cuda.memory_allocated()
            super().on_train_start(trainer, pl_module)
            torch.cuda.synchronize()
            marks["after"] = torch.cuda.memory_allocated()

    finder = Marking(num_steps=5, max_steps=5, apply=False, then="stop", snapshot=snapshot)
    tiny_trainer(callbacks=[finder], accelerator="gpu", max_epochs=1).fit(model, tiny_loader())
    assert marks["after"] <= marks["before"] + 2**20
    assert size > 2**26
    assert copies in (0.0, 1.0)
