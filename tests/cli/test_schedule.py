"""`lrtool schedule`: an option for each parameter, lengths of a run filled in, does it fit."""

import json
import shlex
import shutil
import subprocess
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from lrtool.cli import main
from lrtool.cli._schedule_options import option, shown_names
from lrtool.cli.parser import build_parser
from lrtool.schedules import multi_step, one_cycle, sgdr, triangular
from lrtool.schedules.registry import SCHEDULES

Words = list[str]


def shown(words: Words, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["schedule", *words]) == 0
    return capsys.readouterr().out


def refused(words: Words, capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that `words` are refused with."""
    try:
        code: Any = main(["schedule", *words])
    except SystemExit as end:
        code = end.code
    assert code == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_a_picture_of_cycles_that_are_given_in_epochs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["sgdr", "--T-0", "10ep", "--max-lr", "0.1", "--epoch-steps", "12", "--plot", "out.png"]
    assert repr(sgdr(0.1, 120)) in shown(words, capsys)
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")


def test_a_warning_when_the_cycle_does_not_fit(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["sgdr", "--max-lr", "0.1", "--T-0", "10ep", "--steps", "1000", "--epoch-steps", "12"]
    assert "does not fit: cycle 9 begins at step 960, 40 steps before the end" in shown(
        words, capsys
    )


def test_lengths_left_out_are_those_of_the_run(capsys: pytest.CaptureFixture[str]) -> None:
    values = json.loads(shown(["one_cycle", "--max-lr", "0.1", "--steps", "50", "--json"], capsys))
    assert values["values"] == [one_cycle(0.1, 50)(step) for step in range(50)]
    words = ["triangular", "--max-lr", "0.1", "--min-lr", "0.01", "--steps", "80"]
    assert repr(triangular(0.1, 0.01, 10, 10)) in shown(words, capsys)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (
            ["one_cycle", "--max-lr", "1", "--total-steps", "90", "--pct-start", "0.4",
             "--anneal-strategy", "linear", "--three-phase"],
            one_cycle(1.0, 90, pct_start=0.4, anneal_strategy="linear", three_phase=True),
        ),
        (
            ["one_cycle", "--max-lr", "1", "--total-steps", "90", "--three-phase", "false"],
            one_cycle(1.0, 90),
        ),
        (
            ["sgdr", "--max-lr", "1", "--T-0", "0.1dur", "--T-mult", "1.5", "--eta-min", "0.1",
             "--warmup-steps", "3", "--steps", "200"],
            sgdr(1.0, 20, T_mult=1.5, eta_min=0.1, warmup_steps=3),
        ),
        (
            ["multi_step", "--lr", "1", "--milestones", "30,8ep", "--epoch-steps", "10"],
            multi_step(1.0, (30, 80)),
        ),
        (["multi_step", "lr=1", "milestones=[30,80]"], multi_step(1.0, (30, 80))),
        (["one_cycle", "max_lr=1", "total_steps=9", "three_phase=False"], one_cycle(1.0, 9)),
    ],
)  # fmt: skip
def test_every_kind_of_parameter(
    words: Words, expected: object, capsys: pytest.CaptureFixture[str]
) -> None:
    assert repr(expected) in shown(words, capsys)


@pytest.mark.parametrize("name", shown_names())
def test_help_has_each_parameter_with_its_meaning_and_default(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(["schedule", name, "--help"])
    assert end.value.code == 0
    text = capsys.readouterr().out
    assert all(len(line) <= 80 for line in text.splitlines())
    _, _, parameters = text.partition(f"parameters of {name}:")
    for entry in fields(SCHEDULES[name]):  # type: ignore[arg-type]
        _, found, said = parameters.partition(f"  {option(entry.name)} ")
        assert found, entry.name
        words = " ".join(said.split("\n  --")[0].split("\n\n")[0].split())
        assert len(words) > 15, words
        if isinstance(entry.default, int | float | str):
            assert f"({entry.default})" in words


def test_the_list_says_what_each_is(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown([], capsys)
    assert all(name in text for name in shown_names())
    listed = json.loads(shown(["--json"], capsys))
    assert listed["step"] == {"lr": None, "step_size": None, "gamma": 0.1}


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["one_cicle"], "did you mean 'one_cycle'?"),
        (["sgdr", "--T0", "10"], "unrecognized arguments: --T0 10; did you mean --T-0?"),
        (["sgdr", "--max_lr", "0.1"], "did you mean --max-lr?"),
        (["sgdr", "--T-0", "ten"], "argument --T-0: a duration must be a number and a unit"),
        (["sgdr", "--T-0", "10.5", "--max-lr", "1"], "whole T_0 >= 1 must hold, got T_0=10.5"),
        (["sgdr", "--max-lr", "0.1"], "sgdr needs T_0, which is not given; add --T-0 ..."),
        (
            ["triangular", "--steps", "9"],
            "triangular needs max_lr, min_lr, which are not given; add --max-lr ... --min-lr ...",
        ),
        (
            ["sgdr", "--max-lr", "0.1", "--T-0", "10ep", "--steps", "100"],
            "10ep needs --epoch-steps, which is not given; add --epoch-steps N",
        ),
        (
            ["sgdr", "--max-lr", "0.1", "--T-0", "0.1dur"],
            "0.1dur needs --steps, which is not given; add --steps N",
        ),
        (["wsd", "--cooldown", "cosin"], "did you mean 'cosine'?"),
        (["one_cycle", "--three-phase", "maybe"], "true or false must hold, got 'maybe'"),
        (["constant", "--lr", "1", "--epoch-steps", "0"], "whole epoch_steps >= 1 must hold"),
        (["sgdr", "rate=1"], "unrecognized arguments: rate=1"),
    ],
)
def test_what_is_wrong_is_refused_with_its_remedy(
    words: Words, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert text in refused(words, capsys)


def test_a_shell_completes_schedules_their_options_and_choices() -> None:
    shtab = pytest.importorskip("shtab", reason="shtab is not installed")
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("bash is not installed")

    def completed(*words: str) -> set[str]:
        line = " ".join(shlex.quote(word) for word in ("lrtool", "schedule", *words))
        ask = f"COMP_WORDS=({line}); COMP_CWORD={len(words) + 1}; _shtab_lrtool"
        script = f'{shtab.complete(build_parser(), "bash")}\n{ask}\necho "${{COMPREPLY[@]}}"'
        done = subprocess.run(
            [bash], input=script, capture_output=True, text=True, check=True
        )  # fmt: skip
        return set(done.stdout.split())

    assert completed("tri") == {"triangular", "triangular2"}
    assert completed("sgdr", "--T") == {"--T-0", "--T-mult"}
    assert completed("wsd", "--cooldown", "") == {"linear", "cosine", "1-sqrt"}
