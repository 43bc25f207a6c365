"""Lightning callbacks: thin adapters over lrtool's pure core. Import as `lrtool.callbacks`."""

from lrtool.callbacks.cyclical import CyclicalScheduler
from lrtool.callbacks.early_stopping import EarlyStopping
from lrtool.callbacks.fine_tune import FineTuneRecipe
from lrtool.callbacks.live_curve import LiveCurve
from lrtool.callbacks.one_cycle import OneCycleScheduler
from lrtool.callbacks.plateau import PlateauScheduler
from lrtool.callbacks.pruning import TrialPruning
from lrtool.callbacks.range_test import LRRangeTest
from lrtool.callbacks.schedule import ParamScheduler
from lrtool.callbacks.schedule_free import ScheduleFreeSwitch
from lrtool.callbacks.sgdr import SGDRScheduler
from lrtool.callbacks.warmup import WarmupScheduler

__all__ = [
    "CyclicalScheduler",
    "EarlyStopping",
    "FineTuneRecipe",
    "LRRangeTest",
    "LiveCurve",
    "OneCycleScheduler",
    "ParamScheduler",
    "PlateauScheduler",
    "SGDRScheduler",
    "ScheduleFreeSwitch",
    "TrialPruning",
    "WarmupScheduler",
]
