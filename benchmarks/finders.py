"""What other tools pick: their own code where installed, their published rules where not.

Each finder is (task, seed, num_steps) -> {rule: learning rate}, at its own default range; NaN where
it finds nothing.
"""

import contextlib
import io
import logging
import math
import tempfile
import warnings

import numpy as np
import torch
from tasks import Task
from torch.utils.data import DataLoader, TensorDataset

__all__ = ["DEFAULT_LR", "fastai_rules", "fastai_sweep", "lightning_finder", "torch_lr_finder"]

# The rate a practitioner starts from: torch's own defaults for the adaptive ones (RMSprop: 0.001),
# the textbooks' 0.1 and 0.01 for plain and momentum SGD.
DEFAULT_LR = {
    "sgd": 0.1,
    "momentum": 0.01,
    "nesterov": 0.01,
    "adam": 1e-3,
    "adamw": 1e-3,
    "rmsprop": 1e-3,
    "nadam": 2e-3,
    "adagrad": 1e-2,
}


def lightning_finder(task: Task, seed: int, num_steps: int) -> dict[str, float]:
    """Lightning's Tuner.lr_find: 1e-8 to 1, its own suggestion."""
    import pytorch_lightning as pl
    from pytorch_lightning.tuner import Tuner

    for name in ("pytorch_lightning", "lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    module, train, _ = task.lightning(seed)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(), quiet():
        warnings.simplefilter("ignore")
        trainer = pl.Trainer(
            accelerator="cpu", logger=False, enable_checkpointing=False, max_epochs=-1,
            enable_progress_bar=False, enable_model_summary=False, default_root_dir=folder,
            limit_val_batches=0,
        )  # fmt: skip
        found = Tuner(trainer).lr_find(
            module, train_dataloaders=train, num_training=num_steps, update_attr=False
        )
        pick = found.suggestion() if found is not None else None
    return {"Lightning": math.nan if pick is None else float(pick)}


def torch_lr_finder(task: Task, seed: int, num_steps: int) -> dict[str, float]:
    """torch_lr_finder's LRFinder.range_test: 1e-7 to 10, its plot's suggestion."""
    from torch_lr_finder import LRFinder

    x, y, _, _ = task.data()
    loader = DataLoader(
        TensorDataset(x, y), batch_size=task.batch_size, shuffle=True, drop_last=True,
        generator=torch.Generator().manual_seed(seed),
    )  # fmt: skip
    model = task.make_model(seed)
    finder = LRFinder(model, task.make_optimizer(model.parameters(), 1e-7), task.loss)
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    with quiet(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        finder.range_test(loader, end_lr=10, num_iter=num_steps)
        _, ax = plt.subplots()
        try:
            _, pick = finder.plot(ax=ax)
        except (RuntimeError, ValueError):
            pick = math.nan
        plt.close("all")
    return {"torch-lr-finder": float(pick)}


def fastai_sweep(task: Task, seed: int, num_steps: int) -> dict[str, float]:
    """fastai's sweep (1e-7 to 10, debiased average of 0.98, stop at 4 times the best) and rules."""
    model = task.make_model(seed)
    optimizer = task.make_optimizer(model.parameters(), 1e-7)
    rates, averages, average, best = [], [], 0.0, math.inf
    for step, (x, y) in zip(range(num_steps), task.batches(seed), strict=False):
        rate = 1e-7 * (10 / 1e-7) ** (step / num_steps)
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.zero_grad()
        loss = task.loss(model(x), y)
        loss.backward()
        optimizer.step()
        average = 0.98 * average + 0.02 * float(loss.detach())
        smoothed = average / (1 - 0.98 ** (step + 1))
        if not math.isfinite(smoothed):
            break
        rates.append(rate)
        averages.append(smoothed)
        best = min(best, smoothed)
        if smoothed > 4 * best:
            break
    keep = slice(num_steps // 10, -5)
    return fastai_rules(np.array(rates[keep]), np.array(averages[keep]))


def fastai_rules(lr: np.ndarray, loss: np.ndarray) -> dict[str, float]:
    """The four published rules, re-derived from their definitions, on smoothed losses."""
    names = ("fastai valley", "fastai slide", "fastai minimum/10", "fastai steep")
    if len(lr) < 3:
        return dict.fromkeys(names, math.nan)
    n = len(loss)
    # valley: the longest strictly falling subsequence, taken to be contiguous; half-way into it
    length = [1] * n
    for i in range(1, n):
        for j in range(i):
            if loss[i] < loss[j] and length[i] < length[j] + 1:
                length[i] = length[j] + 1
    end = int(np.argmax(length))
    start = end - length[end] if length[end] > 1 else 0
    sections = (end - start) / 3
    valley = start + int(sections) + int(sections / 2)
    # slide: from the right, a window 15 wide moves left while the slopes at its ends differ
    slopes = np.gradient(loss)
    right = -1
    left = right - 15
    at = left
    while left >= -n and abs(slopes[right] - slopes[left]) > 0.005:
        at = left
        right -= 1
        left -= 1
    log_slopes = (loss[1:] - loss[:-1]) / np.diff(np.log(lr))
    picks = (
        lr[min(valley, n - 1)],
        lr[at] if -n <= at else math.nan,
        lr[np.argmin(loss)] / 10,
        lr[np.argmin(log_slopes)],
    )
    return dict(zip(names, map(float, picks), strict=True))


@contextlib.contextmanager
def quiet():  # type: ignore[no-untyped-def]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield
