"""`playrail ledger export`: what calls did, as a playbook."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from playrail.commands.terminal import read_settings
from playrail.settings.state import ledger_file


def _time(text: str) -> datetime:
    """The time in ISO 8601, in UTC when it names no offset."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(
            "is no time in ISO 8601, such as 2026-11-20 or 2026-11-20T15:30:00+01:00"
        ) from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


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
    from playrail import catalog  # noqa: PLC0415
    from playrail.errors import ExportFailed  # noqa: PLC0415
    from playrail.export.export import export as write  # noqa: PLC0415
    from playrail.history.replay import Selection  # noqa: PLC0415
    from playrail.ledger.ledger import Ledger  # noqa: PLC0415

    settings = read_settings()
    path = ledger_file(settings.state_dir)
    if not path.exists():
        raise ExportFailed(f"{path}: nothing is recorded yet.")
    ledger = Ledger(path)
    try:
        selection = Selection(
            since=since, until=until, hosts=host or (), caller=caller, runs=run or ()
        )
        exported = write(
            ledger, selection, directory.absolute(), tools=catalog.load(), settings=settings
        )
    finally:
        ledger.close()
    steps, left_out = exported.replay.steps, exported.replay.left_out
    marked = sum(step.mark is not None for step in steps)
    typer.echo(
        f"{directory / 'site.yml'}: {len(steps)} plays, {marked} of them marked as not idempotent"
    )
    if left_out:
        typer.echo(f"not exported: what {len(left_out)} calls did; README.md has the reasons")
    for name, holds in exported.provide.items():
        typer.echo(f"to provide: {name}, {holds}")
