"""Parse, run one command, turn what went wrong into an exit code."""

import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lrtool.cli.parser import build_parser
from lrtool.errors import LRToolError

__all__ = ["main"]

OK, BAD_INPUT, INTERRUPTED = 0, 2, 128 + signal.SIGINT


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: the words after `lrtool`; None takes the process's own.

    Returns:
        The exit code: 0 done, 2 bad input, 130 interrupted, by Ctrl-C or SIGTERM. Errors of the
        model's own code are raised as they are.
    """
    parser = build_parser()
    arguments = parser.parse_args(argv)
    try:
        with _terminable(), _plain_warnings():
            arguments.run(arguments)
            sys.stdout.flush()
    except LRToolError as error:
        if arguments.traceback:
            raise
        return _complain(str(error))
    except KeyboardInterrupt as interrupt:
        return _interrupted(str(interrupt))
    except SystemExit as end:
        if isinstance(end.__context__, KeyboardInterrupt):  # Lightning turns Ctrl-C into exit(1)
            return _interrupted()
        raise
    except BrokenPipeError:  # the reader of a pipe, `head` for one, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return OK


@contextmanager
def _terminable() -> Iterator[None]:
    """Take SIGTERM, of which a sweep inside Lightning would hear nothing, for Ctrl-C."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _plain_warnings() -> Iterator[None]:
    """Our own warnings without the line of ours that they come from."""
    ours = str(Path(__file__).parents[1])

    def show(message: Any, category: Any, filename: str, *more: Any, **options: Any) -> None:
        if filename.startswith(ours):
            print(f"lrtool: {message}", file=sys.stderr)
        else:
            usual(message, category, filename, *more, **options)

    with warnings.catch_warnings():
        usual, warnings.showwarning = warnings.showwarning, show
        yield


def _interrupted(more: str = "") -> int:
    said = more or "nothing half-written was left"
    print(f"lrtool: interrupted; {said}", file=sys.stderr)
    return INTERRUPTED


def _complain(message: str) -> int:
    print("lrtool: " + " ".join(message.split()), file=sys.stderr)
    return BAD_INPUT
