"""Every error lrtool raises on purpose.

LRToolError
├── ArgumentError           (also ValueError)    a value breaks a rule
├── UnsupportedError        (also RuntimeError)  the set-up cannot work; refused before it starts
├── MissingDependencyError  (also ImportError)   an extra is not installed
└── FileFormatError         (also ValueError)    a file is not what it should be

Each message states the rule, the value and the remedy. The command line turns any of them into
one line and exit code 2.
"""

__all__ = [
    "ArgumentError",
    "FileFormatError",
    "LRToolError",
    "MissingDependencyError",
    "UnsupportedError",
]


class LRToolError(Exception):
    """Base of every error lrtool raises on purpose."""


class ArgumentError(LRToolError, ValueError):
    """A value breaks a rule."""


class UnsupportedError(LRToolError, RuntimeError):
    """The set-up cannot work; refused before the first step."""


class MissingDependencyError(LRToolError, ImportError):
    """An optional package is not installed."""


class FileFormatError(LRToolError, ValueError):
    """A file is not what it should be."""
