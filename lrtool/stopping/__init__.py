"""Early stopping as pure state machines; the Lightning callback only feeds them."""

from lrtool.stopping.prechelt import Criterion, GeneralizationLoss, ProgressQuotient, UpStrips
from lrtool.stopping.rule import StoppingRule, StoppingState
from lrtool.stopping.vocabulary import CONTINUE, Decision, Moment, Phase, StoppingReason

__all__ = [
    "CONTINUE",
    "Criterion",
    "Decision",
    "GeneralizationLoss",
    "Moment",
    "Phase",
    "ProgressQuotient",
    "StoppingReason",
    "StoppingRule",
    "StoppingState",
    "UpStrips",
]
