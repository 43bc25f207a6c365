"""What is read out of `configure_optimizers`, in each of the forms that Lightning takes."""

from typing import Any

import pytest
from torch.optim import SGD
from torch.optim.lr_scheduler import StepLR

from lrtool.callbacks import OneCycleScheduler
from lrtool.callbacks._configured import optimizers_in, schedulers_in
from lrtool.callbacks._knobs import knobs_of
from lrtool.errors import UnsupportedError
from support.tiny import TinyModel, tiny_loader, tiny_trainer

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


class Asks(TinyModel):
    """Scales its rate by the number of processes."""

    def configure_optimizers(self) -> Any:
        return SGD(self.parameters(), lr=0.1 * self.trainer.world_size)


class Broken(TinyModel):
    def configure_optimizers(self) -> Any:
        raise RuntimeError("of its own")


def test_a_module_that_reads_its_trainer_before_it_has_one_is_told_so() -> None:
    with pytest.raises(UnsupportedError, match=r"got Asks's, which reads self\.trainer"):
        knobs_of(Asks)
    scheduler = OneCycleScheduler(max_lr=0.1)
    with pytest.raises(UnsupportedError, match=r"got Asks's, which reads self\.trainer"):
        scheduler.preview(tiny_trainer(), Asks(), tiny_loader())
    with pytest.raises(RuntimeError, match="of its own"):
        knobs_of(Broken)
