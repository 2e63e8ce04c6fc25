"""What a command prints when it fails, and the exit status that says the same."""

from __future__ import annotations

import os
import traceback

import typer

from playrail.errors import PlayrailError, SettingsInvalid

FAILED, WRONG_USAGE, INTERRUPTED = 1, 2, 130


def report(error: Exception) -> int:
    """Print what went wrong to standard error; returns the exit status that says the same."""
    if isinstance(error, SettingsInvalid):
        typer.echo(f"playrail: {error}", err=True)
        return WRONG_USAGE
    if isinstance(error, PlayrailError):
        typer.echo(f"playrail: {error}\n{error.problem.hint}", err=True)
    elif os.environ.get("LOG_LEVEL", "").strip().upper() == "DEBUG":
        traceback.print_exception(error)
    else:
        typer.echo(
            f"playrail: failed unexpectedly ({type(error).__name__}); LOG_LEVEL=DEBUG shows where",
            err=True,
        )
    return FAILED
