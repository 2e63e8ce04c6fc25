"""`playrail tools`: what is offered to clients, and why the rest is not."""

from __future__ import annotations

from typing import Annotated

import typer

from playrail.commands.terminal import AsJson, print_json, print_table, read_settings


def tools(
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="Also those that are not offered, with the reason.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List the tools that are offered; --json prints them as MCP clients see them."""
    # Both take long to load, which no other command should wait for
    from playrail import catalog  # noqa: PLC0415
    from playrail.server.schemas import describe  # noqa: PLC0415
    from playrail.tools.offering import absences  # noqa: PLC0415

    settings = read_settings(quiet=True)
    every = catalog.load()
    absent = {name: absence.why for name, absence in absences(every, settings).items()}
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
