"""`playrail demo`: the real server, a real MCP client, this machine; it ends with how to
connect an assistant.
"""

from __future__ import annotations

import asyncio
import shlex
import time
from collections.abc import Mapping

import typer

from playrail.demo.changes import show_changes
from playrail.demo.connecting import command, how_to_connect
from playrail.demo.looks import show_looks
from playrail.demo.page import Page


async def demonstrate(environ: Mapping[str, str], *, verbose: bool) -> bool:
    """Run the demonstration on standard output. Return whether everything was as it should
    be.
    """
    started = time.monotonic()
    typer.echo("Playrail's demo: a real server and a real client, on this machine. Half a minute.")
    looks, changes = Page(verbose=verbose), Page(verbose=verbose, held=True)
    beside = asyncio.create_task(show_changes(environ, changes))
    await show_looks(environ, looks)
    changes.release()
    await beside
    if not (looks.right and changes.right):
        typer.echo("\nSomething was not as it should be. `playrail doctor` may know why.")
        return False
    what = "each held to its outcome and to the ledger"
    typer.echo(
        f"\n{looks.steps + changes.steps} steps in {time.monotonic() - started:.0f} s, {what}."
    )
    if not verbose:
        typer.echo(
            f"Every call, play and record of them:  {shlex.quote(str(command()))} demo --verbose"
        )
    typer.echo(how_to_connect(command()))
    return True
