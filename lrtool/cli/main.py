"""Parse, run one command, turn what went wrong into an exit code."""

import os
import signal
import sys
from collections.abc import Sequence

from lrtool.cli.parser import build_parser
from lrtool.errors import LRToolError

__all__ = ["main"]

OK, BAD_INPUT, INTERRUPTED = 0, 2, 128 + signal.SIGINT


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: the words after `lrtool`; None takes the process's own.

    Returns:
        The exit code: 0 done, 2 bad input, 130 interrupted. Errors of the model's own code
        are raised as they are.
    """
    parser = build_parser()
    arguments = parser.parse_args(argv)
    try:
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


def _interrupted(more: str = "") -> int:
    said = more or "nothing half-written was left"
    print(f"lrtool: interrupted; {said}", file=sys.stderr)
    return INTERRUPTED


def _complain(message: str) -> int:
    print("lrtool: " + " ".join(message.split()), file=sys.stderr)
    return BAD_INPUT
