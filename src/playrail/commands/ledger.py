"""`playrail ledger`: the record of all calls."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from playrail.commands.export import export
from playrail.commands.failing import FAILED
from playrail.commands.recorded import opened_ledger
from playrail.commands.terminal import AsJson, print_json, read_settings
from playrail.ledger.chain import examine
from playrail.settings.state import ledger_file

app = typer.Typer(help="Look after the record of all calls.", no_args_is_help=True)

KnownHead = Annotated[
    str | None,
    typer.Option(
        "--head",
        metavar="SEQ:HASH",
        help="What `ledger head` printed before: it must still be there.",
    ),
]
Days = Annotated[
    float | None,
    typer.Option("--older-than-days", min=0, metavar="N", help="Delete records that are older."),
]
Megabytes = Annotated[
    float | None,
    typer.Option(
        "--larger-than-mb",
        min=0,
        metavar="N",
        help="Delete the oldest until the file has this size.",
    ),
]


@app.command()
def head(*, as_json: AsJson = False) -> None:
    """Print the last record's number, hash and time. Noted elsewhere, it shows later that
    nothing was cut off.

    A cron job does that: playrail ledger head | logger -t playrail
    """
    with opened_ledger(read_settings()) as ledger:
        found = ledger.head() if ledger else None
    if as_json:
        print_json(asdict(found) if found else None)
    elif found:
        typer.echo(f"{found} {found.at}")
    else:
        typer.echo("nothing is recorded yet", err=True)


@app.command()
def verify(known: KnownHead = None, *, as_json: AsJson = False) -> None:
    """Check that no record was altered, moved, or taken out; given an earlier head, that
    none was cut off either.
    """
    settings = read_settings()
    path = ledger_file(settings.state_dir)
    with opened_ledger(settings) as ledger:
        found = ledger.verify(known=known) if ledger else examine([], known=known)
    if as_json:
        print_json({"file": str(path), **asdict(found)})
    elif found.problem is not None:
        typer.echo(f"{path}: {found.problem}", err=True)
    elif found.first is None:
        typer.echo(f"{path}: nothing is recorded yet")
    else:
        pruned = f"; those before {found.first} were pruned" if found.first > 1 else ""
        typer.echo(f"{path}: {found.records} records, the chain holds{pruned}")
    if found.problem is not None:
        raise typer.Exit(FAILED)


@app.command()
def prune(*, older_than_days: Days = None, larger_than_mb: Megabytes = None) -> None:
    """Delete the oldest records, for a cron job. A checkpoint takes their place, so that
    the rest can be verified.

    What calls that have not ended and plans that can still be applied need is kept. A
    pruned run cannot be undone, shown or exported any more, and what it set is not looked
    for by check_drift.
    """
    if older_than_days is None and larger_than_mb is None:
        raise typer.BadParameter(
            "say which records to delete: --older-than-days N, --larger-than-mb N, or both"
        )
    settings = read_settings()
    with opened_ledger(settings) as ledger:
        found = (
            ledger.prune(older_than_days=older_than_days, larger_than_mb=larger_than_mb)
            if ledger
            else None
        )
    typer.echo(
        f"{ledger_file(settings.state_dir)}: {found.records if found else 0} records were deleted"
    )
    for note in found.notes if found else ():
        typer.echo(note)


app.command()(export)
