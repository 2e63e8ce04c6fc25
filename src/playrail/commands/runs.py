"""`playrail runs` and `playrail run`: what was done, by whom, and what came of it, for the
operator: of all callers.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Annotated, Any

import typer

from playrail import catalog
from playrail.commands.recorded import opened_ledger
from playrail.commands.tables import print_table
from playrail.commands.terminal import AsJson, print_json, read_settings
from playrail.errors import UnknownRun
from playrail.history.runs import Run, RunSummary, find_runs, read_run
from playrail.history.transcripts import diff, output
from playrail.safe_text.remote_text import cleaned
from playrail.safe_text.visible import in_one_line

WIDE = 115  # columns in which there is room for the whole time
WHOLE_NAMES = 96  # and for a tool's whole name
NAMED = 3  # hosts in a line of the table
LONGEST_ARGUMENT = 300  # characters; --json has all
COLOURS = {"+": "green", "-": "red", "@": "cyan"}


app = typer.Typer()


@app.command()
def runs(
    *,
    everything: Annotated[
        bool,
        typer.Option(
            "--all",
            help=(
                "All calls: also refused ones, requests to the API, and previews within other "
                "calls."
            ),
        ),
    ] = False,
    host: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only those on this server.")
    ] = None,
    caller: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only those that this caller asked for.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 30,
    as_json: AsJson = False,
) -> None:
    """List the latest runs, the newest first."""
    with opened_ledger(read_settings(quiet=True)) as ledger:
        found = (
            find_runs(ledger, caller=caller, host=host, everything=everything, limit=limit)
            if ledger
            else []
        )
    if as_json:
        print_json(cleaned([asdict(run) for run in found])[0])
        return
    columns = ("when", "run", "caller", "tool", "servers", "outcome", "changed")
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else WIDE
    rows = [_row(run, is_short=width < WIDE) for run in found]
    print_table(columns, rows, whole={"run", "tool"} if width >= WHOLE_NAMES else {"run"})


@app.command()
def run(
    name: Annotated[
        str, typer.Argument(metavar="ID", help="A run, or a call, as `playrail runs` lists them.")
    ],
    *,
    as_json: AsJson = False,
) -> None:
    """Show all that is recorded of a run: who asked, what Ansible did, what changed, and
    how to take it back.
    """
    with opened_ledger(read_settings(quiet=True)) as ledger:
        if ledger is None:
            raise UnknownRun("Nothing is recorded yet.")
        found = read_run(ledger, name)
    if as_json:
        print_json(cleaned(json.loads(json.dumps(asdict(found))))[0])
        return
    _show(found)


def _row(found: RunSummary, *, is_short: bool) -> tuple[str, ...]:
    cells = (
        f"{found.at[5:10]} {found.at[11:16]}" if is_short else f"{found.at[:10]} {found.at[11:19]}",
        found.run or found.call,
        found.caller,
        f"{found.tool} (preview)" if found.preview else found.tool,
        _listed(found.hosts),
        found.outcome,
        _listed(found.changed),
    )
    return tuple(map(in_one_line, cells))


def _listed(hosts: Sequence[str]) -> str:
    more = f" and {len(hosts) - NAMED} more" if len(hosts) > NAMED else ""
    return ", ".join(hosts[:NAMED]) + more


def _show(found: Run) -> None:
    for line in _facts(found):
        typer.echo(in_one_line(line))
    if found.summary.hosts:
        print_table(("server", "result"), [tuple(map(in_one_line, row)) for row in _results(found)])
    if found.tasks or found.text:
        typer.echo("\n".join(output(found)))
    changes = list(diff(found, catalog.kinds()))
    if changes:
        typer.secho("\nwould change" if found.summary.preview else "\nchanged", bold=True)
    for line in changes:
        typer.secho(line, fg=COLOURS.get(line[:1]), bold=line.startswith("# "))
    typer.echo()
    for line in _next_steps(found):
        typer.echo(in_one_line(line))


def _facts(found: Run) -> Iterator[str]:
    summary = found.summary
    kind = ", a preview" if summary.preview else ""
    yield f"{summary.run or summary.call}: {summary.tool} ({summary.risk or 'refused'}{kind})"
    took = f", took {found.duration_ms / 1000:.1f} s" if found.duration_ms is not None else ""
    yield f"asked by {summary.caller} at {summary.at}{took}"
    yield f"outcome: {summary.outcome}" + (f" ({found.error})" if found.error else "")
    if found.plan is not None:
        yield f"carried out {found.plan}"
    for approval in found.approvals:
        yield (
            f"{approval.answer} by {approval.by} ({approval.how}) at {approval.at}: "
            f"{approval.proves or ''}"
        )
    for name, value in found.arguments.items():
        yield f"  {name}: {_shown(value)}"


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return (
        text
        if len(text) <= LONGEST_ARGUMENT
        else f"{text[:LONGEST_ARGUMENT]}… ({len(text)} characters)"
    )


def _results(found: Run) -> Iterator[tuple[str, str]]:
    for host in found.summary.hosts:
        failed = found.failed.get(host)
        changed = "would change" if found.summary.preview else "changed"
        as_it_ended = (
            "ok" if found.summary.outcome == "ok" or found.failed else found.summary.outcome
        )
        yield host, failed or (changed if host in found.summary.changed else as_it_ended)


def _next_steps(found: Run) -> Iterator[str]:
    summary = found.summary
    if found.command is not None:
        yield f"by hand: {found.command}"
    if summary.preview or not summary.changed:
        return
    if found.undone_by is not None:
        yield f"taken back by {found.undone_by}"
    elif found.effects:
        yield (
            f"to take it back: playrail call undo_run run_id={summary.run}, and then "
            "apply_plan with its plan_id"
        )
    else:
        yield "to take it back: not by undo_run; nothing was captured of what it changed"
