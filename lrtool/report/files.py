"""Range tests as files: JSON, CSV, PNG."""

from pathlib import Path
from typing import TYPE_CHECKING

from lrtool.report.sections import draw_range_test

if TYPE_CHECKING:
    from lrtool.families import Family
    from lrtool.result import RangeTestResult

__all__ = ["write_family", "write_range_test"]


def write_range_test(result: "RangeTestResult", folder: Path) -> list[Path]:
    """Write range_test.json, .csv and .png into `folder`, which is made when needed.

    Returns:
        The paths written.
    """
    from lrtool.plotting.style import new_figure, style

    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"range_test.{kind}" for kind in ("json", "csv", "png")]
    result.save(paths[0])
    result.curve.to_csv(paths[1])
    with style():
        figure = new_figure((8.6, 5.2))
        draw_range_test(figure, result)
        figure.savefig(paths[2], dpi=150)
    return paths


def write_family(family: "Family", folder: Path) -> list[Path]:
    """Write range_test.json and .png into `folder`, which is made when needed.

    Returns:
        The paths written.
    """
    from lrtool.plotting.style import new_figure, style

    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"range_test.{kind}" for kind in ("json", "png")]
    family.save(paths[0])
    with style():
        figure = new_figure((8.6, 4.6))
        family.plot(figure.subplots())
        figure.savefig(paths[1], dpi=150)
    return paths
