"""Each foreign library is met in one place. Read from the syntax tree, nothing is imported.

Which room may import which: the contracts of import-linter in pyproject.toml.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from worlds.checkout import ROOT

SRC = ROOT / "src"
FILES = sorted((SRC / "playrail").rglob("*.py"))

# Below `import X` is a library, then who may import it.
MET_BY = {
    "ansible": ("ansible",),
    "ansible_runner": ("ansible",),
    "mcp": ("server", "demo"),
    "mcp_types": ("server", "demo"),
    "sqlalchemy": ("ledger",),
    "alembic": ("ledger",),
    "httpx": ("mikrus",),
    "typer": ("cli", "commands", "demo"),
    "rich": ("commands",),
}


def part_of(path: Path) -> str:
    """The module, or package, directly below `playrail` that a file belongs to."""
    return path.relative_to(SRC / "playrail").parts[0].removesuffix(".py")


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """Every dotted name that a file imports with its line, in functions and under
    TYPE_CHECKING too.
    """
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute"
            module = node.module or ""
            deeper = module == "playrail"
            yield from (
                (node.lineno, f"{module}.{alias.name}" if deeper else module)
                for alias in node.names
            )


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SRC)))
def test_a_library_is_met_in_one_place(path: Path) -> None:
    wrong = [
        f"{path.name}:{line}: imports {name}"
        for line, name in imported(path)
        if part_of(path) not in MET_BY.get(name.partition(".")[0], (part_of(path),))
    ]

    assert wrong == []


@pytest.mark.parametrize(
    "path",
    [path for path in FILES if path.name == "__init__.py"],
    ids=lambda path: str(path.relative_to(SRC)),
)
def test_a_package_itself_holds_no_logic(path: Path) -> None:
    body = ast.parse(path.read_text(encoding="utf-8")).body

    assert [type(node).__name__ for node in body if not is_text(node)] == []


def is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def test_the_reading_of_imports_itself(tmp_path: Path) -> None:
    example = tmp_path / "example.py"
    example.write_text(
        "import a.b\nfrom playrail import x, y\nfrom c.d import e\ndef f():\n    from "
        "playrail.z import q\n"
    )

    assert sorted(imported(example)) == [
        (1, "a.b"),
        (2, "playrail.x"),
        (2, "playrail.y"),
        (3, "c.d"),
        (5, "playrail.z"),
    ]
