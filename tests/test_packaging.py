"""What ships: the wheel and the sdist, built and used away from the checkout."""

import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(
        [*map(str, command)], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what git would hand out, so that building leaves nothing in the real checkout."""
    folder = tmp_path_factory.mktemp("checkout")
    listed = run("git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", cwd=ROOT)
    for name in filter(None, listed.split("\0")):
        source, target = ROOT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_symlink():
            target.symlink_to(source.readlink())
        elif source.is_file():
            target.write_bytes(source.read_bytes())
    return folder


@pytest.fixture(scope="module")
def built(checkout: Path) -> Path:
    """A folder with the sdist, and the wheel built from it."""
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", "dist", cwd=checkout)
    return checkout / "dist"


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python of a new environment that holds the wheel, and sees this one's other packages.

    A folder named in a .pth file is searched, but its own .pth files are not read: the editable
    install of the checkout stays invisible there.
    """
    folder = tmp_path_factory.mktemp("env")
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    (wheel,) = built.glob("*.whl")
    run(python, "-m", "pip", "install", "--quiet", "--no-deps", wheel, cwd=folder)
    site = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder)
    (Path(site.strip()) / "rest.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


def test_wheel_holds_callbacks_once_and_only_inside(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"lrtool"}
    assert "lrtool/py.typed" in names
    assert len(names) == len(set(names))
    shipped = {name for name in names if name.endswith(".py")}
    tree = {path.relative_to(ROOT).as_posix() for path in (ROOT / "lrtool").rglob("*.py")}
    tree |= {
        f"lrtool/{path.relative_to(ROOT).as_posix()}" for path in (ROOT / "callbacks").rglob("*.py")
    }
    assert shipped == tree


def test_sdist_holds_the_callbacks(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert "callbacks/range_test.py" in names
    assert "LICENSE" in names


def test_wheel_imports_from_the_root_folder(installed: Path) -> None:
    code = "import lrtool, lrtool.callbacks as c; print(lrtool.__file__, c.LRRangeTest.__module__)"
    where, module = run(installed, "-c", code, cwd=Path("/")).split()
    assert installed.parents[1] in Path(where).parents
    assert module == "lrtool.callbacks.range_test"


def test_demo_runs_from_the_wheel_and_leaves_one_folder(installed: Path, tmp_path: Path) -> None:
    command = installed.parent / "lrtool"
    run(command, "demo", "--fast", "--out", "shown", cwd=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["shown"]
    assert list((tmp_path / "shown").glob("*.html"))


@pytest.mark.slow
def test_wheel_installs_with_its_dependencies_in_an_empty_environment(
    built: Path, tmp_path: Path
) -> None:
    venv.create(tmp_path / "env", with_pip=True)
    python = tmp_path / "env" / "bin" / "python"
    (wheel,) = built.glob("*.whl")
    pip = (python, "-m", "pip", "install", "--quiet")
    run(*pip, "torch==2.13.0", cwd=tmp_path)
    run(*pip, "--constraint", ROOT / "constraints.txt", wheel, cwd=tmp_path)
    run(python, "-c", "import lrtool.callbacks", cwd=Path("/"))
