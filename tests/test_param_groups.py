"""Reading, writing and splitting parameter groups."""

from typing import Any

import pytest
import torch
from torch import nn

from lrtool import param_groups


def test_ratios_are_to_the_largest_and_without_any_rate_all_alike() -> None:
    rates = [0.1, 0.4, 0.2]
    groups = [{"params": [nn.Parameter(torch.zeros(1))], "lr": rate} for rate in rates]
    optimizer = torch.optim.SGD(groups)
    assert param_groups.ratios(optimizer, "lr") == [0.25, 1.0, 0.5]
    param_groups.set_value(optimizer, "lr", 8.0)
    assert param_groups.get_all(optimizer, "lr") == [2.0, 8.0, 4.0]
    assert param_groups.get(optimizer, "lr") == 8.0
    param_groups.set_all(optimizer, "lr", [0.0, None, 0.0])
    assert param_groups.get_all(optimizer, "lr") == [0.0, 8.0, 0.0]
    param_groups.set_value(optimizer, "lr", 0.0)
    assert param_groups.ratios(optimizer, "lr") == [1.0, 1.0, 1.0]


def test_parts_of_a_group_stand_in_the_order_of_their_labels_and_keep_its_options() -> None:
    one, two, three = (nn.Parameter(torch.zeros(1)) for _ in range(3))
    label = {id(one): 2, id(two): 0, id(three): 0}
    rate = torch.tensor(0.5)
    first: dict[str, Any] = {"params": [one, two], "name": "body", "lr": rate, "weight_decay": 0.1}
    optimizer = torch.optim.Adam([first, {"params": [three]}], lr=0.2)
    assert param_groups.split(optimizer, lambda p: label[id(p)]) == [0, 2, 0]
    groups = optimizer.param_groups
    assert [group["name"] for group in groups] == ["body/layers0", "body/layers2", "group1/layers0"]
    assert [[id(p) for p in group["params"]] for group in groups] == [
        [id(two)],
        [id(one)],
        [id(three)],
    ]
    assert [group["weight_decay"] for group in groups] == [0.1, 0.1, 0.0]
    param_groups.set_all(optimizer, "lr", [0.1, None, None])  # a tensor rate is each part's own
    assert param_groups.get_all(optimizer, "lr") == pytest.approx([0.1, 0.5, 0.2])
