"""`lrtool demo`."""

import argparse
import sys
from contextlib import nullcontext, redirect_stdout

from lrtool._optional import optional_import
from lrtool.cli._out import command_line, folder_to_write, print_json

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> None:
    """Run the demo into its folder."""
    out = folder_to_write(arguments.out)
    optional_import("sklearn", extra="demo", purpose="the demo's data")
    from lrtool.demo.run import run as demo
    from lrtool.demo.settings import Settings

    settings = Settings.of(out, seed=arguments.seed, fast=arguments.fast)
    # With --json the story goes to standard error, so that the output is one JSON object.
    with redirect_stdout(sys.stderr) if arguments.json else nullcontext():
        numbers = demo(settings, command=command_line())
    if arguments.json:
        print_json(numbers)
