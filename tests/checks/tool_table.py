"""The table of tools in docs/tools.md, made from the catalogue: `python tests/checks/tool_table.py
[--write | --check]`.

Without an option it prints the table; --write puts it between the markers there;
--check fails when what is there is something else.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from playrail import catalog
from playrail.tools.tool import AnyTool, ApiTool, ByField, PlaybookTool

PAGE = Path(__file__).resolve().parents[2] / "docs" / "tools.md"
START, END = "<!-- tools -->", "<!-- /tools -->"
COMMAND = "python tests/checks/tool_table.py --write"


def tool_table(tools: Iterable[AnyTool]) -> str:
    """A Markdown table with a row per tool; other names of a tool stand in its row."""
    rows = ["| tool | risk | what it does | runs |", "| --- | --- | --- | --- |"]
    rows += [
        "| " + " | ".join(_cells(tool)) + " |"
        for tool in {tool.name: tool for tool in tools}.values()
    ]
    return "\n".join(rows)


def _cells(tool: AnyTool) -> tuple[str, str, str, str]:
    names = f"`{tool.name}`" + "".join(f", also `{alias}`" for alias in tool.aliases)
    return names, _risk(tool), tool.summary.replace("|", r"\|"), _runs(tool)


def _runs(tool: AnyTool) -> str:
    match tool:
        case PlaybookTool():
            return f"[{tool.playbook}](../playbooks/{tool.playbook})"
        case ApiTool():
            return f"the API's `{tool.endpoint}`"
    return "nothing"


def _risk(tool: AnyTool) -> str:
    if not isinstance(tool.risk, ByField):
        return tool.risk.name
    of: dict[str, list[str]] = {}
    for value, risk in tool.risk.cases.items():
        of.setdefault(risk.name, []).append(f"`{str(value).lower()}`")
    cases = "; ".join(
        f"{risk} with {tool.risk.field} {', '.join(values)}" for risk, values in of.items()
    )
    looking = tool.risk.looking
    looks = "" if looking is None else f"; {looking.name} where it only looks"
    return f"{tool.risk.otherwise.name}; {cases}{looks}"


def replaced(page: str, table: str) -> str:
    """`page` with `table` between its markers. Raises ValueError when it has not exactly
    one pair of them.
    """
    if page.count(START) != 1 or page.count(END) != 1 or page.index(START) > page.index(END):
        raise ValueError(
            f"docs/tools.md must hold a line {START} and below it a line {END}, once each"
        )
    return f"{page.partition(START)[0]}{START}\n{table}\n{END}{page.partition(END)[2]}"


def main(arguments: list[str]) -> int:
    table = tool_table(catalog.load().values())
    if arguments not in (["--write"], ["--check"]):
        sys.stdout.write(table + "\n")
        return 0
    page = PAGE.read_text(encoding="utf-8")
    try:
        wanted = replaced(page, table)
    except ValueError as error:
        sys.stderr.write(f"{error}; then run: {COMMAND}\n")
        return 1
    if arguments == ["--write"]:
        PAGE.write_text(wanted, encoding="utf-8")
    elif wanted != page:
        sys.stderr.write(f"docs/tools.md's table of tools is not the catalogue's; run: {COMMAND}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
