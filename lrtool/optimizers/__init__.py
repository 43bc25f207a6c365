"""Optimizers by name, and what each of them can and cannot do."""

from lrtool.optimizers.build import create
from lrtool.optimizers.capabilities import Capabilities, Prior, Verdict
from lrtool.optimizers.registry import capabilities, capabilities_of, names

__all__ = [
    "Capabilities",
    "Prior",
    "Verdict",
    "capabilities",
    "capabilities_of",
    "create",
    "names",
]
