"""Early stopping as pure state machines; the Lightning callback only feeds them."""

from lrtool.stopping.panel import Panel, States
from lrtool.stopping.prechelt import Criterion, GeneralizationLoss, ProgressQuotient, UpStrips
from lrtool.stopping.rule import StoppingRule
from lrtool.stopping.state import StoppingState
from lrtool.stopping.vocabulary import CONTINUE, Decision, Moment, Phase, StoppingReason

__all__ = [
    "CONTINUE",
    "Criterion",
    "Decision",
    "GeneralizationLoss",
    "Moment",
    "Panel",
    "Phase",
    "ProgressQuotient",
    "States",
    "StoppingReason",
    "StoppingRule",
    "StoppingState",
    "UpStrips",
]
