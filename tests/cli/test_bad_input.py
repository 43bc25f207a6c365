"""Bad input: rule, value, remedy in one line, exit code 2, no traceback, nothing written."""

from pathlib import Path

import pytest

from lrtool.cli import main
from support import targets

GOOD = "target.py:make"

CASES = {
    "swapped bounds": ("range-test", GOOD, "--min-lr", "1", "--max-lr", "1e-8"),
    "NaN bound": ("range-test", GOOD, "--min-lr", "nan"),
    "NaN upper bound": ("range-test", GOOD, "--max-lr", "nan"),
    "zero bound": ("range-test", GOOD, "--min-lr", "0"),
    "negative bound": ("range-test", GOOD, "--max-lr", "-1"),
    "infinite bound": ("range-test", GOOD, "--max-lr", "inf"),
    "bound that is no number": ("range-test", GOOD, "--max-lr", "high"),
    "one step": ("range-test", GOOD, "--num-steps", "1"),
    "no steps": ("range-test", GOOD, "--num-steps", "0"),
    "negative steps": ("range-test", GOOD, "--num-steps", "-5"),
    "no repeats": ("range-test", GOOD, "--repeats", "0"),
    "unknown suggester": ("range-test", GOOD, "--suggester", "steepestt"),
    "unknown accelerator": ("range-test", GOOD, "--accelerator", "warp"),
    "two settings to compare": ("range-test", GOOD, "--momentum", "0", "--optimizer", "adam"),
    "one parameter group": ("range-test", GOOD, "--per-group"),
    "a list that is none": ("range-test", GOOD, "--momentum", "0.9;0.95"),
    "unknown optimizer to compare": ("range-test", GOOD, "--optimizer", "sgdm,adamm"),
    "optimizer without a rate": ("range-test", GOOD, "--optimizer", "prodigy"),
    "more than all data": ("range-test", GOOD, "--batch-size", "100000"),
    "target without a function": ("range-test", "target.py"),
    "target whose file is not there": ("range-test", "nothere.py:make"),
    "target whose module is not there": ("range-test", "not.there:make"),
    "target that does not import": ("range-test", "broken.py:make"),
    "target that names nothing": ("range-test", "target.py:nothere"),
    "target that is a number": ("range-test", "target.py:A_NUMBER"),
    "target that raises": ("range-test", "target.py:raises"),
    "target that runs a command": ("range-test", "target.py:runs_a_command"),
    "target that returns no pair": ("range-test", "target.py:not_a_pair"),
    "target that makes no module": ("range-test", "target.py:not_a_module"),
    "no training data": ("range-test", "target.py:no_data"),
    "empty training data": ("range-test", "target.py:empty_data"),
    "target that returns a finished model": ("range-test", "target.py:a_model"),
    "data module without a loader": ("range-test", "target.py:data_module_without_loader"),
    "training data that is a number": ("range-test", "target.py:data_that_is_a_number"),
    "training data that is text": ("tune", "target.py:data_that_is_text", "--max-epochs", "1"),
    "model without a training step": ("range-test", "target.py:no_training_step"),
    "model without an optimizer": ("range-test", "target.py:no_optimizer", "--out", "new"),
    "out without a name": ("range-test", GOOD, "--out", ""),
    "negative seed": ("range-test", GOOD, "--seed", "-1"),
    "seed beyond 32 bits": ("demo", "--seed", "4294967296"),
    "database that does not answer": (
        "tune", GOOD, "--max-epochs", "1", "--storage", "postgresql://nobody@127.0.0.1:1/none",
    ),
    "out that is a file": ("range-test", GOOD, "--out", "target.py"),
    "out under a file": ("range-test", GOOD, "--out", "target.py/below"),
    "unknown schedule": ("schedule", "one_cicle"),
    "schedule without its parameters": ("schedule", "one_cycle"),
    "schedule with an unknown parameter": ("schedule", "constant", "rate=1"),
    "schedule with a NaN": ("schedule", "constant", "lr=nan"),
    "schedule with swapped rates": (
        "schedule", "triangular", "max_lr=0.1", "min_lr=1", "step_size_up=10",
    ),
    "schedule with a word": ("schedule", "constant", "lr=high"),
    "parameter without a value": ("schedule", "constant", "lr"),
    "no steps of a schedule": ("schedule", "constant", "lr=1", "--steps", "0"),
    "plot into an unknown format": ("schedule", "constant", "lr=1", "--plot", "x.docx"),
    "plot into a folder not there": ("schedule", "constant", "lr=1", "--plot", "no/x.png"),
    "unknown optimizer": ("optimizers", "adamm"),
    "unknown schedule to tune": (
        "tune", GOOD, "--max-epochs", "1", "--schedule", "one_cicle",
    ),
    "no trials": ("tune", GOOD, "--max-epochs", "1", "--trials", "0"),
    "no length of a trial": ("tune", GOOD),
    "no epochs": ("tune", GOOD, "--max-epochs", "0"),
    "unknown mode": ("tune", GOOD, "--max-epochs", "1", "--mode", "up"),
    "unknown sampler": ("tune", GOOD, "--max-epochs", "1", "--sampler", "tpee"),
    "unknown pruner": ("tune", GOOD, "--max-epochs", "1", "--pruner", "mean"),
    "storage that is no study": ("tune", GOOD, "--max-epochs", "1", "--storage", "target.py"),
    "storage under a file": (
        "tune", GOOD, "--max-epochs", "1", "--storage", "target.py/study.journal",
    ),
    "storage of an unknown kind": (
        "tune", GOOD, "--max-epochs", "1", "--storage", "mongo://host/db",
    ),
    "SQLite file that is something else": (
        "tune", GOOD, "--max-epochs", "1", "--storage", "sqlite:///target.py",
    ),
    "SQLite file under a file": (
        "tune", GOOD, "--max-epochs", "1", "--storage", "sqlite:///target.py/s.db",
    ),
    "study that is no database": ("report", "sqlite:///target.py"),
    "unknown shell": ("completion", "fish"),
    "study that is not there": ("report", "nothere.journal"),
    "study that is a folder": ("report", "."),
    "study that is something else": ("report", "target.py"),
    "study that is empty": ("report", "empty.journal"),
    "study that is cut off": ("report", "cut.journal"),
    "study that is other JSON": ("report", "other.json"),
    "study that is a damaged result": ("report", "damaged.json"),
    "database that is not there": ("report", "sqlite:///nothere.db"),
    "database whose URL is none": ("report", "postgresql://[x"),
    "report into a folder not there": ("report", "nothere.journal", "--out", "no/r.html"),
    "demo into a file": ("demo", "--out", "target.py"),
    "unknown command": ("fly",),
    "no command": (),
    "unknown option": ("demo", "--faster"),
    "seed that is no number": ("demo", "--seed", "x"),
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "target.py").write_text(targets.GOOD)
    (tmp_path / "broken.py").write_text(targets.BROKEN)
    (tmp_path / "empty.journal").write_text("")
    (tmp_path / "cut.journal").write_text('{"op_code": 0, "worker_id": "a", "study_na')
    (tmp_path / "other.json").write_text('{"a": 1}')
    (tmp_path / "damaged.json").write_text('{"format": "lrtool.RangeTestResult/1"}')
    return tmp_path


def contents(folder: Path) -> dict[str, bytes | None]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
        if "__pycache__" not in path.parts
    }


def exit_code(words: tuple[str, ...]) -> int:
    try:
        return main(words)
    except SystemExit as end:  # argparse's way
        return int(end.code or 0)


@pytest.mark.parametrize("words", CASES.values(), ids=CASES)
def test_bad_input_is_refused_in_one_line(
    words: tuple[str, ...], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(folder)
    assert exit_code(words) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    (line,) = shown.err.strip().splitlines()
    assert line.startswith("lrtool: ")
    assert "Traceback" not in line
    assert contents(folder) == before


def test_the_remedy_guesses_what_was_meant(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for words, meant in ((("rnge-test",), "'range-test'"), (("demo", "--faster"), "--fast")):
        exit_code(words)
        assert f"did you mean {meant}?" in capsys.readouterr().err
    main(["range-test", GOOD, "--min-lr", "1", "--max-lr", "0.1"])
    assert "min_lr=1.0, max_lr=0.1; did you swap them?" in capsys.readouterr().err


def test_the_reason_is_the_databases_own_and_no_password_is_shown(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    for scheme in ("postgresql", "postgres"):  # the second is Heroku's and many others' spelling
        url = f"{scheme}://me:hush@127.0.0.1:1/studies"
        for words in (("report", url), ("tune", GOOD, "--max-epochs", "1", "--storage", url)):
            exit_code(words)
            said = capsys.readouterr().err
            assert "Connection refused" in said
            assert "hush" not in said
    exit_code(("tune", GOOD, "--max-epochs", "1", "--storage", "ftp://me:hush@host/x"))
    assert "ftp://me:***@host/x" in capsys.readouterr().err
    exit_code(("report", "sqlite:///target.py"))
    assert "file is not a database" in capsys.readouterr().err
    exit_code(("completion", "fish"))
    assert "shell must be one of" in capsys.readouterr().err


def test_a_sampler_that_lacks_its_package_is_refused_before_the_range_test(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("lrtool.search.bases.find_spec", lambda name: None)
    for sampler, package in (("cmaes", "cmaes"), ("gp", "scipy")):
        assert exit_code(("tune", GOOD, "--max-epochs", "1", "--sampler", sampler)) == 2
        assert f"pip install {package}" in capsys.readouterr().err


def test_traceback_on_request(folder: Path) -> None:
    from lrtool.errors import ArgumentError

    with pytest.raises(ArgumentError, match="TARGET"):
        main(["range-test", "target.py", "--traceback"])
