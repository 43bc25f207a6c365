from typing import Any

import pytest
import torch

from lrtool import optimizers
from lrtool.callbacks._configured import optimizers_in
from lrtool.callbacks._knobs import knobs_of
from support.tiny import TinyModel


@pytest.mark.parametrize(
    ("name", "options", "accumulates"),
    [("sgd", {"momentum": 0.8}, True), ("adamw", {}, False), ("lion", {}, False)],
)
def test_knobs_are_the_optimizers_with_what_is_usual_for_it(
    name: str, options: dict[str, Any], accumulates: bool
) -> None:
    if name == "lion":
        pytest.importorskip("pytorch_optimizer", reason="pytorch_optimizer is not installed")

    class Model(TinyModel):
        def configure_optimizers(self) -> torch.optim.Optimizer:
            return optimizers.create(name, self, lr=0.02, weight_decay=0.3, **options)

    knobs, can = knobs_of(Model), optimizers.capabilities(name)
    assert (knobs.lr, knobs.weight_decay, knobs.accumulates) == (0.02, 0.3, accumulates)
    assert knobs.momentum == options.get("momentum", 0.9)
    assert knobs.weight_decay_prior == can.weight_decay_prior
    if can.momentum_prior is not None:
        assert knobs.momentum_prior == can.momentum_prior


def test_optimizers_are_found_in_every_form_that_lightning_takes() -> None:
    one, two = (torch.optim.SGD([torch.zeros(1)], lr=0.1) for _ in range(2))
    schedule = torch.optim.lr_scheduler.StepLR(one, 1)
    config = {"scheduler": schedule, "interval": "step"}
    forms: list[tuple[Any, list[Any]]] = [
        (None, []),
        (one, [one]),
        ([one, two], [one, two]),
        ((one, two), [one, two]),
        ([one], [one]),
        (([one, two], [schedule]), [one, two]),
        (([one], [config]), [one]),
        ({"optimizer": one, "lr_scheduler": config}, [one]),
        (({"optimizer": one}, {"optimizer": two, "lr_scheduler": schedule}), [one, two]),
    ]
    for configured, expected in forms:
        found = optimizers_in(configured)
        assert [id(each) for each in found] == [id(each) for each in expected]
