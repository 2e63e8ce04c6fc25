"""`playrail tools`: what is offered to clients, and why the rest is not."""

from __future__ import annotations

from typing import Annotated

import typer

from playrail import catalog
from playrail.commands.tables import print_table
from playrail.commands.terminal import AsJson, print_json, read_settings
from playrail.server.schemas import describe
from playrail.tools.offering import absences

app = typer.Typer()


@app.command()
def tools(
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="Also those that are not offered, with the reason.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List the tools that are offered; --json prints them as MCP clients see them."""
    settings = read_settings(quiet=True)
    every = catalog.load()
    unusable = catalog.unusable()
    found = absences(every, settings, needs=catalog.needs(), unusable=unusable)
    absent = {name: absence.why for name, absence in found.items()}
    if everything:
        for name, why in unusable.items():
            typer.echo(f"The plugin {name} cannot be used: {why}.", err=True)
    shown = {name: tool for name, tool in every.items() if everything or name not in absent}
    if as_json:
        listed = [describe(name, shown[name], output=settings.output_schemas) for name in shown]
        told = [one.model_dump(mode="json", by_alias=True, exclude_none=True) for one in listed]
        print_json(
            [{**one, "not_offered": absent.get(one["name"])} for one in told]
            if everything
            else told
        )
        return
    columns = ("tool", "risk", *(("not offered",) if everything else ()), "what it does")
    print_table(
        columns,
        [
            (
                name,
                tool.worst_risk.name.lower(),
                *((absent.get(name, ""),) if everything else ()),
                tool.summary,
            )
            for name, tool in shown.items()
        ],
    )
