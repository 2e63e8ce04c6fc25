"""The page that `playrail demo` prints: a line for each step, and with `verbose` all of its
call, play and record.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import typer

LONGEST_TEXT, MOST_ITEMS, MOST_LINES, WIDTH = 160, 4, 24, 100
TITLE_WIDTH, WHY_WIDTH, TOOL_WIDTH, TOLD_WIDTH = 7, 34, 23, 40  # characters


class Page:
    """What one part of the demo prints. A part that runs beside another one keeps its lines
    until `release`.
    """

    def __init__(self, *, verbose: bool, held: bool = False) -> None:
        self._verbose = verbose
        self._held: list[str] | None = [] if held else None
        self.right = True
        self.steps = 0

    def head(self, text: str) -> None:
        """Begins the part."""
        self._print(typer.style(f"\n{text}", bold=True))

    def step(
        self, why: str, tool: str, told: str, *, details: Sequence[tuple[str, str]] = ()
    ) -> None:
        """A step that came to what it must. `details` are titles with texts, for the
        verbose page.
        """
        self.steps += 1
        columns = ((why, WHY_WIDTH), (tool, TOOL_WIDTH), (told, TOLD_WIDTH))
        line = "  ".join(f"{_fitted(text, width):{width}}" for text, width in columns)
        self._print(f" {typer.style('✓', fg='green')} {line.rstrip()}")
        self._detail(details)

    def wrong(self, why: str, reason: str, *, details: Sequence[tuple[str, str]] = ()) -> None:
        """A step that came to something else. Its details are always shown."""
        self.right = False
        self._print(f" {typer.style('✗', fg='red')} {why}: {reason}")
        self._detail(details, always=True)

    def release(self) -> None:
        """Prints what was kept, and from now on prints at once."""
        held, self._held = self._held or [], None
        for line in held:
            self._print(line)

    def _detail(self, details: Sequence[tuple[str, str]], *, always: bool = False) -> None:
        for title, text in details if self._verbose or always else ():
            first, *others = text.splitlines() or [""]
            self._print(f"     {typer.style(f'{title:{TITLE_WIDTH}}', fg='cyan')} {first}")
            for other in others:
                self._print(f"     {' ' * TITLE_WIDTH} {other}")

    def _print(self, line: str) -> None:
        if self._held is None:
            typer.echo(line)
        else:
            self._held.append(line)


def _fitted(text: str, width: int) -> str:
    """The text in one line of at most `width` characters."""
    line = " ".join(text.split())
    return line if len(line) <= width else f"{line[: width - 1]}…"


def shortened(value: Any) -> tuple[str, bool]:
    """JSON text for a page, and whether something was left out; where it was, the text says
    so.
    """
    cut = _cut(value)
    lines = _laid_out(cut, "").splitlines()
    if len(lines) > MOST_LINES:
        lines = [*lines[:MOST_LINES], f"… {len(lines) - MOST_LINES} more lines"]
    return "\n".join(lines), cut != value or len(lines) > MOST_LINES


def _laid_out(value: Any, indent: str) -> str:
    """JSON text in lines that are filled as far as a person can still follow."""
    whole = json.dumps(value, ensure_ascii=False)
    if len(whole) + len(indent) <= WIDTH or not isinstance(value, dict | list):
        return whole
    deeper = f"{indent}  "
    if isinstance(value, dict):
        parts = [
            f"{json.dumps(key, ensure_ascii=False)}: {_laid_out(item, deeper)}"
            for key, item in value.items()
        ]
    else:
        parts = [_laid_out(item, deeper) for item in value]
    lines = [parts[0]]
    for part in parts[1:]:
        together = f"{lines[-1]}, {part}"
        if len(together) + len(deeper) <= WIDTH and "\n" not in together and "{" not in together:
            lines[-1] = together
        else:
            lines.append(part)
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    return f"{opening}\n{deeper}" + f",\n{deeper}".join(lines) + f"\n{indent}{closing}"


def _cut(value: Any) -> Any:
    if isinstance(value, str) and len(value) > LONGEST_TEXT:
        return f"{value[:LONGEST_TEXT]}… {len(value) - LONGEST_TEXT} more characters"
    if isinstance(value, dict):
        return {key: _cut(item) for key, item in value.items()}
    if isinstance(value, list):
        more = [f"… {len(value) - MOST_ITEMS} more"] if len(value) > MOST_ITEMS else []
        return [*map(_cut, value[:MOST_ITEMS]), *more]
    return value
