"""A program of two processes, and what each of them wrote."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

__all__ = ["run_ranks"]

_SET_BY_LIGHTNING = ("MASTER_PORT", "LOCAL_RANK", "NODE_RANK", "WORLD_SIZE")


def run_ranks(
    program: str, folder: Path, *arguments: str, timeout: float = 300
) -> list[dict[str, Any]]:
    """What the two ranks wrote to FOLDER/rankN.json; one that waits for ever fails the test.

    Args:
        program: a script of this folder; it is called with `arguments` and the folder.
        folder: where it runs and writes.
        timeout: seconds.
    """
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MASTER_ADDR": "127.0.0.1"}
    for name in _SET_BY_LIGHTNING:
        environment.pop(name, None)
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name(program)), *arguments, str(folder)],
        env=environment, cwd=folder, capture_output=True, text=True, timeout=timeout, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads((folder / f"rank{rank}.json").read_text()) for rank in (0, 1)]
