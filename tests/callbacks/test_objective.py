"""Small parts of the search's objective: how long a rung is, and which folders stay."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from lrtool.callbacks._trial_folder import drop_losers, folder_for
from lrtool.callbacks.objective import _Shorten


@pytest.mark.parametrize(("share", "steps"), [(1 / 9, 2), (1 / 3, 5), (0.01, 1), (1.0, None)])
def test_a_rung_is_the_nearest_whole_number_of_steps_and_at_least_one(
    share: float, steps: int | None
) -> None:
    loop = SimpleNamespace(epoch_loop=SimpleNamespace(max_steps=None))
    trainer: Any = SimpleNamespace(
        max_steps=-1, max_epochs=2, num_training_batches=8, callbacks=[], lightning_module=None,
        accumulate_grad_batches=1, fit_loop=loop,
    )  # fmt: skip
    _Shorten(share).on_train_start(trainer, trainer)
    assert trainer.fit_loop.epoch_loop.max_steps == steps


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("../../x", "%2E.%2F..%2Fx"),
        ("..", "%2E%2E"),
        ("/x", "%2Fx"),
        ("é 1.5-b", "é 1.5-b"),
        ("a%2Fb", "a%252Fb"),
    ],
)
def test_a_trials_folder_lies_below_out_whatever_the_study_is_called(
    name: str, folder: str, tmp_path: Path
) -> None:
    trial = optuna.create_study(study_name=name).ask()
    assert folder_for(trial, tmp_path / "a" / "b").parent == tmp_path / "a" / "b" / folder


@pytest.mark.parametrize(
    ("mode", "value", "left"),
    [("max", 0.95, {"now"}), ("max", 0.7, {"b"}), ("min", 0.3, {"now"}), ("min", 0.7, {"a"})],
)
def test_of_all_finished_trials_the_best_keeps_its_folder(
    mode: str, value: float, left: set[str], tmp_path: Path
) -> None:
    study = optuna.create_study(direction="maximize" if mode == "max" else "minimize")
    for name, finished in (("a", 0.5), ("b", 0.9)):
        (tmp_path / name).mkdir()
        attrs = {"lrtool:folder": str(tmp_path / name)}
        study.add_trial(create_trial(value=finished, user_attrs=attrs))
    (tmp_path / "now").mkdir()
    study.ask().set_user_attr("lrtool:folder", str(tmp_path / "now"))
    drop_losers(study, {str(tmp_path / "now"): value})
    assert {path.name for path in tmp_path.iterdir()} == left


def test_the_best_is_a_complete_trial_and_the_others_go_however_they_ended(tmp_path: Path) -> None:
    study = optuna.create_study()
    states = {
        "complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL,
        "stopped": TrialState.FAIL, "at work": TrialState.RUNNING, "queued": TrialState.WAITING,
    }  # fmt: skip
    folders = {name: str(tmp_path / name) for name in states}
    for name, state in states.items():
        Path(folders[name]).mkdir()
        value = {"complete": 0.5, "pruned": 0.1}.get(name)
        attrs = {"lrtool:folder": folders[name]}
        study.add_trial(create_trial(state=state, value=value, user_attrs=attrs))
    repeat = create_trial(
        state=TrialState.WAITING, user_attrs={"lrtool:folder": folders["stopped"]}
    )
    study.add_trial(repeat)
    drop_losers(study)
    left = {"complete", "stopped", "at work", "queued"}
    assert {path.name for path in tmp_path.iterdir()} == left
