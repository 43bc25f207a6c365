"""The page in a real browser: it loads, is silent, asks the network for nothing, fits a phone."""

import json
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from support.browser import CHROMIUM, dom, screenshot
from support.pages import nasty_page

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")


@pytest.fixture
def document(tmp_path: Path) -> Path:
    path = tmp_path / "report.html"
    path.write_text(nasty_page(), encoding="utf-8")
    return path


def test_it_loads_in_silence_and_asks_for_nothing(document: Path, tmp_path: Path) -> None:
    netlog = tmp_path / "net.json"
    loaded, console = dom(document, tmp_path / "profile", netlog)
    assert console == ""
    assert "To run it again" in loaded
    assert loaded.count("<img") == 5
    asked = {
        urlsplit(event["params"]["url"]).netloc
        for event in json.loads(netlog.read_text())["events"]
        if "url" in event.get("params", {})
    }
    # The browser asks its maker for updates; without scripts a page can only ask what it names.
    assert not [host for host in asked if host and host in loaded]


@pytest.mark.parametrize("width", [1100, 700, 375], ids=["desk", "tablet", "phone"])
def test_it_fits_the_window(document: Path, tmp_path: Path, width: int) -> None:
    """Nothing reaches beyond the right edge of a window of that width."""
    import matplotlib.image
    import numpy as np

    # No window is narrower than 500 pixels; a frame inside one is.
    frame = tmp_path / "frame.html"
    style = f"border:0;width:{width}px;height:3000px"
    frame.write_text(
        f'<body style="margin:0;background:#0f0"><iframe src="{document.name}" style="{style}">'
    )
    target = tmp_path / "page.png"
    screenshot(frame, tmp_path / "profile", target, (width + 200, 3000))
    pixels = matplotlib.image.imread(target)[:, :width, :3]
    margin = pixels[:, -8:]
    assert np.all(margin == 1.0)
    assert np.any(pixels[:, : width // 2] != 1.0)
