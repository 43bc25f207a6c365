"""EarlyStopping over two processes: one decision, the same step, the same weights."""

from typing import Any

import pytest

from support.ddp import run_ranks


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each rank saw in each case; a rank that waits for ever fails the test."""
    return run_ranks("ddp_early_stopping.py", tmp_path_factory.mktemp("ddp"), timeout=240)


@pytest.mark.parametrize(
    ("case", "epochs", "reason"),
    [
        ("steps", 2.5, "patience_exhausted"),  # the fifth pair of steps
        ("cycles", 6, "patience_exhausted"),  # the third cycle, of which none beats the second
        ("synced", 5, "patience_exhausted"),
        ("shifted", 5, "patience_exhausted"),
        ("shuffled", 5, "patience_exhausted"),
        ("rank_zero_only", 5, "patience_exhausted"),
        ("nan_on_one", 1, "non_finite_metric"),
        ("checkpoint", 5, "patience_exhausted"),
        ("resumed", 5, "patience_exhausted"),
    ],
)
def test_E9_every_rank_stops_at_the_same_step(
    ranks: list[dict[str, Any]], case: str, epochs: float, reason: str
) -> None:
    one, two = (rank[case] for rank in ranks)
    assert one["steps"] == two["steps"] == 4 * epochs
    assert one["reason"] == two["reason"] == reason


def test_E9_unsynced_values_become_their_mean(ranks: list[dict[str, Any]]) -> None:
    for rank in ranks:
        assert rank["shifted"]["best"] == 0.75  # 0.5 on one, 1.0 on the other
        for case in ("shuffled", "steps", "cycles"):
            assert rank[case]["best"] == pytest.approx(0.45)  # 0.1 and 0.8, not 0.05 and 0.9


@pytest.mark.parametrize("case", ["synced", "shifted", "shuffled", "rank_zero_only", "cycles"])
def test_E1_every_rank_restores_the_same_check(ranks: list[dict[str, Any]], case: str) -> None:
    one, two = (rank[case] for rank in ranks)
    assert one["restored"]
    assert two["restored"]
    assert one["weights"] == two["weights"]


@pytest.mark.parametrize("case", ["checkpoint", "resumed"])
def test_E1_a_checkpoint_gives_every_rank_the_same(ranks: list[dict[str, Any]], case: str) -> None:
    """That of keep_best="checkpoint"; and that of a run resumed after its best check."""
    one, two = (rank[case] for rank in ranks)
    assert one["best"] == two["best"] == ranks[0]["synced"]["best"]
    assert one["weights"] == two["weights"] == ranks[0]["synced"]["weights"]
    assert one["mean"] == two["mean"] == ranks[0]["synced"]["mean"]


def test_E1_step_checks_restore_the_same_weights_on_every_rank(ranks: list[dict[str, Any]]) -> None:
    one, two = (rank["steps"] for rank in ranks)
    assert one["best_epoch"] == two["best_epoch"] == 1.5
    assert one["weights"] == two["weights"] != ranks[0]["synced"]["weights"]


def test_every_rank_keeps_the_same_snapshots(ranks: list[dict[str, Any]]) -> None:
    one, two = (rank["cycles"]["snapshots"] for rank in ranks)
    assert one == two
    assert [(cycle, step) for cycle, _, step in one] == [(1, 8), (2, 12), (3, 20)]
    assert [value for _, value, _ in one] == pytest.approx([0.7, 0.45, 0.8])
