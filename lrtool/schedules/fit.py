"""Says when a schedule does not fit the run it is given."""

from lrtool.schedules.base import Schedule
from lrtool.schedules.warmup import Warmup

__all__ = ["misfits"]

_SAMPLES = 200


def misfits(
    schedule: Schedule, total_steps: int, steps_per_epoch: float | None = None
) -> list[str]:
    """What is wrong between a schedule and a run of `total_steps`, in words; empty when nothing is.

    Args:
        schedule: of the learning rate.
        total_steps: optimizer steps of the run.
        steps_per_epoch: optimizer steps of one epoch; a cycle that begins in the last one is odd.

    >>> from lrtool.schedules import one_cycle, sgdr
    >>> misfits(one_cycle(max_lr=0.1, total_steps=100), total_steps=100)
    []
    >>> for text in misfits(sgdr(max_lr=0.1, T_0=30), total_steps=100):
    ...     print(text)
    cycle 4 begins at step 90, 10 steps before the end, and would take 30: it ends at lr 0.0794
    """
    if isinstance(schedule, Warmup) and schedule.warmup_steps >= total_steps:
        return [
            f"the warm-up takes {schedule.warmup_steps} steps, but the run has {total_steps}: "
            "it ends before the warm-up does"
        ]
    return [
        *_cut_short(schedule, total_steps),
        *_idle_end(schedule, total_steps),
        *_late_cycle(schedule, total_steps, steps_per_epoch),
    ]


def _cut_short(schedule: Schedule, total: int) -> list[str]:
    length = schedule.length
    last = schedule(total - 1)
    if length is None or length <= total or last == schedule(length):
        return []
    return [
        f"the schedule is {length} steps long, but the run has {total}: "
        f"it is cut at lr {last:.3g} instead of {schedule(length):.3g}"
    ]


def _idle_end(schedule: Schedule, total: int) -> list[str]:
    """A rate of next to nothing for a tenth of the run or more."""
    length = schedule.length
    if length is None or length >= 0.9 * total:
        return []
    top = max(schedule(length * i / _SAMPLES) for i in range(_SAMPLES + 1))
    end = schedule(length)
    if end > 0.01 * top:
        return []
    return [
        f"the schedule is over after {length} steps, but the run has {total}: "
        f"the last {total - length} run at lr {end:.3g}"
    ]


def _late_cycle(schedule: Schedule, total: int, steps_per_epoch: float | None) -> list[str]:
    """A last cycle of which little is played; a few steps off its end are no matter."""
    cycle = schedule.cycle(total - 1)
    if cycle is None or schedule.length is not None:
        return []
    if cycle.index == 0 and cycle.peak >= total:
        return [f"the rate still rises as the run ends at step {total}: its peak is {cycle.peak}"]
    played, whole = total - cycle.start, cycle.end - cycle.start
    if cycle.end - total <= max(3, 0.02 * total):
        return []
    in_last_epoch = steps_per_epoch is not None and played <= steps_per_epoch < total
    if played >= whole / 2 and not in_last_epoch:
        return []
    return [
        f"cycle {cycle.index + 1} begins at step {cycle.start}, {played} steps before the end, and "
        f"would take {whole}: it ends at lr {schedule(total - 1):.3g}"
    ]
