"""Schedulers over two processes: the same rates on both, and after a resume."""

from typing import Any

import pytest

from lrtool.schedules import one_cycle
from support.ddp import run_ranks
from support.ddp_schedule import SAVED_AT

STEPS = 4 * 4  # 60 rows over 2 ranks in batches of 4 are 8 batches an epoch, two a step


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each rank used; one that waits for ever fails the test."""
    return run_ranks("ddp_schedule.py", tmp_path_factory.mktemp("ddp"))


def test_D2_the_steps_of_a_run_over_two_processes(ranks: list[dict[str, Any]]) -> None:
    schedule = one_cycle(max_lr=0.1, total_steps=STEPS)
    for rank in ranks:
        assert rank["one_cycle"]["steps"] == STEPS
        assert rank["one_cycle"]["lr"] == [[schedule(step)] for step in range(STEPS)]


def test_D6_both_ranks_resume_where_they_were(ranks: list[dict[str, Any]]) -> None:
    for rank in ranks:
        for knob in ("lr", "momentum"):
            assert rank["resumed"][knob] == rank["one_cycle"][knob][SAVED_AT:]


@pytest.mark.parametrize("case", ["one_cycle", "measured", "plateau", "shy plateau"])
def test_both_ranks_use_the_same_rates(ranks: list[dict[str, Any]], case: str) -> None:
    one, two = (rank[case] for rank in ranks)
    assert one == two
    assert len({lr for (lr,) in one["lr"]}) > 1


def test_a_metric_that_differs_drops_the_rate_on_both_ranks(ranks: list[dict[str, Any]]) -> None:
    """The means are 1, 0.8, 0.9: the third check is the first bad one; on rank 0 the second is."""
    for case, drops in (
        ("plateau", [0.1, 0.1, 0.1, 0.01]),
        ("shy plateau", [0.1, 0.1, 0.01, 0.01]),
    ):
        rates = [lr for (lr,) in ranks[0][case]["lr"]][::8]
        assert rates == pytest.approx(drops)
