"""Two processes under DDP: one curve, one pick, one stop, and no trace."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

import lrtool
from lrtool.callbacks._borrow_step import SweepStep
from lrtool.callbacks._range_test_context import tell
from lrtool.errors import UnsupportedError
from support.ddp import run_ranks
from support.tiny import TinyModel, Untouched, tiny_loader, tiny_trainer


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    return run_ranks("ddp_range_test.py", tmp_path_factory.mktemp("ddp"), "pytorch_lightning")


def test_C1_both_ranks_have_the_same_curve_and_pick(ranks: list[dict[str, Any]]) -> None:
    one, two = ranks
    assert one["sweep"]["curve"] == two["sweep"]["curve"]
    assert one["sweep"]["suggestion"] == two["sweep"]["suggestion"]
    assert one["sweep"]["context"]["world_size"] == 2
    assert one["applied"] == two["applied"]


def test_C2_no_trace_and_no_file_of_another_rank(ranks: list[dict[str, Any]]) -> None:
    for rank in ranks:
        assert rank["with"] == rank["without"]


def test_C3_the_loss_is_the_mean_over_ranks(ranks: list[dict[str, Any]]) -> None:
    one, two = ranks
    taken = len(one["sweep"]["curve"]["loss"])
    local = np.array([one["sweep"]["local"][:taken], two["sweep"]["local"][:taken]])
    assert not np.array_equal(local[0], local[1])  # each rank has its own batches
    np.testing.assert_allclose(one["sweep"]["curve"]["loss"], local.mean(0), rtol=1e-6)


def test_C3_a_nan_on_one_rank_stops_both_at_the_same_step(ranks: list[dict[str, Any]]) -> None:
    for rank in ranks:
        curve = rank["nan"]["curve"]
        assert len(curve["loss"]) == 8
        assert curve["loss"][-1] == "nan"
        assert curve["stop_reason"] == "nonfinite"
    assert np.isfinite(ranks[0]["nan"]["local"][7])  # its own loss was fine
    assert np.isnan(ranks[1]["nan"]["local"][7])


def test_C3_a_stop_asked_for_on_one_rank_stops_both(ranks: list[dict[str, Any]]) -> None:
    for rank in ranks:
        assert rank["stopped"]["curve"]["stop_reason"] == "interrupted"
        assert len(rank["stopped"]["curve"]["loss"]) == 5


def test_C4_the_reduction_is_of_a_tensor_on_the_strategys_device() -> None:
    """Some models return their loss on another device than the one that processes talk through."""
    reduced: list[torch.Tensor] = []

    def reduce(tensor: torch.Tensor, reduce_op: str) -> torch.Tensor:
        reduced.append(tensor)
        return torch.tensor([0.5, 0.0])

    step = object.__new__(SweepStep)
    step.called_back, step._world_size = False, 2
    step._trainer = SimpleNamespace(  # type: ignore[assignment]
        should_stop=False, received_sigterm=False,
        strategy=SimpleNamespace(root_device=torch.device("meta"), reduce=reduce),
    )  # fmt: skip
    assert step._mean_over_ranks(torch.tensor(1.0)) == 0.5
    assert [tensor.device.type for tensor in reduced] == ["meta"]


def test_C5_accumulation_over_ranks(ranks: list[dict[str, Any]]) -> None:
    one, two = ranks
    local = np.array([one["accumulated"]["local"][:30], two["accumulated"]["local"][:30]])
    expected = local.reshape(2, 10, 3).mean((0, 2))
    np.testing.assert_allclose(one["accumulated"]["curve"]["loss"], expected, rtol=1e-6)
    assert one["accumulated"]["context"]["accumulate_grad_batches"] == 3


@pytest.mark.slow
def test_C1_under_the_other_namespace(tmp_path: Path) -> None:
    one, two = run_ranks("ddp_range_test.py", tmp_path, "lightning.pytorch")
    assert one["sweep"]["curve"] == two["sweep"]["curve"]
    assert one["with"] == one["without"]


@pytest.mark.parametrize("strategy", ["ddp_spawn", "ddp_fork", "ddp_notebook"])
def test_C6_where_workers_keep_the_result_it_is_said_and_range_test_refuses(
    strategy: str, caplog: pytest.LogCaptureFixture
) -> None:
    two = {"accelerator": "cpu", "devices": 2, "strategy": strategy}
    with pytest.raises(UnsupportedError, match=r"must run in this process.*use devices=1"):
        lrtool.range_test(Untouched(), tiny_loader(), trainer_kwargs=two)
    result = lrtool.range_test(TinyModel(), tiny_loader(), num_steps=10, max_steps=10)
    said = "keep its result, and where fit was called it is None"
    tell(tiny_trainer(), result, wanted=False)
    assert said not in caplog.text
    tell(tiny_trainer(**two), result, wanted=False)
    assert said in caplog.text
