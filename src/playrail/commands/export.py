"""`playrail ledger export`: what calls did, as a playbook."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from playrail import catalog
from playrail.commands.recorded import opened_ledger
from playrail.commands.terminal import read_settings
from playrail.errors import ExportFailed
from playrail.export.export import Exported
from playrail.export.export import export as write
from playrail.history.replay import Selection
from playrail.settings.state import ledger_file
from playrail.tools.fields import moment


def _time(text: str) -> datetime:
    try:
        return moment(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def export(
    directory: Annotated[
        Path,
        typer.Argument(metavar="DIR", help="The directory to make; it may exist and be empty."),
    ],
    *,
    since: Annotated[
        datetime | None,
        typer.Option(
            parser=_time,
            metavar="TIME",
            help="Only calls from then on; ISO 8601, in UTC by default.",
        ),
    ] = None,
    until: Annotated[
        datetime | None,
        typer.Option(parser=_time, metavar="TIME", help="Only calls that began before then."),
    ] = None,
    host: Annotated[
        list[str] | None, typer.Option(help="Only what was done on this server; may be repeated.")
    ] = None,
    caller: Annotated[str | None, typer.Option(help="Only calls of this caller.")] = None,
    run: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="Only this run; may be repeated.")
    ] = None,
) -> None:
    """Write what calls did as a playbook with an inventory, which plain ansible-playbook
    runs without Playrail.
    """
    settings = read_settings()
    selection = Selection(since=since, until=until, hosts=host or (), caller=caller, runs=run or ())
    with opened_ledger(settings) as ledger:
        if ledger is None:
            raise ExportFailed(f"{ledger_file(settings.state_dir)}: nothing is recorded yet.")
        exported = write(
            ledger, selection, directory.absolute(), tools=catalog.load(), settings=settings
        )
    _print(exported, directory)


def _print(exported: Exported, directory: Path) -> None:
    steps, left_out = exported.replay.steps, exported.replay.left_out
    marked = sum(step.mark is not None for step in steps)
    typer.echo(
        f"{directory / 'site.yml'}: {len(steps)} plays, {marked} of them marked as not idempotent"
    )
    if left_out:
        typer.echo(f"not exported: what {len(left_out)} calls did; README.md has the reasons")
    for name, holds in exported.provide.items():
        typer.echo(f"to provide: {name}, {holds}")
