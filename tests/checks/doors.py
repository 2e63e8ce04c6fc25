"""A contract for import-linter: a room is entered by its doors alone."""

from __future__ import annotations

from typing import Any

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output

ROOT = "playrail"


class Doors(Contract):
    """`doors` are lines such as `ledger: ledger entries`: a room, and what others may import;
    a room may have several lines.
    """

    doors = fields.ListField(subfield=fields.StringField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:  # noqa: ARG002
        """Find the imports that enter a room by another module than its doors."""
        table = _table(self.doors)  # type: ignore[arg-type]  # a list by now
        broken = [
            f"{importer} imports {imported}, which is no door of {room}"
            for room, doors in table.items()
            for imported in sorted(graph.find_descendants(room))
            if imported not in doors
            for importer in sorted(graph.find_modules_that_directly_import(imported))
            if not importer.startswith(f"{room}.")
        ]
        return ContractCheck(kept=not broken, metadata={"broken": broken})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Print each of these imports."""
        for line in check.metadata["broken"]:
            output.print_error(line)


def _table(lines: list[Any]) -> dict[str, set[str]]:
    """Each room with its doors, by their whole names."""
    table: dict[str, set[str]] = {}
    for line in lines:
        room, _, names = line.partition(":")
        doors = table.setdefault(f"{ROOT}.{room}", set())
        doors |= {f"{ROOT}.{room}.{name}" for name in names.split()}
    return table
