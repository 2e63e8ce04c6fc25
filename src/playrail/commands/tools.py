"""`playrail tools`: what is offered to clients."""

from __future__ import annotations

import typer

from playrail import catalog
from playrail.commands.tables import print_table
from playrail.commands.terminal import AsJson, print_json
from playrail.server.schemas import describe

app = typer.Typer()


@app.command()
def tools(*, as_json: AsJson = False) -> None:
    """List the tools; --json prints them as MCP clients see them."""
    every = catalog.load()
    if as_json:
        listed = [describe(name, tool) for name, tool in every.items()]
        print_json(
            [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in listed]
        )
        return
    rows = [(name, tool.worst_risk.name.lower(), tool.summary) for name, tool in every.items()]
    print_table(("tool", "risk", "what it does"), rows)
