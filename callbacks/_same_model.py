"""SameModel: whether a fit goes on with the model of the fit before it, on the same Trainer."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lrtool.callbacks._lightning import LightningModule, Trainer

__all__ = ["SameModel"]


class SameModel:
    """Remembers which model was fitted last; no reference is kept."""

    def __init__(self) -> None:
        self._id: int | None = None

    def goes_on(self, trainer: "Trainer", module: "LightningModule") -> bool:
        """Whether this fit continues the last one. Ask once a fit, in `setup`.

        Lightning counts the steps of one Trainer through, whatever model it is given, and makes
        the optimizers anew. It still holds the last model now, so that no other has its id.
        """
        before, self._id = self._id, id(module)
        return trainer.global_step > 0 and before == self._id
