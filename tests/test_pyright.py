"""A user's editor finds no fault with a script that uses the public names (mypy: `make lint`)."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CHECKER = shutil.which("basedpyright", path=Path(sys.executable).parent) or shutil.which(
    "basedpyright"
)
SCRIPT = (Path(__file__).parent / "support" / "user_script.py").read_text(encoding="utf-8")


def errors(folder: Path, script: str) -> list[str]:
    """What pyright in its strict mode finds in `script`."""
    (folder / "train.py").write_text(script, encoding="utf-8")
    # An editable install is found by a hook of the interpreter's, which no checker runs.
    config = {"typeCheckingMode": "strict", "extraPaths": [str(ROOT)], "include": ["train.py"]}
    (folder / "pyrightconfig.json").write_text(json.dumps(config), encoding="utf-8")
    assert CHECKER is not None
    words = [CHECKER, "--outputjson", "--pythonpath", sys.executable]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True)
    report = json.loads(done.stdout)
    assert report["summary"]["filesAnalyzed"] == 1
    return [f"{one.get('rule')}: {one['message']}" for one in report["generalDiagnostics"]]


@pytest.mark.skipif(CHECKER is None, reason="basedpyright is not installed")
def test_pyright_is_content_with_a_users_script(tmp_path: Path) -> None:
    assert errors(tmp_path, SCRIPT) == []


@pytest.mark.skipif(CHECKER is None, reason="basedpyright is not installed")
def test_pyright_sees_the_types(tmp_path: Path) -> None:
    (found,) = errors(tmp_path, SCRIPT + "\nwrong: str = result.lr\n")
    assert found.startswith("reportAssignmentType")
