"""`playrail demo`: the real server at work on this machine alone."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from playrail.commands.failing import FAILED
from playrail.commands.terminal import until_done
from playrail.demo.demo import demonstrate

app = typer.Typer()


@app.command()
def demo(
    *,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show every call, play, answer and record.")
    ] = False,
) -> None:
    """Start the real server on this machine alone, look, make a change and take it back,
    and show what happened.
    """
    if not until_done(demonstrate(os.environ, verbose=verbose)):
        raise typer.Exit(FAILED)
