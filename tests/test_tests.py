"""A test that cannot fail is a defect: the slips that no linter reports."""

import ast
from pathlib import Path

import pytest

FILES = sorted(Path(__file__).parent.rglob("*.py"))
COMPARISONS = {"isclose", "allclose", "array_equal", "equal", "is_set"}


def slips(tree: ast.AST) -> list[str]:
    """Comparisons thrown away, displays asserted (always true), skips without a reason."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            name = _name(node.value.func)
            if name in COMPARISONS:
                found.append(f"line {node.lineno}: the result of {name}() is thrown away")
        if isinstance(node, ast.Assert) and isinstance(
            node.test, ast.List | ast.Tuple | ast.ListComp | ast.GeneratorExp
        ):
            found.append(f"line {node.lineno}: asserts a display, which is true whenever not empty")
        if isinstance(node, ast.Call) and _name(node.func) in {
            "skip", "skipif", "xfail", "importorskip",
        }:  # fmt: skip
            reasoned = any(keyword.arg == "reason" for keyword in node.keywords)
            if not reasoned and not (_name(node.func) == "skip" and node.args):
                found.append(f"line {node.lineno}: skips without a reason")
    return found


def _name(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_slips(path: Path) -> None:
    assert not slips(ast.parse(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    "code",
    [
        "np.isclose(a, b)",
        "assert [all(x) for x in y]",
        "assert (a, b)",
        "@pytest.mark.skip()\ndef f(): ...",
        "pytest.importorskip('numpy')",
    ],
)
def test_the_check_itself_finds_slips(code: str) -> None:
    assert slips(ast.parse(code))
