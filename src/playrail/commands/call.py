"""`playrail call`: a tool, as an MCP client calls it."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from playrail.calls.answers import Answer
from playrail.calls.asking import Question, Said
from playrail.calls.caller import CLI
from playrail.commands.arguments import Pairs, ToolName, arguments_of
from playrail.commands.failing import FAILED
from playrail.commands.terminal import print_json, read_settings, until_done
from playrail.door.door import Playrail
from playrail.ledger.entries import Ended
from playrail.settings.settings import Settings

app = typer.Typer()


@app.command(
    epilog="Example: playrail call read_file server=web1 path=/etc/hostname limit=10",
)
def call(
    tool: ToolName,
    arguments: Pairs = None,
    *,
    text: Annotated[
        str | None,
        typer.Option(
            "--json",
            metavar="JSON",
            help="All arguments as one JSON object; - reads it from stdin.",
        ),
    ] = None,
) -> None:
    """Call a tool, as an MCP client does: same rules, same record. Prints the answer as
    JSON.
    """
    given = arguments_of(tool, arguments or []) if text is None else _object(text, arguments or [])
    answer = until_done(_call(read_settings(), tool, given))
    print_json(answer.envelope())
    if answer.problem is not None:
        raise typer.Exit(FAILED)


def _object(text: str, pairs: list[str]) -> dict[str, Any]:
    if pairs:
        raise typer.BadParameter("give the arguments either as --json or as KEY=VALUE, not both")
    try:
        given = json.loads(sys.stdin.read() if text == "-" else text)
    except ValueError as error:
        raise typer.BadParameter(f"--json: is not JSON ({error})") from None
    if not isinstance(given, dict):
        raise typer.BadParameter("--json: is not a JSON object")
    return given


async def _call(settings: Settings, tool: str, given: Mapping[str, Any]) -> Answer:
    async with Playrail(settings, environ=os.environ) as playrail:
        try:
            return await playrail.call(tool, given, caller=CLI, progress=_progress, ask=_ask)
        except asyncio.CancelledError:
            typer.echo("playrail: interrupted; ending the work on the hosts …", err=True)
            server = (await playrail.open()).server
            await playrail.close()
            for record in playrail.ledger.read(server=server, kinds=(Ended.KIND,)):
                became = Ended.of_body(record["body"]).error or "The call had ended by itself."
                typer.echo(f"{became} (record {record['call']})", err=True)
            raise


async def _ask(question: Question) -> Said:
    """Ask whoever sits at the terminal, as the user of an MCP client is asked."""
    if not sys.stdin.isatty():
        return Said.CANNOT
    typer.echo(question.text, err=True)
    approved = await asyncio.to_thread(typer.confirm, "Carry out this plan?", err=True)
    return Said.APPROVED if approved else Said.DECLINED


async def _progress(done: float, task: str) -> None:
    if sys.stderr.isatty():
        typer.echo(f"… {done} {task}", err=True)
