"""Which layers train, flag by flag."""

import torch
from torch import nn

from lrtool.callbacks._freezer import Freezer


def test_what_is_held_has_no_gradient_left_to_step_on() -> None:
    body, norm, head = nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Linear(2, 1)
    body.bias.requires_grad_(False)
    model = nn.Sequential(body, norm, head)
    freezer = Freezer(model, [[*body.parameters()], [*norm.parameters()], [*head.parameters()]])
    model(torch.randn(4, 2)).sum().backward()
    freezer.train_last(1)
    assert [p.grad is None for p in model.parameters()] == [True, True, True, True, False, False]
    assert [p.requires_grad for p in model.parameters()] == [False] * 4 + [True] * 2
    assert not norm.training
    assert freezer.count() == (3, 4 + 2 + 4)
    freezer.train_last(2)
    assert norm.training
    freezer.train_last(None)
    assert [p.requires_grad for p in model.parameters()] == [True, False, True, True, True, True]
    freezer.train_last(1)
    freezer.give_back()
    assert [p.requires_grad for p in model.parameters()] == [True, False, True, True, True, True]
    assert norm.training
