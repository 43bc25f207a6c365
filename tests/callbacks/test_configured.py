"""What is read out of `configure_optimizers`, in each of the forms that Lightning takes."""

from typing import Any

import pytest
from torch.optim import SGD
from torch.optim.lr_scheduler import StepLR

from lrtool.callbacks._configured import optimizers_in, schedulers_in
from support.tiny import TinyModel

ONE = SGD(TinyModel().parameters(), lr=0.1)
TWO = SGD(TinyModel().parameters(), lr=0.1)
STEP, OTHER = StepLR(ONE, 2), StepLR(TWO, 3)
ALONE = {"optimizer": ONE, "lr_scheduler": STEP}
NESTED = {"optimizer": TWO, "lr_scheduler": {"scheduler": OTHER, "interval": "step"}}


@pytest.mark.parametrize(
    ("configured", "optimizers", "schedulers"),
    [
        (None, [], []),
        (ONE, [ONE], []),
        ([ONE, TWO], [ONE, TWO], []),
        ((ONE,), [ONE], []),
        ({"optimizer": ONE}, [ONE], []),
        ({"optimizer": ONE, "lr_scheduler": None}, [ONE], []),
        (ALONE, [ONE], [STEP]),
        ((ALONE, NESTED), [ONE, TWO], [STEP, OTHER]),
        (([ONE], [STEP]), [ONE], [STEP]),
        (([ONE, TWO], [{"scheduler": STEP}, OTHER]), [ONE, TWO], [STEP, OTHER]),
        (([ONE], []), [ONE], []),
    ],
)
def test_every_form_is_read(configured: Any, optimizers: Any, schedulers: Any) -> None:
    assert optimizers_in(configured) == optimizers
    assert schedulers_in(configured) == schedulers
