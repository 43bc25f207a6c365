"""Other tools' picks on the suite, kept so that scoring ours does not need to run them again.

python benchmarks/pick_others.py --half report   # benchmarks/data/pick_others_report.json
"""

import argparse
import json
import math
import warnings
from pathlib import Path

import torch
from finders import fastai_sweep, lightning_finder, torch_lr_finder
from tasks import HALVES, tasks

SEEDS = range(3)
BUDGETS = (100, 300, 200, 50)
Picks = dict[str, dict[str, dict[str, list[float]]]]  # budget -> method -> task -> rates


def path(half: str) -> Path:
    return Path(__file__).parent / "data" / f"pick_others_{half}.json"


def load(half: str, budget: int) -> dict[str, dict[str, list[float]]]:
    """Method -> task -> a rate per seed; NaN for no pick; empty when they were not run."""
    if not path(half).exists():
        return {}
    kept = json.loads(path(half).read_text(encoding="utf-8"))["picks"].get(str(budget), {})
    return {
        method: {
            task: [math.nan if lr is None else lr for lr in rates] for task, rates in table.items()
        }
        for method, table in kept.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--half", default="dev", choices=HALVES)
    parser.add_argument("--fast", action="store_true", help="one task, one budget, nothing written")
    args = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    picks: Picks = {}
    for budget in BUDGETS[:1] if args.fast else BUDGETS:
        table = picks.setdefault(str(budget), {})
        for task in tasks(args.half)[: 1 if args.fast else None]:
            for seed in SEEDS:
                for finder in (lightning_finder, torch_lr_finder, fastai_sweep):
                    for method, lr in finder(task, seed, budget).items():
                        kept = float(f"{lr:.5g}") if math.isfinite(lr) else None
                        table.setdefault(method, {}).setdefault(task.name, []).append(kept)
            print(budget, task.name, flush=True)
        if not args.fast:
            command = f"python benchmarks/pick_others.py --half {args.half}"
            text = json.dumps({"command": command, "picks": picks}, separators=(",", ":"))
            path(args.half).write_text(text.replace("]},", "]},\n") + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
