"""`lrtool schedule` for a run of known length: durations, filled-in lengths, fit."""

import json

import pytest

from lrtool.cli import main
from lrtool.schedules import one_cycle, sgdr


def test_lengths_in_epochs_and_a_warning_when_the_cycle_does_not_fit(
    capsys: pytest.CaptureFixture[str],
) -> None:
    main(["schedule", "sgdr", "max_lr=0.1", "T_0=10ep", "--steps", "1000", "--epoch-steps", "12"])
    shown = capsys.readouterr().out
    assert repr(sgdr(0.1, 120)) in shown
    assert "does not fit: cycle 9 begins at step 960, 40 steps before the end" in shown


def test_lengths_left_out_are_those_of_the_run(capsys: pytest.CaptureFixture[str]) -> None:
    main(["schedule", "one_cycle", "max_lr=0.1", "--steps", "50", "--json"])
    shown = json.loads(capsys.readouterr().out)
    assert shown["values"] == [one_cycle(0.1, 50)(step) for step in range(50)]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["max_lr=0.1", "T_0=10ep", "--steps", "100"], "length of an epoch is unknown"),
        (["max_lr=0.1", "T_0=10ep", "--epoch-steps", "5"], "together with --steps"),
    ],
)
def test_epochs_of_unknown_length_are_refused(
    words: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["schedule", "sgdr", *words]) == 2
    assert text in capsys.readouterr().err
