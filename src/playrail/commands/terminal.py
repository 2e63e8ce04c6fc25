"""What every command may need: settings, logging, an end in order, JSON for programs."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from playrail.commands.failing import INTERRUPTED
from playrail.safe_text.visible import visible_json
from playrail.settings.settings import Settings

DOTENV = Path(".env")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]

T = TypeVar("T")


def read_settings(*, quiet: bool = False) -> Settings:
    log_to_stderr("ERROR" if quiet else "WARNING")
    settings = Settings.load(os.environ, dotenv=DOTENV)
    if not quiet:
        log_to_stderr(settings.log_level)
    if settings.dotenv is not None:
        logging.getLogger(__name__).info("settings were read from %s", settings.dotenv)
    return settings


def log_to_stderr(level: str) -> None:
    """Log Playrail's own messages from `level` on; other libraries' only from WARNING on,
    unless debugging.
    """
    logging.basicConfig(
        format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr, force=True
    )
    logging.getLogger().setLevel(
        level if level == "DEBUG" else max(logging.WARNING, logging.getLevelName(level))
    )
    logging.getLogger("playrail").setLevel(level)


def until_done(work: Coroutine[Any, Any, T]) -> T:
    """Run `work`; Ctrl-C and SIGTERM cancel it, and it ends in order before the process
    does.
    """

    async def cancellable() -> T:
        task = asyncio.current_task()
        assert task is not None  # this is a coroutine that runs
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await work

    try:
        return asyncio.run(cancellable())
    except (KeyboardInterrupt, asyncio.CancelledError):
        raise typer.Exit(INTERRUPTED) from None


def print_json(value: Any) -> None:
    typer.echo(visible_json(json.dumps(value, indent=2, ensure_ascii=False)))
