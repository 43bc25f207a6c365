"""Every notebook runs from top to bottom, and is kept without its outputs."""

from pathlib import Path
from time import perf_counter

import pytest

nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed")
nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed")
pytest.importorskip("ipykernel", reason="ipykernel is not installed")

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def run(path: Path, folder: Path) -> float:
    """Run every cell in `folder`; return the seconds it took."""
    notebook = nbformat.read(path, as_version=4)
    start = perf_counter()
    nbclient.NotebookClient(
        notebook, timeout=400, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    ).execute()
    return perf_counter() - start


def test_there_are_notebooks() -> None:
    assert NOTEBOOKS


@each
def test_it_is_kept_without_outputs(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in cells)


@each
def test_it_reads_as_a_lesson(path: Path) -> None:
    """Words before every picture: no more than two code cells in a row, and a title."""
    kinds = [cell.cell_type for cell in nbformat.read(path, as_version=4).cells]
    assert kinds[0] == "markdown"
    assert "code code code" not in " ".join(kinds)


@each
def test_it_runs_in_fast_mode(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LRTOOL_FAST", "1")
    run(path, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@each
def test_it_runs_in_full_in_under_five_minutes(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LRTOOL_FAST", raising=False)
    assert run(path, tmp_path) < 300
