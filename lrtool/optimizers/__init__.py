"""Optimizers by name, and what each of them can and cannot do."""

from lrtool.optimizers.build import create
from lrtool.optimizers.guards import guard, rebase
from lrtool.optimizers.registry import capabilities, capabilities_of, names
from lrtool.optimizers.table import Capabilities, Prior, Verdict

__all__ = [
    "Capabilities",
    "Prior",
    "Verdict",
    "capabilities",
    "capabilities_of",
    "create",
    "guard",
    "names",
    "rebase",
]
