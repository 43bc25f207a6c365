"""Does a rate measured for each parameter group beat ratios that are kept? Five small trainings.

    python benchmarks/groups.py              # ~10 min on a core
    python benchmarks/groups.py --seeds 2

branches: digits, the upper half of the pixels in units a hundred times the lower half's, with a
branch of the net, and a parameter group, for each, and a group for the head. digits, text: the
development half of transfer.py, with groups for the pretrained body and for the head, which is new
(text once more with the pretrained head). Every method trains for as many steps on the same batches
under one cycle; what a range test takes comes on top and is counted. The figure is the loss on
unseen rows.
"""

import argparse
import json
import logging
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from task_kit import digits_of
from torch import Tensor, nn
from transfer import Classifier as Base
from transfer import Data, Transfer, halves, loader, pretrained, trainer

from lrtool.callbacks import LRRangeTest, OneCycleScheduler

DEFAULT = {"sgdm": 0.01, "adamw": 1e-3}


class Grouped(Base):
    """A group for each part of the backbone in `parts`, at `share` of the head's rate."""

    def __init__(self, backbone: nn.Module, head: nn.Module, optimizer: str, share: float) -> None:
        super().__init__(backbone, head)
        self.optimizer, self.share = optimizer, share

    def configure_optimizers(self) -> torch.optim.Optimizer:
        lr = DEFAULT[self.optimizer]
        parts = getattr(self.backbone, "parts", {"body": self.backbone})
        groups: list[dict[str, Any]] = [
            {"params": part.parameters(), "lr": lr * self.share, "name": name}
            for name, part in parts.items()
        ]
        groups.append({"params": self.head.parameters(), "name": "head"})
        if self.optimizer == "sgdm":
            return torch.optim.SGD(groups, lr, momentum=0.9)
        return torch.optim.AdamW(groups, lr)


class Branches(nn.Module):
    """One hidden layer for the upper half of the pixels, one for the lower."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.ModuleDict(
            {name: nn.Sequential(nn.Linear(32, 32), nn.ReLU()) for name in ("upper", "lower")}
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.parts["upper"](x[:, :32]), self.parts["lower"](x[:, 32:])], 1)


def branches() -> Transfer:
    x, y, x_val, y_val = digits_of(tuple(range(10)))
    x, y = torch.cat([x, x_val]).flatten(1), torch.cat([y, y_val])
    x = (x - x.mean()) / x.std()
    x[:, :32] *= 100

    def split(seed: int) -> tuple[Data, Data]:
        order = torch.randperm(len(y), generator=torch.Generator().manual_seed(seed))
        rows, unseen = order[:1000], order[1000:]
        return (x[rows], y[rows]), (x[unseen], y[unseen])

    return Transfer(
        "branches", (x, y), split, lambda: (Branches(), nn.Linear(64, 10)), True, "loss", 6, 32
    )


@dataclass(frozen=True)
class Setting:
    """One training: where from, with which optimizer, and whether the head is new."""

    name: str
    transfer: Transfer
    optimizer: str
    new_head: bool = True


def settings() -> list[Setting]:
    scratch = branches()
    pretrainings = {one.name: one for one in halves("dev")}
    digits, text = pretrainings["digits"], pretrainings["text"]
    return [
        *[Setting(f"branches, {name}", scratch, name) for name in DEFAULT],
        *[Setting(f"{one.name}, new head, {name}", one, name)
          for one in (digits, text) for name in DEFAULT],
        Setting("text with its head, adamw", text, "adamw", new_head=False),
    ]  # fmt: skip


class Together(LRRangeTest):
    """A second range test in one Trainer, which takes callbacks of one class only once."""


METHODS: dict[str, tuple[float, Callable[[], list[Any]]]] = {
    "default rate": (1.0, list),
    "kept, 1:1": (1.0, lambda: [LRRangeTest()]),
    "kept, 1:10": (0.1, lambda: [LRRangeTest()]),
    "per group": (1.0, lambda: [LRRangeTest(per_group=True)]),
    "per group, then together": (1.0, lambda: [LRRangeTest(per_group=True), Together()]),
}
"""The body's share of the head's rate, and what measures."""


def run(setting: Setting, method: str, seed: int) -> dict[str, Any]:
    share, make = METHODS[method]
    transfer = setting.transfer
    torch.manual_seed(1000 + seed)
    backbone, head = transfer.net()
    if transfer.name != "branches":
        source = pretrained(transfer, seed)
        backbone.load_state_dict(source.backbone.state_dict())
        if not setting.new_head:
            head.load_state_dict(source.head.state_dict())
    model = Grouped(backbone, head, setting.optimizer, share)
    few, unseen = transfer.target(seed)
    finders = make()
    fitter = trainer(transfer.epochs, [*finders, OneCycleScheduler()], transfer.batches)
    fitter.fit(model, loader(few, transfer.batch_size, seed))
    found = finders[0].result if finders else None
    return {
        "loss": loss_of(model, unseen),
        "steps": sum(one.result.num_steps for one in finders),
        "rates": {} if found is None else found.group_lr,
    }


@torch.no_grad()
def loss_of(model: Base, unseen: Data) -> float:
    model.eval()
    outputs = model(unseen[0])
    return float(nn.functional.cross_entropy(outputs.flatten(0, -2), unseen[1].flatten()))


def show(kept: dict[str, dict[str, Any]], names: list[str], seeds: int) -> None:
    """One row a training, with how many seeds beat the kept ratios; then the whole."""
    print("| training | " + " | ".join(METHODS) + " |\n" + "|---" * (len(METHODS) + 1) + "|")

    def losses(name: str, method: str) -> Any:
        return np.array([kept[f"{name}|{method}|{seed}"]["loss"] for seed in range(seeds)])

    logs: dict[str, list[float]] = {method: [] for method in METHODS}
    for name in names:
        base, cells = losses(name, "kept, 1:1"), []
        for method in METHODS:
            own = losses(name, method)
            logs[method].extend(np.log(own / base))
            won = "" if method == "kept, 1:1" else f" ({(own < base).sum()}/{seeds})"
            cells.append(f"{own.mean():.3f}{won}")
        print(f"| {name} | " + " | ".join(cells) + " |")
    over = [f"{np.exp(np.mean(one)):.2f}" for one in logs.values()]
    print("| loss over that of kept, 1:1 | " + " | ".join(over) + " |")
    spent = [
        np.mean([one["steps"] for key, one in kept.items() if key.split("|")[1] == method])
        for method in METHODS
    ]
    print("| range-test steps | " + " | ".join(f"{one:.0f}" for one in spent) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, help="keep every figure here, and go on from there")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    kept: dict[str, dict[str, Any]] = {}
    if options.out is not None and options.out.exists():
        kept = json.loads(options.out.read_text(encoding="utf-8"))
    trainings = settings()
    for seed in range(options.seeds):
        for setting in trainings:
            for method in METHODS:
                key = f"{setting.name}|{method}|{seed}"
                if key not in kept:
                    kept[key] = run(setting, method, seed)
                    if options.out is not None:
                        options.out.write_text(json.dumps(kept, indent=1), encoding="utf-8")
    show(kept, [one.name for one in trainings], options.seeds)


if __name__ == "__main__":
    main()
