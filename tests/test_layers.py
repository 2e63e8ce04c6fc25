"""Imports go one way, and each foreign library is met in one place. Read from the syntax
tree, nothing is imported.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SRC = Path(__file__).resolve().parents[1] / "src"
FILES = sorted((SRC / "playrail").rglob("*.py"))

# Top to bottom. A module may import those of its own row and of the rows below. A package
# stands for all it holds.
ROWS = (
    ("cli",),
    ("commands",),
    ("server", "demo", "doctor"),
    ("doctor_project",),
    ("door",),
    ("drift",),
    ("undo",),
    ("planning",),
    ("parts",),
    ("engines", "export"),
    ("policy_file", "policy_limits", "policy_doubts"),
    ("policy", "policy_entries"),
    ("catalog",),
    ("runs", "replay", "folding", "transcripts"),
    ("plan_words",),
    ("plans", "steps"),
    ("calls", "toolsets"),
    ("tools",),
    ("key_material",),
    ("ansible",),
    ("hosts", "ledger", "mikrus"),
    ("safe_text",),
    ("settings",),
    ("errors", "canonical", "tasks"),
)
ROW = {name: number for number, row in enumerate(ROWS) for name in row}
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


def is_in_a_row(path: Path) -> bool:
    return part_of(path) != "__init__"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SRC)))
def test_imports_go_down(path: Path) -> None:
    part = part_of(path)
    wrong = []
    for line, name in imported(path):
        head, _, rest = name.partition(".")
        if head != "playrail" or not is_in_a_row(path):
            continue
        target = rest.partition(".")[0]
        if target not in ROW or part not in ROW:
            wrong.append(f"{path.name}:{line}: {part} or {target} has no row in ROWS")
        elif ROW[target] < ROW[part]:
            wrong.append(f"{path.name}:{line}: {part} imports {target}, which is above it")

    assert wrong == []


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
