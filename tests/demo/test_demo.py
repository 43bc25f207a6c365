"""The demo: every number measured, everything in one folder."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("sklearn", reason="scikit-learn, the demo's data, is not installed")

import lrtool
from lrtool.demo.data import digits
from lrtool.demo.model import DigitsNet
from lrtool.demo.run import run
from lrtool.demo.settings import Settings
from lrtool.result import RangeTestResult


def short(folder: Path) -> Settings:
    return Settings(folder / "shown", seed=0, epochs=2, trials=2, trial_epochs=1)


def test_it_writes_one_folder_and_prints_what_it_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = short(tmp_path)
    numbers = run(settings, command="lrtool demo")
    assert [path.name for path in tmp_path.iterdir()] == ["shown"]

    result = RangeTestResult.load(settings.out / "range_test.json")
    assert (result.lr, result.max_lr) == (numbers["range_test"]["lr"], result.max_lr)
    assert (settings.out / "range_test.png").read_bytes().startswith(b"\x89PNG")

    shown = capsys.readouterr().out
    page = (settings.out / "report.html").read_text(encoding="utf-8")
    assert str(settings.out) in shown
    assert result.suggestion.reason in shown
    values = [one["val_loss"] for one in numbers["training"].values()]
    values += [one["best_value"] for one in numbers["search"].values()]
    assert len(values) == 4
    for value in values:
        assert f"{value:.4g}" in shown
        assert f"{value:.4g}" in page
    json.dumps(numbers)


def test_run_twice_it_measures_again_and_finds_the_same(tmp_path: Path) -> None:
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    settings = short(tmp_path)
    first, second = (run(settings, command="lrtool demo") for _ in range(2))
    storage = JournalStorage(JournalFileBackend(str(settings.journal)))
    for name, one in second["search"].items():
        study = optuna.load_study(study_name=name, storage=storage)
        assert len(study.trials) == settings.trials
        assert study.best_value == one["best_value"]
    first.pop("seconds")
    second.pop("seconds")
    assert first == second


def test_a_search_that_was_stopped_ends_the_demo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tune = lrtool.tune
    monkeypatch.setattr(
        "lrtool.tune", lambda *data, **options: replace(tune(*data, **options), finished=False)
    )
    settings = short(tmp_path)
    with pytest.raises(KeyboardInterrupt, match="shown"):
        run(settings, command="lrtool demo")
    assert (settings.out / "range_test.json").exists()
    assert not (settings.out / "report.html").exists()


def test_what_else_is_in_the_folder_stays(tmp_path: Path) -> None:
    settings = short(tmp_path)
    settings.out.mkdir()
    (settings.out / "study.journal").write_text("somebody's work")
    settings.clear()
    assert [path.name for path in settings.out.iterdir()] == ["study.journal"]


def test_both_trainings_see_the_same_batches_from_the_same_weights() -> None:
    import torch

    def first(seed: int) -> tuple[Any, Any]:
        torch.manual_seed(seed)
        return DigitsNet(), next(iter(digits(seed=seed)[0]))

    (model, batch), (again, same), (_, other) = first(0), first(0), first(1)
    assert torch.equal(batch[0], same[0])
    assert not torch.equal(batch[0], other[0])
    pairs = zip(model.parameters(), again.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_the_digits_are_split_without_overlap() -> None:
    train, val = digits(seed=3)
    rows = [{tuple(x.flatten().tolist()) for x in loader.dataset.tensors[0]}  # type: ignore[attr-defined]
            for loader in (train, val)]  # fmt: skip
    assert len(rows[0]) + len(rows[1]) <= 1797
    assert not rows[0] & rows[1]
    assert [len(loader.dataset) for loader in (train, val)] == [1437, 360]  # type: ignore[arg-type]


def test_the_default_is_the_optimizer_s_own() -> None:
    import inspect

    import torch

    default = inspect.signature(torch.optim.AdamW).parameters["lr"].default
    assert DigitsNet().configure_optimizers().param_groups[0]["lr"] == default
