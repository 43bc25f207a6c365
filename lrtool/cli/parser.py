"""Every option of every command. Importing this loads nothing heavy: `lrtool --help` is quick."""

import argparse
from collections.abc import Callable
from importlib import import_module
from typing import Any

from lrtool import __version__
from lrtool.cli._arguments import Parser, ScheduleParser
from lrtool.cli._schedule_options import add_options, shown_names, summary

__all__ = ["build_parser"]

_TARGET = (
    "file.py:function or package.module:function; the function takes no argument and returns "
    "(model_fn, data): model_fn() gives a new LightningModule, data is a LightningDataModule, a "
    "training DataLoader, (training loader, validation loader), or what makes one of these"
)
_EXIT = (
    "exit codes: 0 done; 1 your model's own code raised (its traceback is shown); 2 bad input, "
    "in one line; 130 interrupted, by Ctrl-C or SIGTERM"
)


def build_parser() -> argparse.ArgumentParser:
    """The whole command line."""
    parser = Parser(
        prog="lrtool",
        description="Find a learning rate by measuring, train on a schedule built from it, and "
        "hand the measurement to a search.",
        epilog=_EXIT,
    )
    parser.add_argument("--version", action="version", version=f"lrtool {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for add in (_demo, _range_test, _schedule, _tune, _report, _optimizers, _completion):
        add(commands)
    return parser


def _command(commands: Any, name: str, summary: str, description: str = "") -> Any:
    """A subcommand `name`, run by `run` in lrtool.cli.<name>."""
    parser = commands.add_parser(
        name, help=summary, description=description or summary, epilog=_EXIT
    )
    parser.set_defaults(run=_runner(name), traceback=False)
    return parser


def _runner(name: str) -> Callable[[argparse.Namespace], None]:
    def run(arguments: argparse.Namespace) -> None:
        import_module(f"lrtool.cli.{name.replace('-', '_')}").run(arguments)

    return run


def _seed(text: str) -> int:
    """What every random generator takes as a seed; numpy's range is the narrowest."""
    if not 0 <= (seed := int(text)) < 2**32:
        raise argparse.ArgumentTypeError(f"0 <= seed < 2**32 must hold, got {text}")
    return seed


_seed.__name__ = "int"  # argparse names the type when it refuses a word


def _several(kind: Callable[[str], Any]) -> Callable[[str], list[Any]]:
    """What reads values with commas between them."""

    def values(text: str) -> list[Any]:
        return [kind(one) for one in text.split(",")]

    values.__name__ = f"{kind.__name__}s with commas between them"  # in argparse's refusals
    return values


def _common(parser: Any, *, seed: bool = True) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object, for machines")
    if seed:
        parser.add_argument("--seed", type=_seed, default=0, metavar="N", help="random seed (0)")
    parser.add_argument(
        "--traceback", action="store_true", help="show where bad input was found, for debugging"
    )


def _demo(commands: Any) -> None:
    parser = _command(
        commands,
        "demo",
        "the whole tool on real digits: measure, train, search, report",
        "Run the range test, a training and a search on 1,797 real handwritten digits, and write "
        "one page about it. Everything goes into one folder. Needs scikit-learn: "
        "pip install 'lrtool[demo]'.",
    )
    parser.add_argument("--fast", action="store_true", help="fewer epochs and trials: under 40 s")
    parser.add_argument(
        "--out", default="lrtool-demo", metavar="FOLDER", help="where everything goes (lrtool-demo)"
    )
    _common(parser)


def _range_test(commands: Any) -> None:
    parser = _command(
        commands,
        "range-test",
        "measure which learning rates a model takes",
        "Raise the learning rate step by step, watch the loss, and read the rates to use off it.",
    )
    parser.add_argument("target", metavar="TARGET", help=_TARGET)
    parser.add_argument("--min-lr", type=float, metavar="LR", help="lowest rate (adaptive)")
    parser.add_argument("--max-lr", type=float, metavar="LR", help="highest rate (adaptive)")
    parser.add_argument(
        "--num-steps",
        type=int,
        default=100,
        metavar="N",
        help="optimizer steps of the first pass (100); the sweep may go on to 300",
    )
    parser.add_argument(
        "--repeats", type=int, default=1, metavar="N", help="passes to pool against noise (1)"
    )
    parser.add_argument(
        "--suggester", default="auto", metavar="NAME",
        help="pick rule: auto, drop, minimum, slide, steepest or valley (auto)",
    )  # fmt: skip
    parser.add_argument(
        "--per-group", action="store_true", help="measure a rate for each parameter group"
    )
    families = parser.add_argument_group(
        "compare values of one setting", "a range test a value, from the same weights and data"
    )
    for name, kind, shown in (
        ("--weight-decay", float, "0,1e-4,1e-2"),
        ("--momentum", float, "0.8,0.9,0.95"),
        ("--batch-size", int, "16,64"),
        ("--optimizer", str, "sgdm,adamw"),
    ):
        families.add_argument(name, type=_several(kind), metavar="V,V", help=f"such as {shown}")
    parser.add_argument(
        "--accelerator", default="auto", metavar="NAME", help="the Trainer's accelerator (auto)"
    )
    parser.add_argument(
        "--out", metavar="FOLDER", help="write range_test.json, .csv, .png and .html there"
    )
    _common(parser)


def _schedule(commands: Any) -> None:
    parser = _command(
        commands,
        "schedule",
        "show a schedule's values without training",
        "Show a schedule's values. Without NAME, list the schedules.",
    )
    parser.set_defaults(steps=None, epoch_steps=None, plot=None)
    _common(parser, seed=False)
    kinds = parser.add_subparsers(
        title="schedules", metavar="NAME", dest="name", parser_class=ScheduleParser
    )
    for name in shown_names():
        _one_schedule(kinds, name)


def _one_schedule(kinds: Any, name: str) -> None:
    """The command `lrtool schedule NAME`; what is left out keeps the default of the one above."""
    parser = kinds.add_parser(
        name,
        schedule=name,
        help=summary(name),
        description=f"{summary(name)}. Parameters without a default are needed; with --steps, "
        "lengths left out fill the run. A length may have a unit: 500step, 10ep, 0.1dur.",
        epilog=_EXIT,
        argument_default=argparse.SUPPRESS,
    )
    add_options(parser, name)
    parser.add_argument(
        "--steps", type=int, metavar="N",
        help="optimizer steps of the run, which fills in lengths left out (the schedule's length)",
    )  # fmt: skip
    parser.add_argument(
        "--epoch-steps", type=int, metavar="N", help="steps of one epoch, for lengths such as 10ep"
    )
    parser.add_argument(
        "--plot", nargs="?", const="", metavar="FILE",
        help="draw it in the terminal, or into FILE (.png, .svg, .pdf)",
    )  # fmt: skip
    _common(parser, seed=False)


def _tune(commands: Any) -> None:
    parser = _command(
        commands,
        "tune",
        "search learning rate, momentum, weight decay and schedule",
        "Run a range test, then an Optuna search over peak rate, momentum (or beta1), weight decay "
        "and the schedule's parameters. What was measured is where the search starts: the first "
        "trial is the measured rate itself. The model stays as it is: callbacks write the "
        "parameters. Run the same command again, after a crash too, to go on where the search "
        "stopped; run it several times at once, with a database on several machines, to share the "
        "trials. Ctrl-C or SIGTERM saves the running trial for then. The output folder gets the "
        "study, report.html, and the weights of the best trial's best check; the other trials' "
        "are deleted.",
    )
    parser.add_argument("target", metavar="TARGET", help=_TARGET)
    goal = parser.add_argument_group("what is searched")
    goal.add_argument(
        "--monitor", metavar="NAME",
        help="metric logged in validation; a trial's value is its best check (val_loss)",
    )  # fmt: skip
    goal.add_argument("--mode", choices=("min", "max"), help="which way is better (min)")
    goal.add_argument(
        "--schedule", action="append", metavar="NAME",
        help="schedule to try: constant, cosine, linear, one_cycle, sgdr, triangular, triangular2 "
        "or wsd; repeat it to search over several (one_cycle)",
    )  # fmt: skip
    goal.add_argument(
        "--sampler", choices=("pibo", "priorband", "tpe", "gp", "cmaes", "random"),
        help="what proposes trials, weighted by the measurement (pibo)",
    )  # fmt: skip
    trial = parser.add_argument_group("a trial")
    trial.add_argument(
        "--max-epochs", type=int, metavar="N",
        help="epochs of a trial; this or --max-steps is needed",
    )  # fmt: skip
    trial.add_argument("--max-steps", type=int, metavar="N", help="optimizer steps of a trial")
    trial.add_argument(
        "--pruner", choices=("none", "median", "rungs"),
        help="what ends weak trials early: median, those worse than the others' median at a step; "
        "rungs, all but the best third after a ninth and a third of the steps (none)",
    )  # fmt: skip
    trial.add_argument(
        "--accelerator", default="auto", metavar="NAME", help="the Trainer's accelerator (auto)"
    )
    study = parser.add_argument_group("the study")
    study.add_argument(
        "--trials", type=int, metavar="N",
        help="trials in all, over restarts and workers (20)",
    )  # fmt: skip
    study.add_argument(
        "--storage", metavar="URL",
        help="where it lives: a journal file, postgresql://user:password@host/db, mysql+pymysql://"
        "..., sqlite:///file (one worker) or grpc://host:port (study.journal in --out)",
    )  # fmt: skip
    study.add_argument(
        "--study-name", metavar="NAME", help="its name there; a new name begins a new one (tune)"
    )
    study.add_argument(
        "--out", default="lrtool-tune", metavar="FOLDER", help="study and report (lrtool-tune)"
    )
    _common(parser)


def _report(commands: Any) -> None:
    parser = _command(
        commands,
        "report",
        "write one HTML page about a study or a saved range test",
        "Write one self-contained HTML page. STUDY is a journal file, a database URL such as "
        "postgresql://user@host/studies, or a range_test.json.",
    )
    parser.add_argument("study", metavar="STUDY", help="journal file, database URL or saved result")
    parser.add_argument("--study-name", metavar="NAME", help="which study, when there are several")
    parser.add_argument(
        "--out", default="report.html", metavar="FILE", help="the page to write (report.html)"
    )
    _common(parser, seed=False)


def _optimizers(commands: Any) -> None:
    parser = _command(
        commands,
        "optimizers",
        "list the optimizers and what each can do",
        "List every optimizer known by name, with what each can do.",
    )
    parser.add_argument("names", metavar="NAME", nargs="*", help="only these")
    _common(parser, seed=False)


def _completion(commands: Any) -> None:
    parser = _command(
        commands,
        "completion",
        "print a shell completion script",
        'Print a completion script. Bash: eval "$(lrtool completion bash)". Needs shtab: '
        "pip install 'lrtool[cli]'.",
    )
    parser.add_argument("shell", choices=("bash", "zsh", "tcsh"), help="which shell")
    parser.set_defaults(parser=build_parser)
