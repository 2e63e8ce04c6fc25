"""Fail the build over a file of more than 400 lines or a function of more than 50: `python
tests/checks/limits.py`.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FILE_LIMIT, FUNCTION_LIMIT = 400, 50
CHECKED = (
    "Makefile",
    "src/**/*.py",
    "tests/**/*.py",
    "tests/**/*.sh",
    "playbooks/**/*.py",
    "playbooks/**/*.yml",
    "roles/**/*.yml",
    "inventory/**/*.yml",
)


def too_long(path: Path, name: str) -> Iterator[str]:
    """Yield a line for the file, and one for each of its functions, that is longer than
    allowed.
    """
    text = path.read_text(encoding="utf-8")
    if (length := len(text.splitlines())) > FILE_LIMIT:
        yield f"{name}: {length} lines, {FILE_LIMIT} are allowed"
    if path.suffix != ".py":
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > FUNCTION_LIMIT:
                yield (
                    f"{name}:{node.lineno}: {node.name} has {length} lines, {FUNCTION_LIMIT} "
                    "are allowed"
                )


def main() -> int:
    """Print what is too long; exit status 1 if anything is."""
    paths = sorted({path for pattern in CHECKED for path in ROOT.glob(pattern)})
    found = [line for path in paths for line in too_long(path, str(path.relative_to(ROOT)))]
    for line in found:
        sys.stdout.write(f"{line}\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
