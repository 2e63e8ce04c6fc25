"""Fail the build over a file of more than 400 lines, a function of more than 50, or a line of
more than 100 characters: `python tests/checks/limits.py`.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FILE_LIMIT, FUNCTION_LIMIT, LINE_LIMIT = 400, 50, 100
# What people write; of these, Markdown and cases of tests may have as many lines as they need.
WRITTEN = (
    *("*.py", "*.yml", "*.yaml", "*.toml", "*.md", "*.sh", "*.j2", "*.cfg"),
    *("Makefile", ".env.example", ".ci/run"),
)
LENGTH_IS_FREE = ("*.md", "*.toml", "tests/*.yml", "src/playrail/ansible/judgements.yml")
# What a program writes, or said once: locks, schemas, recorded answers of Ansible and hosts.
RECORDED = (
    *("uv.lock", "requirements*.lock", "docs/codes.md", "docs/ansible-settings.md"),
    *("tests/cases/schemas/*", "tests/cases/events/*", "tests/cases/failures/*"),
    "tests/cases/tools/*",
)
# A row of a table in Markdown, an address that cannot be broken, a variable of .env.example.
UNBREAKABLE = re.compile(r"\s*\|.*\|\s*|.*https?://\S+|#?[A-Z_]+=.*")
PRAGMA = re.compile(r"  # (?:type: ignore|noqa)\b.*")  # it belongs to its line


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch(name, pattern) for pattern in patterns)


def too_long(path: Path, name: str) -> Iterator[str]:
    """Yield a line for the file, and one for each of its functions and lines, that is longer
    than allowed.
    """
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    if len(lines) > FILE_LIMIT and not _matches(name, LENGTH_IS_FREE):
        yield f"{name}: {len(lines)} lines, {FILE_LIMIT} are allowed"
    shown = False  # what a program prints or reads, in a Markdown page
    for number, line in enumerate(lines, start=1):
        shown ^= path.suffix == ".md" and line.lstrip().startswith("```")
        length = len(PRAGMA.sub("", line))
        if length > LINE_LIMIT and not shown and not UNBREAKABLE.fullmatch(line):
            yield f"{name}:{number}: {length} characters, {LINE_LIMIT} are allowed"
    if path.suffix == ".py":
        yield from _too_long_functions(text, name)


def _too_long_functions(text: str, name: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > FUNCTION_LIMIT:
                yield (
                    f"{name}:{node.lineno}: {node.name} has {length} lines, {FUNCTION_LIMIT} "
                    "are allowed"
                )


def written() -> list[str]:
    """The files that git knows or would add, and that people write."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return sorted(
        name
        for name in listed.stdout.splitlines()
        if _matches(name, WRITTEN) and not _matches(name, RECORDED) and (ROOT / name).is_file()
    )


def main() -> int:
    """Print what is too long; exit status 1 if anything is."""
    found = [line for name in written() for line in too_long(ROOT / name, name)]
    for line in found:
        sys.stdout.write(f"{line}\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
