"""The command line: `playrail serve` for MCP clients, the other commands for people.

Heavy imports are inside the commands that need them: an MCP client waits for `serve` to
answer. This is the one place where an error becomes a message and an exit status.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import traceback
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from playrail.calls.caller import CLI
from playrail.commands import export, ledger, plans, policy, runs
from playrail.commands.arguments import Pairs, ToolName, arguments_of
from playrail.commands.terminal import (
    DOTENV,
    FAILED,
    WRONG_USAGE,
    AsJson,
    log_to_stderr,
    print_json,
    print_table,
    read_settings,
    until_done,
)
from playrail.errors import PlayrailError, SettingsInvalid
from playrail.settings.core_dumps import forbid_core_dumps

if TYPE_CHECKING:
    from playrail.calls.answers import Answer
    from playrail.calls.asking import Question, Said
    from playrail.door.door import Playrail
    from playrail.settings.settings import Settings

MARKS = {"ok": ("✓", "green"), "warn": ("!", "yellow"), "fail": ("✗", "red")}

app = typer.Typer(
    name="playrail",
    help=(
        "Guard rails for the plays an assistant runs: an MCP server that operates servers "
        "through Ansible.\n\n"
        "Settings come from the environment and from a .env file in the working directory."
    ),
    epilog="Exit status: 0 fine · 1 the tool failed, or something was found wrong · "
    "2 wrong usage or wrong settings · 130 interrupted.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(ledger.app, name="ledger")
ledger.app.command(name="export")(export.export)
app.add_typer(policy.app, name="policy")


def main() -> None:
    """Run the command line; what goes wrong becomes one line on standard error and an exit
    status.
    """
    forbid_core_dumps()
    try:
        app()
    except Exception as error:  # noqa: BLE001  the one place where any becomes a message
        sys.exit(_told(error))


def _told(error: Exception) -> int:
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


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version  # noqa: PLC0415

        typer.echo(f"playrail {version('playrail')}")
        raise typer.Exit


@app.callback()
def _options(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    del version  # its callback has done the work


@app.command()
def serve() -> None:
    """Serve the tools to an MCP client over standard input and output."""
    # What is imported stays, and looking for garbage in it takes a seventh of the start
    gc.disable()
    settings = read_settings()
    import anyio  # noqa: PLC0415

    from playrail.server.server import serve_stdio  # noqa: PLC0415

    anyio.run(serve_stdio, partial(_door, settings))


def _door(settings: Settings) -> Playrail:
    """Make the door in a thread of the server, which has begun to serve; what goes wrong
    ends the process.
    """
    try:
        from playrail.door.door import Playrail  # noqa: PLC0415

        playrail = Playrail(settings, environ=os.environ, warm=settings.warm)
    except Exception as error:  # noqa: BLE001  as in main, which cannot be reached from here:
        status = _told(error)
        # The thread that reads standard input cannot be interrupted, and would keep the
        # process alive
        os._exit(status)
    gc.freeze()
    gc.enable()
    return playrail


@app.command()
def tools(*, as_json: AsJson = False) -> None:
    """List the tools; --json prints them as MCP clients see them."""
    from playrail import catalog  # noqa: PLC0415

    if as_json:
        from playrail.server.schemas import describe  # noqa: PLC0415

        listed = [describe(name, tool) for name, tool in catalog.load().items()]
        print_json(
            [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in listed]
        )
        return
    rows = [
        (name, tool.worst_risk.name.lower(), tool.summary) for name, tool in catalog.load().items()
    ]
    print_table(("tool", "risk", "what it does"), rows)


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
    from playrail.door.door import Playrail  # noqa: PLC0415

    async with Playrail(settings, environ=os.environ) as playrail:
        try:
            return await playrail.call(tool, given, caller=CLI, progress=_progress, ask=_ask)
        except asyncio.CancelledError:
            typer.echo("playrail: interrupted; ending the work on the hosts …", err=True)
            server = (await playrail.open()).server
            await playrail.close()
            for record in playrail.ledger.read(server=server):
                if record["kind"] == "ended":
                    became = record["body"].get("error") or "The call had ended by itself."
                    typer.echo(f"{became} (record {record['call']})", err=True)
            raise


async def _ask(question: Question) -> Said:
    """Ask whoever sits at the terminal, as the user of an MCP client is asked."""
    from playrail.calls.asking import Said  # noqa: PLC0415

    if not sys.stdin.isatty():
        return Said.CANNOT
    typer.echo(question.text, err=True)
    approved = await asyncio.to_thread(typer.confirm, "Carry out this plan?", err=True)
    return Said.APPROVED if approved else Said.DECLINED


async def _progress(done: float, task: str) -> None:
    if sys.stderr.isatty():
        typer.echo(f"… {done} {task}", err=True)


for command in (plans.plans, plans.plan, plans.approve, plans.reject):
    app.command()(command)


@app.command()
def inventory(*, as_json: AsJson = False) -> None:
    """List the servers that tools may be called on, and those that cannot be used with the
    reason.
    """
    settings = read_settings(quiet=True)
    hosts, unusable = until_done(_inventory(settings))
    if as_json:
        print_json({"hosts": hosts, "unusable": unusable, "default": settings.default_server})
        return
    columns = ("server", "address", "port", "user", "connection", "groups")
    print_table(columns, [tuple(_cell(host[column]) for column in columns) for host in hosts])
    if settings.default_server is not None:
        typer.echo(f"default: {settings.default_server}")
    if unusable:
        print_table(("cannot be used", "why"), list(unusable.items()))


async def _inventory(settings: Settings) -> tuple[list[dict[str, Any]], dict[str, str]]:
    from playrail.ansible.content.places import content_root  # noqa: PLC0415
    from playrail.ansible.inventory.inventory import Inventory  # noqa: PLC0415

    source = Inventory(settings, content_root())
    try:
        known = await source.hosts()
    finally:
        source.close()
    shown = ("address", "port", "user", "connection", "tier", "tags")
    hosts = [
        {
            "server": host.name,
            "groups": list(host.groups),
            **{name: getattr(host, name) for name in shown},
        }
        for host in known.hosts.values()
        if host.name not in settings.failed_servers
    ]
    failed = {name: server.reason for name, server in settings.failed_servers.items()}
    return hosts, {**failed, **known.refused}


def _cell(value: Any) -> str:
    return ", ".join(value) if isinstance(value, list) else "" if value is None else str(value)


@app.command()
def doctor(*, as_json: AsJson = False) -> None:
    """Check this machine, the settings and every server, and say how to mend what is wrong."""
    log_to_stderr("ERROR")
    checks = until_done(_examine(show=not as_json))
    if as_json:
        print_json([asdict(check) for check in checks])
    if any(check.state == "fail" for check in checks):
        raise typer.Exit(FAILED)


async def _examine(*, show: bool) -> list[Any]:
    from playrail.commands.doctor import examine  # noqa: PLC0415

    checks = []
    async for check in examine(os.environ, dotenv=DOTENV):
        checks.append(check)
        if show:
            mark, colour = MARKS[check.state]
            typer.echo(f"{typer.style(mark, fg=colour)} {check.name}: {check.found}")
            if check.mend:
                typer.echo(f"    → {check.mend}")
    return checks


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
    from playrail.demo.demo import demonstrate  # noqa: PLC0415

    if not until_done(demonstrate(os.environ, verbose=verbose)):
        raise typer.Exit(FAILED)


app.command()(runs.runs)
app.command()(runs.run)


if __name__ == "__main__":
    main()
