"""In a real notebook kernel: pictures while the sweep goes, and a cell run again."""

from pathlib import Path
from typing import Any

import pytest

nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed")
nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed")
pytest.importorskip("ipykernel", reason="ipykernel is not installed")

TESTS = Path(__file__).parents[1]

SETUP = """
import lrtool
from lrtool.callbacks import LiveCurve, LRRangeTest
from support.tiny import TinyModel, tiny_loader, tiny_trainer

def sweep(callback):
    return lrtool.range_test(
        TinyModel(), tiny_loader(), min_lr=1e-5, max_lr=1.0, num_steps=8,
        trainer_kwargs={"accelerator": "cpu", "callbacks": [callback]},
    )
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """(cells) -> the outputs of each, from one kernel; errors are outputs too."""
    monkeypatch.setenv("PYTHONPATH", str(TESTS))

    def run(*cells: str) -> list[list[Any]]:
        notebook = nbformat.v4.new_notebook(cells=[*map(nbformat.v4.new_code_cell, cells)])
        nbclient.NotebookClient(
            notebook, timeout=120, kernel_name="python3", allow_errors=True,
            resources={"metadata": {"path": str(tmp_path)}},
        ).execute()  # fmt: skip
        return [cell.outputs for cell in notebook.cells]

    return run


def printed(outputs: list[Any]) -> str:
    """What a cell printed, or its error."""
    return "".join(o.get("text", "") or "\n".join(o.get("traceback", ())) for o in outputs)


def pictures(outputs: list[Any]) -> list[set[str]]:
    """The kinds of data in each displayed output."""
    return [set(o.data) for o in outputs if o.output_type == "display_data"]


def test_a_widget_is_drawn_in_place_and_a_picture_stays(run: Any) -> None:
    pytest.importorskip("ipywidgets", reason="ipywidgets is not installed")
    watch = """
import ipywidgets
made, drawn = [], []
def watch(widget):
    if isinstance(widget, ipywidgets.Image):
        made.append(widget)
        widget.observe(lambda change: drawn.append(change.new), "value")
ipywidgets.Widget.on_widget_constructed(watch)
"""
    shown = run(
        SETUP + watch,
        "steps = sweep(LiveCurve(every=1e-9)).num_steps",
        "print(len(made), len(drawn) in (steps, steps + 1), made[0].comm)",
    )
    assert printed(shown[2]) == "1 True None\n"  # one, drawn every step, closed
    assert pictures(shown[1]) == [{"image/png", "text/plain"}]


def test_without_ipywidgets_the_output_is_replaced(run: Any) -> None:
    shown = run(
        SETUP + "import sys\nsys.modules['ipywidgets'] = None  # importing it fails",
        "sweep(LiveCurve(every=1e-9));",
    )
    assert pictures(shown[1]) == [{"image/png", "text/plain"}]


def test_G7_an_interrupted_cell_runs_again_in_the_same_kernel(run: Any) -> None:
    cell = """
finder = LRRangeTest(min_lr=1e-5, max_lr=1.0, num_steps=20)
trainer = tiny_trainer(callbacks=[finder], max_epochs=1)
trainer.fit(model, tiny_loader())
print(finder.result.num_steps, finder.result.curve.stop_reason.value)
"""
    setup = """
import os, signal, time
seen = []  # not on the model: a sweep puts the model's attributes back
class Slow(TinyModel):
    def training_step(self, batch, batch_idx):
        seen.append(batch_idx)
        if len(seen) == 7:  # as the notebook's stop button does
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(5)
        return super().training_step(batch, batch_idx)
model = Slow()
before = {name: value.clone() for name, value in model.state_dict().items()}
"""
    same = "print(all(v.equal(before[k]) for k, v in model.state_dict().items()))"
    shown = run(SETUP + setup, cell, same, cell)
    assert [o.ename for o in shown[1] if o.output_type == "error"] in (
        ["KeyboardInterrupt"], ["SystemExit"],
    )  # fmt: skip
    assert printed(shown[2]) == "True\n"
    assert printed(shown[3]).endswith("20 completed\n")
