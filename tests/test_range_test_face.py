"""The result as a person meets it: a number, a picture, a callback, and nothing else needed."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import lrtool
from lrtool import RangeTestResult
from lrtool.callbacks import LRRangeTest
from lrtool.errors import FileFormatError
from support.results import a_result, no_pick
from support.tiny import TinyModel, tiny_loader, tiny_trainer

TESTS = Path(__file__).parent


def in_a_new_process(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=TESTS, capture_output=True, text=True, check=True
    )
    return done.stdout


def test_G1_plot_takes_axes_returns_axes_and_never_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("show() was called")

    monkeypatch.setattr(plt, "show", refuse)
    monkeypatch.setattr(Figure, "show", refuse)
    plt.close("all")
    own = Figure().subplots()
    assert a_result().plot(own) is own
    assert plt.get_fignums() == []
    assert isinstance(a_result().plot(), Axes)
    assert isinstance(no_pick().plot(), Axes)
    plt.close("all")


def test_G1_measuring_needs_no_matplotlib() -> None:
    code = """
import sys
import pytorch_lightning  # its torchmetrics takes matplotlib where there is one
known = {"matplotlib", *(name for name in sys.modules if name.startswith("matplotlib."))}
sys.modules.update(dict.fromkeys(known))  # from here on importing it fails
import lrtool
from support.tiny import TinyModel, tiny_loader
options = {"accelerator": "cpu", "enable_progress_bar": False}
result = lrtool.range_test(
    TinyModel(), tiny_loader(), min_lr=1e-5, max_lr=1.0, num_steps=20, trainer_kwargs=options
)
print(repr(result.num_steps))
"""
    assert in_a_new_process(code).split()[-1] == "20"


def test_G1_plots_without_a_display() -> None:
    code = """
import os
os.environ.pop("DISPLAY", None), os.environ.pop("MPLBACKEND", None)
from support.results import a_result
a_result().plot().get_figure().savefig(os.devnull, format="png")
print("drawn")
"""
    assert in_a_new_process(code).split()[-1] == "drawn"


def test_G2_the_rate_is_a_float_and_the_result_is_json() -> None:
    result = lrtool.range_test(
        TinyModel(), tiny_loader(), num_steps=60, trainer_kwargs={"accelerator": "cpu"}
    )
    assert [type(rate) for rate in (result.lr, result.min_lr, result.max_lr)] == [float] * 3
    for one in (result, no_pick()):
        text = json.dumps(one.to_dict(), allow_nan=False)
        assert repr(RangeTestResult.from_dict(json.loads(text))) == repr(one)


@pytest.mark.parametrize(
    "damage",
    [
        {"format": "another"},
        {"applied": None, "curve": {"lr": [0.0], "loss": [1.0], "passes": [0]}},
        {"suggestion": {**a_result().suggestion.to_dict(), "interval": [1.0]}},
        {"suggestion": {**a_result().suggestion.to_dict(), "status": "sure"}},
    ],
)
def test_a_damaged_file_is_named(damage: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text(json.dumps({**a_result().to_dict(), **damage}), encoding="utf-8")
    with pytest.raises(FileFormatError, match=re.escape(f"{path} must be a file written by")):
        RangeTestResult.load(path)


def test_G10_a_callback_is_all_that_is_handed_over() -> None:
    """What a library that builds the Trainer itself lets through: keyword arguments for it."""

    class Forecaster:
        """Owns model, data and Trainer; passes `pl_trainer_kwargs` on and shows none of them."""

        def __init__(self, pl_trainer_kwargs: dict[str, Any]) -> None:
            self._kwargs = pl_trainer_kwargs

        def fit(self) -> None:
            tiny_trainer(max_epochs=1, **self._kwargs).fit(model, tiny_loader())

    model = TinyModel()
    assert not hasattr(model, "lr")
    assert not hasattr(model, "learning_rate")
    finder = LRRangeTest(min_lr=1e-6, max_lr=10.0, num_steps=60)
    Forecaster(pl_trainer_kwargs={"callbacks": [finder]}).fit()
    assert isinstance(finder.result, RangeTestResult)
    assert finder.result.applied == finder.result.suggestion.has_pick
