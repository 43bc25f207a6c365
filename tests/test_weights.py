"""Copies of weights: exact, complete, and averaged as the papers have it."""

from typing import Any, NamedTuple

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, update_bn

from lrtool.errors import ArgumentError, UnsupportedError
from lrtool.weights import (
    Ensemble,
    average_weights,
    copy_weights,
    map_tensors,
    recompute_batch_norm,
    with_weights,
    write_weights,
)


def net() -> Any:
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2))
    model.register_buffer("hidden", torch.ones(2), persistent=False)
    return model


def batches(count: int = 5, rows: int = 6) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(rows, 3, generator=generator) for _ in range(count)]


def test_copy_and_write_are_exact_and_keep_the_tensors() -> None:
    model = net()
    addresses = [tensor.data_ptr() for tensor in model.parameters()]
    kept = copy_weights(model)
    model(batches()[0]).sum().backward()
    torch.optim.SGD(model.parameters(), lr=1.0).step()
    model.get_buffer("hidden").zero_()
    assert not torch.equal(model[0].weight, kept["0.weight"])
    write_weights(model, kept)
    now = copy_weights(model)
    assert now.keys() == kept.keys()
    assert all(torch.equal(now[name], kept[name]) for name in kept)
    assert "hidden" in kept
    assert [tensor.data_ptr() for tensor in model.parameters()] == addresses


def test_a_buffer_that_torch_cannot_write_to_is_no_hindrance() -> None:
    model = nn.Linear(2, 1)
    model.register_buffer("mask", torch.ones(1, 3).expand(2, 3))
    kept = copy_weights(model)
    nn.init.zeros_(model.weight)
    write_weights(model, kept)
    assert torch.equal(model.weight, kept["weight"])
    assert torch.equal(with_weights(model, kept).get_buffer("mask"), torch.ones(2, 3))


def test_writing_to_another_shape_is_refused_before_anything_is_written() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    before = copy_weights(model)
    other = copy_weights(nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 3)))
    with pytest.raises(UnsupportedError, match=r"changes in 1\.weight, 1\.bias"):
        write_weights(model, other)
    assert all(torch.equal(copy_weights(model)[name], before[name]) for name in before)


class Row(NamedTuple):
    x: Any
    rest: Any


def test_tensors_are_changed_wherever_they_are_and_the_rest_stays() -> None:
    one = torch.ones(1)
    found = map_tensors({"a": [one, (one, 3)], "row": Row(one, {"b": None})}, lambda t: t + 1)
    assert found == {"a": [2.0, (2.0, 3)], "row": Row(2.0, {"b": None})}
    assert type(found["row"]) is Row
    assert one == 1


def test_average_equals_torchs_averaged_model() -> None:
    model, several = net(), []
    averaged = AveragedModel(model)
    for seed in range(4):
        torch.manual_seed(seed)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.normal_()
        several.append(copy_weights(model))
        averaged.update_parameters(model)
    mean = average_weights(model, several)
    for name, parameter in averaged.module.named_parameters():
        torch.testing.assert_close(mean[name], parameter.detach(), rtol=1e-6, atol=1e-6)
    assert torch.equal(mean["1.running_mean"], several[-1]["1.running_mean"])


def test_the_mean_is_taken_in_double_precision() -> None:
    """In single precision 1e8 + 1 - 1e8 is nothing."""
    several = [{"weight": torch.tensor([[value]])} for value in (1e8, 1.0, -1e8)]
    mean = average_weights(nn.Linear(1, 1, bias=False), several)["weight"]
    assert mean.dtype == torch.float32
    assert mean.item() == pytest.approx(1 / 3)


@pytest.mark.parametrize("nothing", [None, [], iter([])], ids=["none", "list", "iterator"])
def test_without_a_batch_no_statistics_are_forgotten(nothing: Any) -> None:
    model = net()
    model(batches()[0])
    before = copy_weights(model)
    with pytest.raises(ArgumentError, match="give the training loader"):
        recompute_batch_norm(model, nothing)
    after = copy_weights(model)
    assert all(torch.equal(after[name], before[name]) for name in before)


def test_batch_norm_statistics_equal_torchs_update_bn() -> None:
    one, two = net(), net()
    write_weights(two, copy_weights(one))
    one[1].momentum = two[1].momentum = 0.3
    recompute_batch_norm(one, iter(batches()))
    update_bn(batches(), two)
    now, reference = copy_weights(one), copy_weights(two)
    assert all(torch.equal(now[name], reference[name]) for name in now)
    assert one[1].momentum == 0.3
    assert one.training


def test_batch_norm_statistics_are_those_without_dropout() -> None:
    model: Any = nn.Sequential(nn.Dropout(0.5), nn.BatchNorm1d(3))
    recompute_batch_norm(model, batches(1, rows=50))
    torch.testing.assert_close(model[1].running_mean, batches(1, rows=50)[0].mean(0))
    assert model[0].training


def test_forward_of_ones_own_and_batches_in_tuples() -> None:
    one, two = net(), net()
    write_weights(two, copy_weights(one))
    recompute_batch_norm(one, [(x, None) for x in batches()])
    recompute_batch_norm(two, [{"x": x} for x in batches()], lambda m, batch: m(batch["x"]))
    assert torch.equal(one[1].running_var, two[1].running_var)


def test_ensemble_averages_after_the_link_and_moves_as_one() -> None:
    members = [net().eval() for _ in range(3)]
    x = batches(1)[0]
    ensemble = Ensemble(members, link=lambda z: z.softmax(-1)).eval()
    expected = torch.stack([member(x).softmax(-1) for member in members]).mean(0)
    assert torch.equal(ensemble(x), expected)
    assert len(list(ensemble.parameters())) == 3 * len(list(members[0].parameters()))


def test_with_weights_leaves_the_original_alone() -> None:
    model = net()
    zeros: dict[str, Any] = {k: torch.zeros_like(v) for k, v in copy_weights(model).items()}
    twin: Any = with_weights(model, zeros)
    assert all(not tensor.any() for tensor in copy_weights(twin).values())
    assert model[0].weight.any()


def test_nothing_to_average_is_refused() -> None:
    with pytest.raises(ArgumentError, match="at least one set of weights must hold, got sets=0;"):
        average_weights(net(), [])
    with pytest.raises(ArgumentError, match="at least one member must hold, got members=0;"):
        Ensemble([])
