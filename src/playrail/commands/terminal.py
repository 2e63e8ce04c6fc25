"""What the commands share: settings, logging, and printing for people and programs."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
from collections.abc import Collection, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from playrail.safe_text.visible import visible_json
from playrail.settings.state import ledger_file

if TYPE_CHECKING:
    from playrail.ledger.ledger import Ledger
    from playrail.settings.settings import Settings

DOTENV = Path(".env")
FAILED, WRONG_USAGE, INTERRUPTED = 1, 2, 130
WIDE = 200  # columns

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]

T = TypeVar("T")


def read_settings(*, quiet: bool = False) -> Settings:
    from playrail.settings.settings import Settings  # noqa: PLC0415

    log_to_stderr("ERROR" if quiet else "WARNING")
    settings = Settings.load(os.environ, dotenv=DOTENV)
    if not quiet:
        log_to_stderr(settings.log_level)
    if settings.dotenv is not None:
        logging.getLogger(__name__).info("settings were read from %s", settings.dotenv)
    return settings


@contextmanager
def opened_ledger(settings: Settings) -> Iterator[Ledger | None]:
    """The ledger; None where nothing is recorded yet, and nothing is made by looking."""
    from playrail.ledger.ledger import Ledger  # noqa: PLC0415

    path = ledger_file(settings.state_dir)
    if not path.exists():
        yield None
        return
    ledger = Ledger(path)
    try:
        yield ledger
    finally:
        ledger.close()


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
        assert task is not None  # noqa: S101  this is a coroutine that runs
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await work

    try:
        return asyncio.run(cancellable())
    except (KeyboardInterrupt, asyncio.CancelledError):
        raise typer.Exit(INTERRUPTED) from None


def print_json(value: Any) -> None:
    typer.echo(visible_json(json.dumps(value, indent=2, ensure_ascii=False)))


def print_table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], *, whole: Collection[str] = ()
) -> None:
    """Print the rows. Cells are wrapped where a terminal is too narrow, those in the
    columns `whole` last of all.
    """
    from rich import box  # noqa: PLC0415
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Column, Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    headed = (Column(name, overflow="fold", no_wrap=name in whole) for name in columns)
    table = Table(*headed, box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for row in rows:
        table.add_row(*map(Text, row))
    # Where a program reads it, it is not wrapped at 80 columns.
    Console(width=None if sys.stdout.isatty() else WIDE).print(table)
