"""`playrail doctor`: prints what was checked, each as soon as it is known."""

from __future__ import annotations

import os
from dataclasses import asdict

import typer

from playrail.commands.doctor import examine
from playrail.commands.doctor_project import Check
from playrail.commands.failing import FAILED
from playrail.commands.terminal import DOTENV, AsJson, log_to_stderr, print_json, until_done

MARKS = {"ok": ("✓", "green"), "warn": ("!", "yellow"), "fail": ("✗", "red")}

app = typer.Typer()


@app.command()
def doctor(*, as_json: AsJson = False) -> None:
    """Check this machine, the settings and every server, and say how to mend what is wrong."""
    log_to_stderr("ERROR")
    checks = until_done(_examine(show=not as_json))
    if as_json:
        print_json([asdict(check) for check in checks])
    if any(check.state == "fail" for check in checks):
        raise typer.Exit(FAILED)


async def _examine(*, show: bool) -> list[Check]:
    checks = []
    async for check in examine(os.environ, dotenv=DOTENV):
        checks.append(check)
        if show:
            mark, colour = MARKS[check.state]
            typer.echo(f"{typer.style(mark, fg=colour)} {check.name}: {check.found}")
            if check.mend:
                typer.echo(f"    → {check.mend}")
    return checks
