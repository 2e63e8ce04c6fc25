"""The command line: `playrail serve` for MCP clients, the other commands for people.

This is the one place where an error becomes a message and an exit status.
"""

from __future__ import annotations

import sys
from typing import Annotated, ClassVar

import typer

from playrail.commands.failing import report
from playrail.commands.lazy import LazyGroup, Place
from playrail.settings.core_dumps import forbid_core_dumps


class Commands(LazyGroup):
    """All commands, in the order in which `--help` lists them."""

    places: ClassVar = {
        "serve": Place("serve", "Serve the tools to an MCP client over standard input and output."),
        "tools": Place(
            "tools", "List the tools that are offered; --json prints them as MCP clients see them."
        ),
        "call": Place(
            "call",
            "Call a tool, as an MCP client does: same rules, same record. Prints the answer as "
            "JSON.",
        ),
        "plans": Place(
            "plans",
            "List the plans that can be applied, of all callers, and whether they wait for "
            "approval.",
        ),
        "plan": Place(
            "plans", "Show a plan whole: what it runs on which hosts, and what would change."
        ),
        "approve": Place(
            "plans",
            "Approve exactly this plan, for an hour. Asks on the terminal, after it has shown "
            "the plan.",
        ),
        "reject": Place("plans", "Reject a plan for good."),
        "inventory": Place(
            "inventory",
            "List the servers that tools may be called on, and those that cannot be used with "
            "the reason.",
        ),
        "doctor": Place(
            "doctor_output",
            "Check this machine, the settings and every server, and say how to mend what is wrong.",
        ),
        "demo": Place(
            "demo",
            "Start the real server on this machine alone, look, make a change and take it back, "
            "and show what happened.",
        ),
        "runs": Place("runs", "List the latest runs, the newest first."),
        "run": Place(
            "runs",
            "Show all that is recorded of a run: who asked, what Ansible did, what changed, and "
            "how to take it back.",
        ),
        "ledger": Place("ledger", "Look after the record of all calls."),
        "policy": Place("policy", "Look at the rules that decide about calls."),
    }


app = typer.Typer(
    name="playrail",
    cls=Commands,
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


def main() -> None:
    """Run the command line; what goes wrong becomes one line on standard error and an exit
    status.
    """
    forbid_core_dumps()
    try:
        app()
    except Exception as error:  # noqa: BLE001  the one place where any becomes a message
        sys.exit(report(error))


def _show_version(wanted: bool) -> None:
    if wanted:
        # No other command needs it, and it takes long to load.
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


if __name__ == "__main__":
    main()
