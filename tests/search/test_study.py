"""Studies: their total, their memory, and trials that go wrong."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from lrtool.errors import ArgumentError, FileFormatError, UnsupportedError
from lrtool.search import Diverged, Interrupted, Report, TuneResult, measured_space, search
from lrtool.search.locks import FileLocks
from lrtool.search.run import PARAMS, AllFailedError
from lrtool.search.space import LR
from lrtool.search.storage import open_storage
from lrtool.search.study import Definition, load_definition
from lrtool.search.trials import REASON, RETRY_OF
from support.measurements import measurement
from support.search_jobs import KNOBS, check_books, run, space, train, value_of

ROOT = Path(__file__).parents[2]


def go(train_fn: Any = train, n_trials: int | None = 4, **options: Any) -> TuneResult:
    settings: dict[str, Any] = {
        "storage": "study.journal",
        "study_name": "s",
        "n_trials": n_trials,
        "sampler": "random",
        "progress_bar": False,
    }
    return search(train_fn, lambda: Definition(space()), **{**settings, **options})


def states(result: TuneResult) -> list[str]:
    return [trial.state.name for trial in result.study.trials]


def test_F5_total_over_restarts() -> None:
    assert len(go(n_trials=3).study.trials) == 3
    assert len(go(n_trials=5).study.trials) == 5
    again = go(n_trials=5)
    check_books(again.study, 5)


def test_F5_default_total_continues_to_the_stored_one() -> None:
    go(n_trials=22)
    assert len(go(n_trials=None).study.trials) == 22


def test_F5_pruned_and_failed_trials_count() -> None:
    def moody(params: dict[str, Any], report: Report) -> float:
        number = report.trial.number
        if number % 3 == 1:
            raise Diverged("hopeless")
        if number % 3 == 2:
            raise RuntimeError("broken")
        return 1.0

    result = go(moody, n_trials=7)
    assert states(result) == ["COMPLETE", "PRUNED", "FAIL"] * 2 + ["COMPLETE"]


def test_F4_diverged_trials_are_pruned_with_a_reason_and_the_study_goes_on() -> None:
    def sometimes(params: dict[str, Any], report: Report) -> float:
        if report.trial.number == 1:
            return float("nan")
        if report.trial.number == 2:
            report(3, float("inf"))
        return value_of(params)

    result = go(sometimes)
    assert states(result) == ["COMPLETE", "PRUNED", "PRUNED", "COMPLETE"]
    reasons = [trial.user_attrs.get(REASON, "") for trial in result.study.trials]
    assert "the value is nan" in reasons[1]
    assert "became inf at step 3" in reasons[2]


def test_F6_trial_finished_by_somebody_else_is_dropped(caplog: pytest.LogCaptureFixture) -> None:
    def robbed(params: dict[str, Any], report: Report) -> float:
        if report.trial.number == 1:
            report.trial.study.tell(report.trial.number, state=TrialState.FAIL)
        return train(params, report)

    result = go(robbed, n_trials=3)
    assert states(result) == ["COMPLETE", "FAIL", "COMPLETE"]
    assert "trial 1 is dropped" in caplog.text


def test_F7_trial_of_a_dead_worker_is_repeated_with_its_reports() -> None:
    class Gone(BaseException):
        pass

    def dies(params: dict[str, Any], report: Report) -> float:
        report(0, 9.0)
        report.trial.set_user_attr("lrtool:folder", "kept")
        raise Gone  # as a kill would: nobody tells the study

    with pytest.raises(Gone):
        go(dies, n_trials=2)
    result = go(n_trials=2, train_fn=lambda params, report: value_of(params))
    first, second, third = sorted(result.study.trials, key=lambda trial: trial.number)
    repeat = second if RETRY_OF in second.user_attrs else third
    assert first.state == TrialState.FAIL
    assert repeat.user_attrs[RETRY_OF] == 0
    assert repeat.params == first.params
    assert repeat.intermediate_values == {0: 9.0}
    assert repeat.user_attrs["lrtool:folder"] == "kept"
    assert states(result).count("COMPLETE") == 2


def test_a_killed_workers_lease_is_swept_away_and_a_living_ones_is_not(tmp_path: Path) -> None:
    locks = FileLocks(tmp_path / "locks", "s")
    code = (
        "import os; from pathlib import Path; from lrtool.search.locks import FileLocks\n"
        "with FileLocks(Path('locks'), 's').lease('killed'): os.kill(os.getpid(), 9)"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=env, check=False)
    assert len(list((tmp_path / "locks").iterdir())) == 2  # its own, and the study's
    with locks.lease("living"), locks.lease("another"):
        names = {path.stem.partition("-")[2] for path in (tmp_path / "locks").iterdir()}
        assert names == {"study", "living", "another"}
        assert locks.alive("living")
    assert [path.stem.partition("-")[2] for path in (tmp_path / "locks").iterdir()] == ["study"]


def test_trial_whose_workers_keep_dying_is_given_up() -> None:
    class Gone(BaseException):
        pass

    def dies(params: dict[str, Any], report: Report) -> float:
        raise Gone

    for _ in range(6):
        with pytest.raises(Gone):
            go(dies, n_trials=4)
    trials = go(n_trials=4).study.trials
    chains = [t for t in trials if len(t.user_attrs.get("lrtool:history", [])) == 3]
    assert len(chains) == 1
    assert chains[0].state == TrialState.FAIL


def test_F8_sqlite_is_accepted_and_warns_of_several_workers(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/study.db"
    run(url, "s", 2)  # alone: no warning
    home = open_storage(url, "s")
    study = optuna.load_study(storage=home.storage, study_name="s")
    with home.locks.lease("neighbour"):
        with home.locks.mutex():
            study.ask().set_user_attr("lrtool:worker", "neighbour")
        with pytest.warns(UserWarning, match="several workers share a study in SQLite"):
            run(url, "s", 4)
    home.close()


def test_F9_bounds_are_the_studys_whatever_is_measured_later() -> None:
    def define(lr: float) -> Any:
        result = measurement(lr)
        return lambda: Definition(measured_space(result, KNOBS), result)

    options: dict[str, Any] = {"storage": "s.journal", "study_name": "s", "progress_bar": False}
    first = search(train, define(0.01), n_trials=2, **options)
    second = search(train, define(1.0), n_trials=4, **options)
    assert second.space == first.space
    assert second.range_test == first.range_test
    distributions = {str(trial.distributions[LR]) for trial in second.study.trials}
    assert len(distributions) == 1
    stored = load_definition(second.study)
    assert stored.space == first.space


def test_F10_pick_is_trial_0_and_a_restart_does_not_repeat_it() -> None:
    for total in (1, 3, 5):
        result = go(n_trials=total, sampler=None)
    rates = [trial.params[LR] for trial in result.study.trials]
    assert rates.count(rates[0]) == 1
    assert result.params_of(result.study.trials[0]) == space().params(space().start())


def test_F13_identical_twice_and_after_an_interruption() -> None:
    whole = go(n_trials=6, storage="a.journal", sampler=None, seed=7)
    again = go(n_trials=6, storage="b.journal", sampler=None, seed=7)
    go(n_trials=3, storage="c.journal", sampler=None, seed=7)
    parts = go(n_trials=6, storage="c.journal", sampler=None)
    runs = [[trial.params for trial in result.study.trials] for result in (whole, again, parts)]
    assert runs[0] == runs[1] == runs[2]


def test_one_range_test_a_study() -> None:
    calls = []

    def define() -> Definition:
        calls.append(1)
        return Definition(space())

    for total in (1, 2):
        search(
            train, define, storage="s.journal", study_name="s", n_trials=total, progress_bar=False
        )
    assert len(calls) == 1


def test_study_remembers_how_it_was_made() -> None:
    result = go(seed=3, mode="max", monitor="acc", pruner="median")
    attrs = result.study.user_attrs
    settings = attrs["lrtool:settings"]
    assert {k: settings[k] for k in ("seed", "mode", "monitor", "pruner", "sampler")} == {
        "seed": 3, "mode": "max", "monitor": "acc", "pruner": "median", "sampler": "random",
    }  # fmt: skip
    assert {"lrtool", "optuna", "torch", "python"} <= attrs["lrtool:versions"].keys()
    again = go(n_trials=6)
    assert again.study.direction.name == "MAXIMIZE"
    assert type(again.study.pruner).__name__ == "MedianPruner"


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"seed": 4}, "seed must stay.*3.*got 4"),
        ({"mode": "max"}, "mode must stay.*'min'.*got 'max'"),
        ({"sampler": "tpe"}, "sampler must stay.*'random'.*got 'tpe'"),
        ({"settings": {"max_epochs": 9}}, "max_epochs must stay.*None.*got 9"),
    ],
)
def test_contradicting_the_study_is_refused(option: dict[str, Any], message: str) -> None:
    go(n_trials=2, seed=3)
    with pytest.raises(ArgumentError, match=message):
        go(**{"n_trials": 3, **option})


def test_what_is_said_outright_contradicts_though_it_is_the_default() -> None:
    go(n_trials=2, monitor="acc", mode="max", settings={"schedules": ["sgdr"]})
    usual: list[dict[str, Any]] = [
        {"monitor": "val_loss"}, {"mode": "min"}, {"settings": {"schedules": ["one_cycle"]}},
    ]  # fmt: skip
    for options in usual:
        with pytest.raises(ArgumentError, match="must stay what study"):
            go(**options)
    assert len(go(n_trials=3, settings={"schedules": None}).study.trials) == 3


def test_refuses_several_objectives_with_the_reason() -> None:
    optuna.create_study(
        storage=open_storage("m.journal", "s").storage,
        study_name="s",
        directions=["minimize", "minimize"],
    )
    with pytest.raises(UnsupportedError, match="one objective, got 2"):
        go(storage="m.journal")


def test_refuses_a_study_of_somebody_else() -> None:
    study = optuna.create_study(storage=open_storage("o.journal", "s").storage, study_name="s")
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)
    with pytest.raises(FileFormatError, match="new or made by lrtool"):
        go(storage="o.journal")


@pytest.mark.parametrize(
    ("storage", "error", "message"),
    [
        ("ftp://host/x", ArgumentError, "got 'ftp://host/x'"),
        ("notes.txt", FileFormatError, "notes.txt must be an Optuna journal"),
        (".", FileFormatError, "it is a folder"),
    ],
)
def test_refuses_storages(storage: str, error: type[Exception], message: str) -> None:
    Path("notes.txt").write_text("dear diary")
    with pytest.raises(error, match=message):
        go(storage=storage)
    assert Path("notes.txt").read_text() == "dear diary"


def test_refuses_names_and_numbers() -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        ({"n_trials": 0}, "n_trials=0"),
        ({"mode": "lowest"}, "mode must be one of"),
        ({"pruner": "medain"}, "did you mean 'median'"),
        ({"sampler": "tpee"}, "did you mean 'tpe'"),
    ]
    for options, message in cases:
        with pytest.raises(ArgumentError, match=message):
            go(**options)


def test_study_that_only_fails_stops_and_says_why() -> None:
    def broken(params: dict[str, Any], report: Report) -> float:
        raise ZeroDivisionError("by zero")

    with pytest.raises(AllFailedError, match="ZeroDivisionError: by zero"):
        go(broken, n_trials=50)


def test_a_worker_with_nothing_left_to_do_leaves_hope_to_the_others() -> None:
    def diverges(params: dict[str, Any], report: Report) -> float:
        raise Diverged("hopeless")

    def while_another_looks_in(params: dict[str, Any], report: Report) -> float:
        other = go(diverges, n_trials=2)
        assert other.finished
        assert not other.any_finished
        return value_of(params)

    assert states(go(while_another_looks_in, n_trials=2)) == ["COMPLETE", "PRUNED"]


def test_a_study_without_a_finished_trial_says_why() -> None:
    def diverges(params: dict[str, Any], report: Report) -> float:
        raise Diverged("loss is not finite")

    with pytest.raises(UnsupportedError, match="the last one: loss is not finite; mend"):
        go(diverges, n_trials=2)


def test_an_error_of_ours_ends_the_search() -> None:
    def refused(params: dict[str, Any], report: Report) -> float:
        raise UnsupportedError("a scheduler already moves the rate")

    with pytest.raises(UnsupportedError, match="already moves"):
        go(refused, n_trials=50)


def test_a_refused_set_up_costs_no_trial_and_the_first_is_still_the_pick() -> None:
    def refused(params: dict[str, Any], report: Report) -> float:
        raise ArgumentError("monitor must be a logged metric, got 'val_los'")

    for _ in range(2):
        with pytest.raises(ArgumentError, match="val_los"):
            go(refused, sampler=None)
    result = go(sampler=None)
    assert states(result).count("COMPLETE") == 4
    pick = space().params(space().start())
    assert pick in [result.params_of(t) for t in result.study.trials if t.state.is_finished()]
    reasons = [row["reason"] for row in result.trials if row["state"] == "FAIL"]
    assert len(reasons) == 2
    assert all("val_los" in reason and "repeats it" in reason for reason in reasons)
    assert not any(row["reason"] for row in result.trials if row["state"] == "COMPLETE")


@pytest.mark.parametrize("sampler", [None, "priorband", "tpe", "gp", "cmaes", "random"])
def test_a_trials_parameters_are_pythons_own(sampler: str | None) -> None:
    """A checkpoint that keeps numpy's among its hyperparameters is one that torch refuses."""
    if sampler == "cmaes":
        pytest.importorskip("cmaes", reason="cmaes is not installed")
    seen: set[type] = set()

    def look(params: dict[str, Any], report: Report) -> float:
        seen.update(map(type, params.values()))
        return value_of(params)

    go(look, n_trials=10, sampler=sampler)
    assert seen <= {float, int, str, bool}


def test_half_a_line_in_the_journal_is_mended() -> None:
    go(n_trials=3)
    with open("study.journal", "ab") as file:
        file.write(b'{"op_code": 5, "worker_i')  # killed while writing
    result = go(n_trials=5)
    check_books(result.study, 5)


def test_result_tells_the_whole_story() -> None:
    result = go(n_trials=5, seed=0)
    assert result.finished
    assert result.best_value == min(row["value"] for row in result.trials)
    assert result.best_params == result.best_trial.user_attrs[PARAMS]
    assert {"max_lr", "momentum", "weight_decay"} <= result.best_params.keys()
    assert [row["state"] for row in result.trials] == ["COMPLETE"] * 5
    assert "ParamScheduler" in result.snippet()
    assert f"{result.best_value:.6g}" in str(result)
    assert result.best_checkpoint is None
    assert "max_lr" in result._repr_html_()
    page = result.report("report.html").read_text(encoding="utf-8")
    assert "<html" in page
    assert "max_lr" in page


def test_a_terminal_sees_the_best_so_far_and_the_time_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    go(n_trials=2, progress_bar=True)
    assert capsys.readouterr().err == ""  # not a terminal
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    result = go(n_trials=4, progress_bar=True)
    shown = capsys.readouterr().err.split("\r")
    assert "2/4" in shown[1]  # goes on where it stopped
    assert "4/4" in shown[-1]
    assert f"best {result.best_value:.4g}" in shown[-1]
    assert re.search(r"\d\d:\d\d<\d\d:\d\d", shown[-1])


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_optunas_own_plots_draw_the_study() -> None:
    from optuna.visualization import matplotlib as plots

    study = go(n_trials=8, seed=0).study
    space_names = set(space().priors)
    assert plots.plot_optimization_history(study).get_ylabel() == "Objective Value"
    # Every coordinate has its axis.
    assert plots.plot_parallel_coordinate(study).get_xticklabels()
    labels = {one.get_text() for one in plots.plot_param_importances(study).get_yticklabels()}
    assert labels == space_names


def test_report_says_in_a_line_what_became_of_each_trial() -> None:
    def moody(params: dict[str, Any], report: Report) -> float:
        number = report.trial.number
        if number == 1:
            raise Diverged("diverged: <loss> is not finite")
        if number == 2:
            raise RuntimeError("broken\nin two lines")
        if number == 3:
            raise Interrupted
        return value_of(params)

    go(moody, n_trials=5)
    result = go(moody, n_trials=5)
    page = result.report("report.html").read_text(encoding="utf-8")
    assert "(3 complete, 1 pruned, 1 failed, 1 repeated)" in page
    assert "<p>trial 1: diverged: &lt;loss&gt; is not finite</p>" in page
    assert "<p>trial 2: RuntimeError: broken</p>" in page
    assert "<p>trial 3: it was stopped, or its worker died; trial 4 repeats it</p>" in page
    assert "Traceback" not in page


def test_interrupted_training_function_is_queued_again() -> None:
    def stops(params: dict[str, Any], report: Report) -> float:
        if report.trial.number == 1:
            raise Interrupted
        return value_of(params)

    result = go(stops, n_trials=4)
    assert not result.finished
    done = go(n_trials=4)
    assert done.finished
    assert states(done).count("COMPLETE") == 4


def test_a_trial_may_be_interrupted_as_often_as_one_likes() -> None:
    def stops(params: dict[str, Any], report: Report) -> float:
        raise Interrupted

    for _ in range(6):
        assert not go(stops, n_trials=1).finished
    done = go(n_trials=1)
    assert done.finished
    assert states(done) == ["FAIL"] * 6 + ["COMPLETE"]
    assert done.trials[0]["reason"].endswith("trial 1 repeats it")


def test_an_error_in_the_wake_of_a_stop_fails_no_trial() -> None:
    """As of a loader whose worker processes got the same signal."""

    def stopped(params: dict[str, Any], report: Report) -> float:
        signal.raise_signal(signal.SIGINT)
        raise RuntimeError("DataLoader worker (pid 7) is killed by signal: Terminated")

    assert not go(stopped, n_trials=2).finished
    done = go(n_trials=2)
    assert [row["state"] for row in done.trials] == ["FAIL", "COMPLETE", "COMPLETE"]
    assert done.trials[0]["reason"].endswith("trial 1 repeats it")


def test_ctrl_c_finishes_the_running_trial_and_exits_cleanly(tmp_path: Path) -> None:
    code = (
        "import support.search_jobs as j; j.PAUSE = 0.2; import logging; logging.basicConfig();"
        "r = j.run('study.journal', 's', 500); print('finished', r.finished)"
    )
    env = {**os.environ, "PYTHONPATH": f"{ROOT / 'tests'}:{ROOT}"}
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, env=env, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    journal = tmp_path / "study.journal"
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and not (
        journal.exists() and journal.read_bytes().count(b'"intermediate_value"') >= 3
    ):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "finished False" in out
    assert "stopping after trial" in err
    study = optuna.load_study(storage=open_storage(str(journal), "s").storage, study_name="s")
    assert {trial.state for trial in study.trials} == {TrialState.COMPLETE}
