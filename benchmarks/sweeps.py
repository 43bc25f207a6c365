"""Range tests of one task for several seeds at once, each with its own controller."""

from collections.abc import Sequence

import numpy as np
import torch
from batched import Lanes
from tasks import Task

from lrtool.curve import LossCurve
from lrtool.sweep import Rung, Sweep, SweepConfig

__all__ = ["range_tests"]


def range_tests(
    task: Task, seeds: Sequence[int], config: SweepConfig, sweep_class: type[Sweep] = Sweep
) -> list[LossCurve]:
    """One curve per seed; the seed sets the weights and the order of the batches.

    The lanes share one optimizer, so a lane that must restart waits until all others must too.
    """
    seeds = list(seeds)
    lanes = Lanes(task, seeds, 1)
    sweeps = [sweep_class(config) for _ in seeds]
    streams = [task.indices(seed) for seed in seeds]
    index = [next(stream) for stream in streams]
    rungs: list[Rung | None] = [sweep.next() for sweep in sweeps]
    fresh = [True] * len(seeds)  # whether the lane's next batch is drawn already
    restarted = True
    while any(rung is not None for rung in rungs):
        ready = [r is not None and (not r.restart or restarted) for r in rungs]
        if not any(ready):
            lanes.reset()
            restarted = True
            continue
        if restarted:  # after a reset only lanes at the start of a pass may go
            ready = [r is not None and (r.restart or r.index == 0) for r in rungs]
            assert any(ready)
        restarted = False
        for lane, stream in enumerate(streams):
            if ready[lane] and not fresh[lane]:
                index[lane] = next(stream)
        lr = [[r.lr if go and r is not None else 0.0] for r, go in zip(rungs, ready, strict=True)]
        losses = lanes.step(np.stack(index), torch.tensor(lr))
        for lane, sweep in enumerate(sweeps):
            if ready[lane]:
                fresh[lane] = False
                sweep.update(float(losses[lane, 0]))
                rungs[lane] = sweep.next()
    return [sweep.curve() for sweep in sweeps]
