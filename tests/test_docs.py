"""The documentation: it builds, asks nothing of any server, and all that it shows works."""

import importlib
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from support.commands import check_command
from support.markdown import Block, blocks, run_python
from support.reader import session

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
PUBLIC = ["lrtool", "lrtool.callbacks", "lrtool.optimizers", "lrtool.plotting", "lrtool.schedules",
          "lrtool.search", "lrtool.stopping"]  # fmt: skip


def name_of(page: Path) -> str:
    return page.relative_to(DOCS).as_posix()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("docs") / "site"
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT, capture_output=True, text=True, check=False,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    return folder


# Lightning calls jsonargparse the old way.
@pytest.mark.filterwarnings("ignore::jsonargparse._deprecated.JsonargparseDeprecationWarning")
@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_python_blocks_run(page: Path) -> None:
    run_python(page, session())


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_names_in_the_text_exist(page: Path) -> None:
    for name in re.findall(r"`(lrtool(?:\.\w+)+)", page.read_text(encoding="utf-8")):
        resolve(name)


def resolve(name: str) -> object:
    """The module or attribute of a dotted name."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        module, _, attribute = name.rpartition(".")
        return getattr(resolve(module), attribute)


def test_a_name_that_does_not_exist_is_found() -> None:
    with pytest.raises(AttributeError, match="plot_everything"):
        resolve("lrtool.plotting.plot_everything")


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_exist(page: Path) -> None:
    for block in blocks(page):
        if block.language == "bash":
            for line in block.text.replace("\\\n", " ").splitlines():
                check_command(line)


@pytest.mark.parametrize(
    "line",
    ["lrtool range-tset x.py:f", "lrtool demo --quick", "make dmeo", "pip install lrtool[x]"],
)
def test_the_check_of_commands_finds_slips(line: str) -> None:
    with pytest.raises(AssertionError):
        check_command(line)


def test_a_block_with_an_error_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Page\n\n```python\nx = 1\n```\n\n```python\nassert x == 2\n```\n")
    with pytest.raises(AssertionError):
        run_python(page, {})
    page.write_text("```python\nprint(1)\n```\n<!-- output -->\n```text\n2\n```\n")
    with pytest.raises(AssertionError, match="other output"):
        run_python(page, {})


def test_a_block_that_needs_a_missing_package_is_compiled_only(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("<!-- needs: no_such_package -->\n```python\nimport no_such_package\n```\n")
    assert run_python(page, {}) == 0
    page.write_text("<!-- needs: no_such_package -->\n```python\nimport\n```\n")
    with pytest.raises(SyntaxError):
        run_python(page, {})


def apart() -> list[Block]:
    return [block for page in PAGES for block in blocks(page) if block.mark == "apart"]


@pytest.mark.parametrize("block", apart(), ids=lambda block: name_of(block.page))
def test_scripts_run(block: Block, tmp_path: Path) -> None:
    Path("reader_session.py").write_text(
        "import sys\n"
        f"sys.path[:0] = [{str(ROOT / 'tests')!r}]\n"
        "from support.reader import session\n"
        "globals().update(session())\n"
    )
    # Lightning leaves its processes' group to the interpreter's end, where gloo may abort.
    Path("script.py").write_text(
        f"from reader_session import *\n{block.text}\n"
        "import torch.distributed\n"
        "if torch.distributed.is_initialized():\n"
        "    torch.distributed.destroy_process_group()\n"
    )
    done = subprocess.run(
        [sys.executable, "script.py"], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr


def test_every_public_name_is_in_the_reference(site: Path) -> None:
    pages = "".join(page.read_text(encoding="utf-8") for page in (site / "api").glob("*.html"))
    anchors = set(re.findall(r'id="(lrtool[\w.]*)"', pages))
    missing = []
    for module in map(importlib.import_module, PUBLIC):
        for name in module.__all__:
            thing = getattr(module, name)
            second_name = isinstance(thing, type) and thing.__name__ != name  # one_cycle = OneCycle
            # A function in a module of its own name is found as that module's.
            homes = {f"{module.__name__}.{name}", f"{module.__name__}.{name}.{name}"}
            if not (inspect.ismodule(thing) or second_name or homes & anchors):
                missing.append(f"{module.__name__}.{name}")
    assert not missing, "add a line ::: NAME to a page of docs/api"


def test_nothing_is_fetched_by_the_reader(site: Path) -> None:
    """Links may lead outside; scripts, styles, fonts and pictures may not."""
    fetched = re.compile(
        r"<(?:script|img|iframe|source|video|audio)[^>]+src=[\"']?(?:https?:)?//[^\"'> ]+"
        r"|<link(?![^>]+rel=[\"']?canonical)[^>]+href=[\"']?(?:https?:)?//[^\"'> ]+"
    )
    for page in site.rglob("*.html"):
        assert not fetched.findall(page.read_text(encoding="utf-8")), page
    for sheet in site.rglob("*.css"):
        assert not re.findall(r"(?:url\([\"']?|@import [\"']?)(?:https?:)?//", sheet.read_text())


def test_pictures_are_drawn_for_both_grounds(site: Path) -> None:
    pages = "".join(page.read_text(encoding="utf-8") for page in site.rglob("*.html"))
    shown = set(re.findall(r"img/([\w-]+)-(?:light|dark)\.svg", pages))
    drawn = {path.stem.rpartition("-")[0] for path in (site / "img").glob("*.svg")}
    assert shown == drawn
    for name in drawn:
        assert pages.count(f"{name}-light.svg") == pages.count(f"{name}-dark.svg")
