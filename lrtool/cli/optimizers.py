"""`lrtool optimizers`."""

import argparse
from dataclasses import asdict

from lrtool._check import one_of
from lrtool._terminal import show, show_table
from lrtool.cli._out import print_json

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> None:
    """List every optimizer, or tell all about the ones named."""
    from lrtool import optimizers

    for name in arguments.names:
        one_of("optimizer", name, optimizers.names())
    known = {name: optimizers.capabilities(name) for name in arguments.names or optimizers.names()}
    if arguments.json:
        print_json({name: asdict(item) for name, item in known.items()})
        return
    if arguments.names:
        for item in known.values():
            show(str(item))
        return
    rows = [
        (
            name, item.default_lr, item.momentum or "none",
            "decoupled" if item.decoupled else "L2", bool(item.range_test), bool(item.cycle),
            item.package,
        )
        for name, item in known.items()
    ]  # fmt: skip
    show_table(
        ("optimizer", "default lr", "momentum", "decay", "range test", "cycle", "package"), rows
    )
    show("\nlrtool optimizers NAME tells all about one of them")
