"""The stages of a transfer-learning recipe as data: what trains, for how long, at which rate."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from lrtool._check import integer, one_of, positive, require
from lrtool.result import RangeTestResult
from lrtool.schedules import ScheduleLike, recipe
from lrtool.stage_record import StageRecord

__all__ = [
    "Rates",
    "Stage",
    "StageRecord",
    "layer_shares",
    "range_test_steps",
    "stage_rates",
    "standard_stages",
    "start_epochs",
]

Rates: TypeAlias = tuple[float, float, float]
"""Rate to train at, base of a cycle, peak of a cycle; the head's."""


@dataclass(frozen=True)
class Stage:
    """One stage of a recipe.

    Args:
        name: for the log.
        epochs: how many; None is whatever the run has left, for the last stage only.
        groups: how many layer groups train, counted from the head; None is all of them.
        measure: whether a range test comes first, with just these layers training.
        schedule: what the rate does in the stage: a name, a recipe, a `Schedule` or a number; its
            peak or start is what was measured, its length the stage's.
        lr: a fixed rate in place of a measured one; the peak of a cyclical schedule.

    >>> Stage("head", epochs=2, groups=1)
    Stage(name='head', epochs=2, groups=1, measure=True, schedule='one_cycle', lr=None)
    """

    name: str
    epochs: int | None = None
    groups: int | None = None
    measure: bool = True
    schedule: ScheduleLike = "one_cycle"
    lr: float | None = None

    def __post_init__(self) -> None:
        if self.epochs is not None:
            integer(1, "leave the stage out instead", epochs=self.epochs)
        if self.groups is not None:
            integer(1, "the head alone is 1", groups=self.groups)
        if self.lr is not None:
            positive(lr=self.lr)

    @property
    def measures(self) -> bool:
        """Whether a range test comes first."""
        return self.measure and self.lr is None


def standard_stages(
    *,
    num_groups: int,
    head_epochs: int = 1,
    unfreeze: Literal["at_once", "gradual"] = "at_once",
    thaw_epochs: int = 1,
    cycle_len: int | None = None,
    cycle_mult: float = 2.0,
    measure: bool = True,
) -> tuple[Stage, ...]:
    """The usual recipe: the head alone, then everything in cycles that end with the run.

    The head's rate only falls: with the body frozen there is nothing to warm up for. What thaws
    gets a cycle.

    Args:
        num_groups: layer groups, the head included.
        head_epochs: epochs of the head alone; 0 leaves the stage out.
        unfreeze: "at_once", or "gradual": one more layer group each `thaw_epochs`.
        thaw_epochs: epochs of each step of a gradual thaw.
        cycle_len: epochs of the first cycle once everything trains; None makes one cycle of it.
        cycle_mult: each cycle's length over the one before.
        measure: whether each stage begins with a range test.

    References:
        Howard and Ruder, "Universal language model fine-tuning for text classification", ACL 2018,
        section 3.3 (gradual unfreezing). Loshchilov and Hutter, "SGDR", ICLR 2017 (cycles).

    >>> [(stage.name, stage.epochs, stage.groups) for stage in standard_stages(num_groups=3)]
    [('head', 1, 1), ('all', None, None)]
    >>> [s.name for s in standard_stages(num_groups=4, unfreeze="gradual")]
    ['head', 'thaw 2', 'thaw 3', 'all']
    """
    integer(1, num_groups=num_groups)
    integer(0, head_epochs=head_epochs)
    one_of("unfreeze", unfreeze, ("at_once", "gradual"))
    stages: list[Stage] = []
    if head_epochs and num_groups > 1:
        stages += [Stage("head", head_epochs, 1, measure, "cosine")]
    if unfreeze == "gradual":
        integer(1, thaw_epochs=thaw_epochs)
        stages += [
            Stage(f"thaw {count}", thaw_epochs, count, measure) for count in range(2, num_groups)
        ]
    cycles: ScheduleLike = "one_cycle"
    if cycle_len is not None:
        integer(1, cycle_len=cycle_len)
        positive(cycle_mult=cycle_mult)
        cycles = recipe("sgdr", T_0=f"{cycle_len}ep", T_mult=cycle_mult)
    return (*stages, Stage("all", None, None, measure, cycles))


def start_epochs(stages: Sequence[Stage], max_epochs: int) -> list[int]:
    """The epoch each stage begins with; only the last may be open-ended.

    Raises:
        ArgumentError: when the stages do not fit into the run, or leave some of it over.

    >>> start_epochs(standard_stages(num_groups=2, head_epochs=2), max_epochs=10)
    [0, 2]
    """
    require(bool(stages), "at least one stage", stages=len(stages))
    starts, epoch = [], 0
    for index, stage in enumerate(stages):
        starts.append(epoch)
        require(
            stage.epochs is not None or index == len(stages) - 1,
            "a number of epochs for every stage but the last", stage=stage.name,
        )  # fmt: skip
        epoch += stage.epochs or 0
    if stages[-1].epochs is None:
        require(
            epoch < max_epochs, "epochs of the first stages < max_epochs",
            "shorten them, or train for longer", epochs=epoch, max_epochs=max_epochs,
        )  # fmt: skip
    else:
        require(
            epoch == max_epochs, "epochs of all stages == max_epochs",
            "leave the last stage's epochs open (None)", epochs=epoch, max_epochs=max_epochs,
        )  # fmt: skip
    return starts


def layer_shares(num_groups: int, layer_decay: float | None) -> list[float]:
    """Each layer group's share of the head's rate, input side first.

        share_l = layer_decay^(L - 1 - l),   l = 0 .. L - 1,   L = num_groups

    Args:
        num_groups: how many.
        layer_decay: in (0, 1]; None makes the first layers' rate a third of the head's.

    >>> layer_shares(3, 0.5)
    [0.25, 0.5, 1.0]
    >>> layer_shares(2, None)
    [0.3333333333333333, 1.0]
    """
    if layer_decay is None:
        layer_decay = (1 / 3) ** (1 / max(1, num_groups - 1))
    require(
        0 < layer_decay <= 1, "0 < layer_decay <= 1",
        "for ULMFiT's factor 2.6 give 1 / 2.6", layer_decay=layer_decay,
    )  # fmt: skip
    return [layer_decay ** (num_groups - 1 - index) for index in range(num_groups)]


def range_test_steps(steps: int) -> tuple[int, int]:
    """`num_steps` and `max_steps` of the range test before a stage of so many optimizer steps.

    As long as the stage, within 50 to 100 steps for the first pass and 100 to 300 in all. Where
    there is little data, more steps would measure how fast it is learned by heart.

    >>> range_test_steps(20), range_test_steps(1000)
    ((50, 100), (100, 300))
    """
    return min(max(steps, 50), 100), min(max(steps, 100), 300)


def stage_rates(
    stage: Stage, result: RangeTestResult | None, before: StageRecord | None, own_lr: float
) -> tuple[Rates, str]:
    """The rates a stage uses, and where they come from: given, measured, or those before it.

    Args:
        stage: which.
        result: its range test; None without one.
        before: the stage before it; None for the first.
        own_lr: the optimizer's rate, for a first stage without a measurement.
    """
    if stage.lr is not None:
        return (stage.lr, stage.lr / 4, stage.lr), "the rate was given"
    if result is not None and result.suggestion.has_pick:
        rates = (result.lr, result.min_lr, result.max_lr)
        return rates, f"measured: {result.suggestion.status.value}"
    lr, origin = (before.lr, "the stage before") if before else (own_lr, "the optimizer")
    why = "not measured" if result is None else f"no pick ({result.suggestion.reason})"
    return (lr, lr / 4, lr), f"{why}: the rate of {origin}"
