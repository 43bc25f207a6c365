"""Every command does what its help says."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lrtool.cli import main
from lrtool.cli.parser import build_parser
from lrtool.result import RangeTestResult
from lrtool.search import SCHEDULES
from lrtool.suggest import SUGGESTERS
from support import targets

TESTS = Path(__file__).parents[1]


@pytest.fixture
def target(tmp_path: Path) -> str:
    (tmp_path / "target.py").write_text(targets.GOOD)
    return "target.py:make"


def printed(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def shell(*words: str, cwd: Path, **options: Any) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "lrtool", *words], cwd=cwd, capture_output=True, text=True, **options
    )


def test_range_test_prints_the_rates(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["range-test", target, "--num-steps", "20", "--max-lr", "1"]) == 0
    shown = capsys.readouterr().out
    assert "learning rate" in shown
    assert "80% interval" in shown
    assert "\033" not in shown  # not a terminal: no colour


def test_range_test_in_json_is_a_result(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["range-test", target, "--min-lr", "1e-6", "--max-lr", "1", "--num-steps", "20"]
    main([*words, "--json"])
    result = RangeTestResult.from_dict(printed(capsys))
    assert result.num_steps <= 20
    assert (result.curve.lr[0], result.curve.lr.max() <= 1) == (1e-6, True)


@pytest.mark.parametrize("bound", [("--min-lr", "50"), ("--max-lr", "1e-9")])
def test_range_test_takes_one_bound_alone_wherever_it_lies(
    target: str, bound: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["range-test", target, "--num-steps", "12", *bound, "--json"]) == 0
    rates = RangeTestResult.from_dict(printed(capsys)).curve.lr
    assert pytest.approx(float(bound[1]), rel=1e-12) in (rates.min(), rates.max())


SIDE_BY_SIDE = ["--num-steps", "12", "--max-lr", "1", "--min-lr", "1e-5"]


@pytest.mark.parametrize(
    ("option", "values"),
    [("--momentum", "0.0,0.9"), ("--batch-size", "4,8"), ("--optimizer", "sgdm,adamw")],
)
def test_range_tests_side_by_side(
    target: str, option: str, values: str, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["range-test", target, *SIDE_BY_SIDE, option, values, "--json"])
    found = printed(capsys)
    assert f"--{found['setting'].replace('_', '-')}" == option
    assert list(found["results"]) == values.split(",")
    assert all(RangeTestResult.from_dict(one).num_steps <= 12 for one in found["results"].values())


def test_range_tests_side_by_side_are_printed_and_written(
    target: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["range-test", target, *SIDE_BY_SIDE, "--weight-decay", "0,1e-2", "--out", "side"])
    shown = capsys.readouterr().out
    assert shown.startswith("no range test has a pick")  # in so few steps
    assert "80% interval" in shown
    assert "0.01: the loss fell by" in shown
    kept = json.loads((tmp_path / "side" / "range_test.json").read_text())
    assert list(kept["results"]) == ["0.0", "0.01"]
    assert {path.suffix for path in (tmp_path / "side").iterdir()} == {".json", ".png", ".html"}


def test_range_test_of_each_parameter_group(
    target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["range-test", f"{target}_grouped", *SIDE_BY_SIDE, "--per-group"])
    shown = capsys.readouterr().out
    assert "parameter group" in shown
    assert shown.index("body ") < shown.index("head ")


def test_range_test_is_the_same_again(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    shown = []
    for seed in ("1", "1", "2"):
        main(["range-test", target, "--num-steps", "20", "--seed", seed, "--json"])
        shown.append(capsys.readouterr().out)
    assert shown[0] == shown[1] != shown[2]


def test_range_test_writes_its_files_into_one_folder(target: str, tmp_path: Path) -> None:
    before = set(tmp_path.iterdir())
    main(["range-test", target, "--num-steps", "20", "--out", "a/b"])
    after = {path for path in tmp_path.iterdir() if path.name != "__pycache__"}
    assert after - before == {tmp_path / "a"}
    names = sorted(path.name for path in (tmp_path / "a" / "b").iterdir())
    assert names == [f"range_test.{kind}" for kind in ("csv", "html", "json", "png")]
    RangeTestResult.load(tmp_path / "a" / "b" / "range_test.json")


def test_schedules_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    main(["schedule", "--json"])
    assert "max_lr" in printed(capsys)["one_cycle"]


def test_schedule_prints_every_value(capsys: pytest.CaptureFixture[str]) -> None:
    from lrtool import schedules

    main(["schedule", "cosine", "lr=0.5", "total_steps=20", "--json"])
    shown = printed(capsys)
    assert shown["values"] == [schedules.cosine(lr=0.5, total_steps=20)(k) for k in range(20)]


def test_schedule_is_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["schedule", "one_cycle", "max_lr=0.1", "total_steps=50", "--plot"]
    main(words)
    assert "●" in capsys.readouterr().out
    main([*words, "x.png"])
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")


def test_optimizers_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    main(["optimizers", "--json"])
    assert printed(capsys)["sgd"]["momentum"] == "momentum"
    main(["optimizers", "adamw"])
    assert "beta1" in capsys.readouterr().out


def test_tune_searches_goes_on_and_reports(
    target: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["tune", target, "--max-epochs", "1", "--json", "--trials"]
    main([*words, "2"])
    first = printed(capsys)
    assert len(first["trials"]) == 2
    assert {"max_lr", "momentum", "weight_decay"} <= set(first["best_params"])
    main([*words, "3"])
    second = printed(capsys)
    assert second["trials"][:2] == first["trials"]
    assert len(second["trials"]) == 3
    assert second["range_test"] == first["range_test"]
    assert "lrtool tune" not in (tmp_path / "lrtool-tune" / "report.html").name
    main(["report", "lrtool-tune/study.journal", "--out", "again.html"])
    page = (tmp_path / "again.html").read_text(encoding="utf-8")
    assert "Every trial of the study" in page
    assert "To train with it" in page


def test_tune_shows_what_it_wrote_and_the_weights_load_as_torch_does_by_default(
    target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    import torch

    words = ["tune", target, "--max-epochs", "1", "--trials", "2", "--out", "."]
    main(words)
    shown = capsys.readouterr().out
    assert "of 2 (2 complete)" in shown
    assert "report: report.html" in shown
    assert "study 'tune': study.journal" in shown
    assert "target.py" not in shown  # which was there before
    main([*words, "--json"])
    found = printed(capsys)
    kept = torch.load(found["best_checkpoint"])
    assert kept["hyper_parameters"]["lr"] == found["best_params"]["max_lr"]
    assert f"its weights: {found['best_checkpoint']}" in shown


def test_data_may_be_what_makes_it(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    made = target.replace("make", "makes_data")
    assert main(["range-test", made, "--num-steps", "12", "--json"]) == 0
    capsys.readouterr()
    main(["tune", made, "--max-epochs", "1", "--trials", "1", "--json"])
    assert printed(capsys)["best_value"] is not None


def test_what_a_target_defines_is_found_by_other_processes(tmp_path: Path) -> None:
    """By workers of its loaders that do not fork, and by whoever loads a checkpoint later."""
    paths = f"import sys; sys.path.insert(0, {str(TESTS)!r})\n"
    (tmp_path / "mine.py").write_text(paths + targets.SPAWNING)
    bounds = ("--min-lr", "1e-4", "--max-lr", "1e-2", "--num-steps", "6", "--json")
    done = shell("range-test", "mine.py:make", *bounds, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    words = ("--max-epochs", "1", "--trials", "1", "--json")
    done = shell("tune", "mine.py:plain", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    code = (
        "import sys, torch; print(torch.load(sys.argv[1], weights_only=False)['hyper_parameters'])"
    )
    weights = json.loads(done.stdout)["best_checkpoint"]
    loaded = subprocess.run(
        [sys.executable, "-c", code, weights], cwd=tmp_path, capture_output=True, text=True
    )
    assert "<class 'mine.Examples'>" in loaded.stdout, loaded.stderr


@pytest.mark.parametrize("name", ["random.py", "a b.py", "json.py"])
def test_a_target_whose_name_is_taken_or_none_is_loaded_all_the_same(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / name).write_text(targets.GOOD)
    assert main(["range-test", f"below/{name}:make", "--num-steps", "12", "--json"]) == 0
    assert printed(capsys)["format"].startswith("lrtool.RangeTestResult")


def test_a_model_that_raises_in_every_trial_ends_with_its_traceback_and_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken.py").write_text(
        targets.GOOD + "\nclass Broken(TinyModel):\n    def validation_step(self, *_):\n"
        "        raise RuntimeError('mine')\n\ndef broken():\n"
        "    return Broken, (tiny_loader(), tiny_loader(16))\n"
    )
    with pytest.raises(SystemExit) as end:
        main(["tune", "broken.py:broken", "--max-epochs", "1"])
    assert end.value.code == 1
    lines = capsys.readouterr().err.splitlines()
    assert "at least one of the first 3 trials must train" in " ".join(lines)
    assert "Traceback (most recent call last):" in lines
    assert lines[-1] == "RuntimeError: mine"


def test_no_page_keeps_a_password(monkeypatch: pytest.MonkeyPatch) -> None:
    from lrtool.cli._out import command_line

    url = "postgresql://me:hush@host/db"
    monkeypatch.setattr("sys.argv", ["lrtool", "tune", "a b.py:f", "--storage", url])
    assert command_line() == "lrtool tune 'a b.py:f' --storage 'postgresql://me:***@host/db'"
    monkeypatch.setattr("sys.argv", ["lrtool", "report", f"--storage={url}?password=hush"])
    assert "hush" not in command_line()


def test_narrow_terminals_lose_no_digit(
    target: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["range-test", target, "--num-steps", "20", "--max-lr", "1"]
    monkeypatch.setenv("COLUMNS", "45")
    main(words)
    shown = capsys.readouterr().out
    picture, _, below = shown.partition("measured")
    assert all(len(line) <= 45 for line in picture.splitlines())
    main([*words, "--json"])
    assert f"{RangeTestResult.from_dict(printed(capsys)).lr:.4g}" in below


def test_our_warnings_are_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import warnings

    from lrtool.cli import optimizers
    from lrtool.search import run as ours

    def warns(arguments: object) -> None:
        warnings.warn_explicit("share a study", UserWarning, ours.__file__, 1)
        warnings.warn_explicit("of the user's", UserWarning, "train.py", 7)

    monkeypatch.setattr(optimizers, "run", warns)
    with warnings.catch_warnings(record=True) as others:
        warnings.simplefilter("always")
        main(["optimizers"])
    assert capsys.readouterr().err == "lrtool: share a study\n"
    assert [(other.filename, other.lineno) for other in others] == [("train.py", 7)]


def test_tune_passes_on_sampler_and_pruner(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    from lrtool.cli._study import read_study

    words = ["tune", target, "--max-epochs", "1", "--json", "--trials", "2"]
    main([*words, "--sampler", "random", "--pruner", "rungs"])
    assert len(printed(capsys)["trials"]) == 2
    settings = read_study("lrtool-tune/study.journal", None).user_attrs["lrtool:settings"]
    assert (settings["sampler"], settings["pruner"]) == ("random", "rungs")


def test_tune_offers_every_sampler_and_every_pruner() -> None:
    from lrtool.search.bases import SAMPLERS
    from lrtool.search.pruners import PRUNERS

    for option, names in (("sampler", SAMPLERS), ("pruner", PRUNERS)):
        for name in names:
            arguments = build_parser().parse_args(["tune", "t.py:f", f"--{option}", name])
            assert getattr(arguments, option) == name


def test_help_states_every_default_and_every_name() -> None:
    (commands,) = [one.choices for one in build_parser()._actions if isinstance(one.choices, dict)]
    named = {"schedule": list(SCHEDULES), "suggester": list(SUGGESTERS)}
    seen = set()
    for command in ("range-test", "tune", "report", "demo"):
        for option in commands[command]._actions:
            text = str(option.help)
            if option.option_strings and option.default not in (None, False, "==SUPPRESS=="):
                assert f"({option.default})" in text, (command, option.dest)
            missing = [name for name in named.get(option.dest, ()) if name not in text]
            assert not missing
            seen.add(option.dest)
    assert seen >= set(named)


def test_report_reads_a_saved_range_test(target: str, tmp_path: Path) -> None:
    main(["range-test", target, "--num-steps", "20", "--out", "o"])
    main(["report", "o/range_test.json"])
    assert "Range test" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_report_reads_saved_range_tests_by_setting(target: str, tmp_path: Path) -> None:
    main(["range-test", target, "--num-steps", "20", "--momentum", "0.5,0.9", "--out", "o"])
    main(["report", "o/range_test.json"])
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Range tests by momentum" in page


def test_report_reads_what_plain_optuna_wrote_and_leaves_it_alone(tmp_path: Path) -> None:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(storage="sqlite:///s.db", study_name="mine")
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
    before = (tmp_path / "s.db").read_bytes()
    main(["report", "sqlite:///s.db"])
    assert "Search mine" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert (tmp_path / "s.db").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.html", "s.db"]


@pytest.mark.parametrize("name", ["bash", "zsh", "tcsh"])
def test_completion_knows_every_command(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("shtab", reason="shtab is not installed")
    main(["completion", name])
    script = capsys.readouterr().out
    commands = ("demo", "range-test", "schedule", "tune", "report", "optimizers")
    assert all(command in script for command in commands)


@pytest.mark.parametrize(
    "words", [[], *([c] for c in ("demo", "range-test", "schedule", "tune", "report"))]
)
def test_help_reads_well(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([*words, "--help"])
    assert end.value.code == 0
    shown = capsys.readouterr().out
    assert "exit codes" in shown
    assert all(len(line) <= 80 for line in shown.splitlines())
    assert shown.isascii()


def test_help_loads_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom lrtool.cli import main\ntry:\n    main(['--help'])\nexcept SystemExit:\n"
        "    print(sorted({'torch', 'numpy', 'matplotlib', 'optuna'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_model_s_own_error_is_raised_with_its_traceback(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text(
        targets.GOOD + "\nclass Broken(TinyModel):\n    def training_step(self, *_):\n"
        "        raise RuntimeError('mine')\n\ndef broken():\n    return Broken, tiny_loader()\n"
    )
    with pytest.raises(RuntimeError, match="mine"):
        main(["range-test", "broken.py:broken"])


def test_module_form_of_a_target(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["range-test", "target:make", "--num-steps", "20", "--json"]) == 0
    assert printed(capsys)["format"].startswith("lrtool.RangeTestResult")


def test_a_reader_who_has_seen_enough_is_no_error(tmp_path: Path) -> None:
    done = subprocess.run(
        f"{sys.executable} -m lrtool optimizers | head -n 1; echo ${{PIPESTATUS[0]}}",
        shell=True, executable="/bin/bash", cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == "0"
    assert "Traceback" not in done.stderr


def test_ascii_terminals_get_ascii(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    words = ("schedule", "one_cycle", "max_lr=0.1", "total_steps=50", "--plot")
    done = shell(*words, cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.isascii()


SLOW = f"""
import sys, time
sys.path.insert(0, {str(TESTS)!r})
{targets.GOOD}
class Slow(TinyModel):
    def training_step(self, *batch):
        print("step", file=sys.stderr, flush=True)
        time.sleep(0.01)
        return super().training_step(*batch)

    def validation_step(self, *batch):
        print("check", file=sys.stderr, flush=True)
        super().validation_step(*batch)

def slow():
    return Slow, (tiny_loader(), tiny_loader(16))
"""


STOPS = [signal.SIGINT, signal.SIGTERM]


def interrupted(folder: Path, *words: str, at: str, stop: signal.Signals) -> tuple[int, str]:
    """Run a command, send the signal at the first line `at`; its exit code and errors."""
    (folder / "slow.py").write_text(SLOW)
    process = subprocess.Popen(
        [sys.executable, "-m", "lrtool", *words], cwd=folder, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    with process:
        while at not in process.stderr.readline():
            assert process.poll() is None
        process.send_signal(stop)
        _, errors = process.communicate(timeout=300)
    assert "Traceback" not in errors
    return process.returncode, errors


@pytest.mark.parametrize("stop", STOPS)
def test_ctrl_c_ends_a_range_test_without_a_file(tmp_path: Path, stop: signal.Signals) -> None:
    words = ("range-test", "slow.py:slow", "--out", "o")
    code, errors = interrupted(tmp_path, *words, at="step", stop=stop)
    assert code == 130
    assert "nothing half-written" in errors
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize("stop", STOPS)
def test_ctrl_c_ends_a_search_that_then_goes_on(tmp_path: Path, stop: signal.Signals) -> None:
    words = ("tune", "slow.py:slow", "--max-epochs", "3", "--trials", "2", "--seed", "0", "--json")
    code, errors = interrupted(tmp_path, *words, at="check", stop=stop)  # only trials validate
    assert code == 130
    assert "goes on from here" in errors
    (tmp_path / "slow.py").write_text(SLOW.replace("0.01", "0"))
    done = shell(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    trials = json.loads(done.stdout)["trials"]
    assert sum(trial["value"] is not None for trial in trials) == 2, trials
