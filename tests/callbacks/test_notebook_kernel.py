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


INTERRUPTED = """
finder = LRRangeTest(min_lr=1e-5, max_lr=1e-2, num_steps=20)  # too low to diverge
trainer = tiny_trainer(callbacks=[finder], max_epochs=1)
trainer.fit(model, tiny_loader())
print(finder.result.num_steps, finder.result.curve.stop_reason.value)
"""
# By name, in this order: what is taken away stays away, so that it comes at the end.
CELLS = {
    "setup": SETUP,
    "slow model": """
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
""",
    "interrupted": INTERRUPTED,
    "same weights": "print(all(v.equal(before[k]) for k, v in model.state_dict().items()))",
    "again": INTERRUPTED,
    "watch": """
import ipywidgets
made, drawn = [], []
def watch(widget):
    if isinstance(widget, ipywidgets.Image):
        made.append(widget)
        widget.observe(lambda change: drawn.append(change.new), "value")
ipywidgets.Widget.on_widget_constructed(watch)
""",
    "with ipywidgets": "steps = sweep(LiveCurve(every=1e-9)).num_steps",
    "watched": "print(len(made), len(drawn) in (steps, steps + 1), made[0].comm)",
    "take it away": "import sys\nsys.modules['ipywidgets'] = None  # importing it fails",
    "without ipywidgets": "sweep(LiveCurve(every=1e-9));",
}


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """What each cell showed, errors included, all from one kernel: one is slow to start."""
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(code) for code in CELLS.values()]
    )
    folder = str(tmp_path_factory.mktemp("notebook"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(TESTS))
        nbclient.NotebookClient(
            notebook, timeout=120, kernel_name="python3", allow_errors=True,
            resources={"metadata": {"path": folder}},
        ).execute()  # fmt: skip
    return {name: cell.outputs for name, cell in zip(CELLS, notebook.cells, strict=True)}


def printed(outputs: list[Any]) -> str:
    """What a cell printed, or its error."""
    return "".join(o.get("text", "") or "\n".join(o.get("traceback", ())) for o in outputs)


def pictures(outputs: list[Any]) -> list[set[str]]:
    """The kinds of data in each displayed output."""
    return [set(o.data) for o in outputs if o.output_type == "display_data"]


def test_a_widget_is_drawn_in_place_and_a_picture_stays(shown: dict[str, list[Any]]) -> None:
    pytest.importorskip("ipywidgets", reason="ipywidgets is not installed")
    assert printed(shown["watched"]) == "1 True None\n"  # one, drawn every step, closed
    assert pictures(shown["with ipywidgets"]) == [{"image/png", "text/plain"}]


def test_without_ipywidgets_the_output_is_replaced(shown: dict[str, list[Any]]) -> None:
    assert pictures(shown["without ipywidgets"]) == [{"image/png", "text/plain"}]


def test_G7_an_interrupted_cell_runs_again_in_the_same_kernel(shown: dict[str, list[Any]]) -> None:
    assert [o.ename for o in shown["interrupted"] if o.output_type == "error"] in (
        ["KeyboardInterrupt"], ["SystemExit"],
    )  # fmt: skip
    assert printed(shown["same weights"]) == "True\n"
    assert printed(shown["again"]).endswith("20 completed\n")
