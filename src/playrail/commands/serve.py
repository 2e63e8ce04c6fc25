"""`playrail serve`: the tools for an MCP client, over standard input and output."""

from __future__ import annotations

import gc
import os
from functools import partial
from typing import TYPE_CHECKING

import anyio
import typer

from playrail.commands.failing import report
from playrail.commands.terminal import read_settings
from playrail.server.server import serve_stdio
from playrail.settings.settings import Settings

if TYPE_CHECKING:
    from playrail.door.door import Playrail

app = typer.Typer()


@app.command()
def serve() -> None:
    """Serve the tools to an MCP client over standard input and output."""
    gc.disable()  # until the door is made: what is imported meanwhile stays
    anyio.run(serve_stdio, partial(_door, read_settings()))


def _door(settings: Settings) -> Playrail:
    """Make the door in a thread of the server, which has begun to serve; what goes wrong
    ends the process.
    """
    try:
        # The client has its first answer while this is loaded, which takes longest.
        from playrail.door.door import Playrail  # noqa: PLC0415

        playrail = Playrail(settings, environ=os.environ, warm=settings.warm)
    except Exception as error:  # noqa: BLE001  as in main, which cannot be reached from here:
        # the thread that reads standard input cannot be interrupted, and would keep the
        # process alive
        os._exit(report(error))
    gc.freeze()
    gc.enable()
    return playrail
