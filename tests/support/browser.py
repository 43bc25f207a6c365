"""A real browser without a window, for pages that must open in one."""

import shutil
import subprocess
from pathlib import Path

__all__ = ["CHROMIUM", "dom", "screenshot"]

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--hide-scrollbars",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-features=NetworkTimeServiceQuerying,OptimizationHints",
]


def dom(page: Path, profile: Path, netlog: Path) -> tuple[str, str]:
    """Open `page`; return its DOM after loading and what its console said."""
    done = _run(page, profile, "--dump-dom", "--enable-logging=stderr", f"--log-net-log={netlog}")
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return done.stdout, "\n".join(console)


def screenshot(page: Path, profile: Path, target: Path, size: tuple[int, int]) -> None:
    """Open `page` in a window of `size` and take its picture."""
    _run(page, profile, f"--screenshot={target}", f"--window-size={size[0]},{size[1]}")


def _run(page: Path, profile: Path, *more: str) -> "subprocess.CompletedProcess[str]":
    assert CHROMIUM is not None
    return subprocess.run(
        [CHROMIUM, *_FLAGS, f"--user-data-dir={profile}", *more, page.as_uri()],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
