"""`playrail plans`, `approve`, `reject`: what waits to be carried out, and the operator's
word about it.
"""

from __future__ import annotations

import os
import pwd
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from playrail import catalog
from playrail.calls.bounds import utc_now
from playrail.calls.caller import OPERATOR
from playrail.commands.failing import FAILED, WRONG_USAGE
from playrail.commands.recorded import opened_ledger
from playrail.commands.tables import print_table
from playrail.commands.terminal import AsJson, print_json, read_settings
from playrail.errors import PlanUnusable, UnknownPlan
from playrail.ledger.entries import Body, Closed, PlanMade
from playrail.ledger.ledger import Entry, Ledger
from playrail.plans.plan import Plan
from playrail.plans.recorded import (
    answered,
    closed_in,
    grants_in,
    plan_in,
    plans_in,
    state_in,
)
from playrail.plans.words import in_words
from playrail.safe_text.remote_text import cleaned
from playrail.safe_text.visible import in_one_line

LAST = 4  # letters of a plan's id that the operator types, who has looked at it then

PlanArgument = Annotated[
    str, typer.Argument(metavar="PLAN", help="The plan's id, as in `playrail plans`.")
]


app = typer.Typer()


@app.command()
def plans(
    *,
    every: Annotated[
        bool, typer.Option("--all", help="Also those that were used, closed, or have expired.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List the plans that can be applied, of all callers, and whether they wait for
    approval.
    """
    with opened_ledger(read_settings()) as ledger:
        found = (
            [
                (plan, _state(ledger, plan))
                for plan in plans_in(ledger, now=utc_now(), usable=not every)
            ]
            if ledger
            else []
        )
    if as_json:
        print_json(
            cleaned(
                [
                    {**plan.told(whole=True), "caller": plan.caller, "state": state}
                    for plan, state in found
                ]
            )[0]
        )
        return
    columns = ("plan", "caller", "tools", "hosts", "would change", "state", "expires")
    print_table(columns, [_row(plan, state) for plan, state in found], whole={"plan"})


def _row(plan: Plan, state: str) -> tuple[str, ...]:
    cells = (
        plan.plan_id,
        plan.caller,
        ", ".join(dict.fromkeys(step.tool for step in plan.steps)),
        ", ".join(plan.hosts),
        str(sum(len(changes) for changes in plan.changes.values())),
        state,
        plan.expires_at,
    )
    return tuple(map(in_one_line, cells))


def _state(ledger: Ledger, plan: Plan) -> str:
    """What became of the plan, or what it waits for."""
    if (state := state_in(ledger, plan, now=utc_now())) != "open":
        return state
    if plan.approval == "none":
        return "needs no approval"
    return (
        "approved" if grants_in(ledger, plan, now=utc_now()) else f"waits for the {plan.approval}"
    )


@app.command()
def plan(plan_id: PlanArgument, *, as_json: AsJson = False) -> None:
    """Show a plan whole: what it runs on which hosts, and what would change."""
    with opened_ledger(read_settings()) as ledger:
        found = plan_in(_recorded(ledger), plan_id)
        state = _state(_recorded(ledger), found)
    if as_json:
        print_json(cleaned({**found.told(whole=True), "caller": found.caller, "state": state})[0])
        return
    _show(found)
    typer.echo(state)


@app.command()
def approve(plan_id: PlanArgument) -> None:
    """Approve exactly this plan, for an hour. Asks on the terminal, after it has shown the
    plan.
    """
    _decide(plan_id, approved=True)


@app.command()
def reject(plan_id: PlanArgument) -> None:
    """Reject a plan for good."""
    _decide(plan_id, approved=False)


def _decide(plan_id: str, *, approved: bool) -> None:
    with opened_ledger(read_settings()) as recorded:
        ledger = _recorded(recorded)
        found = plan_in(ledger, plan_id)
        if (closed := closed_in(ledger, plan_id)) is not None:
            raise PlanUnusable(f"{plan_id} was {closed.outcome} already.")
        if found.has_expired(utc_now()):
            raise PlanUnusable(f"{plan_id} has expired at {found.expires_at}.")
        _show(found)
        _confirm(found, "Approve" if approved else "Reject")
        by = _who()
        answer = "approved" if approved else "declined"
        said = answered(found, how="operator", answer=answer, by=by, now=utc_now())
        bodies: list[Body] = [said]
        if not approved:
            bodies.append(Closed(plan=found.plan_id, outcome="rejected", by=by))
        _write(ledger, found, bodies)
    typer.echo(
        f"{found.plan_id} is approved."
        if approved
        else f"{found.plan_id} is rejected; it cannot be applied."
    )


def _who() -> str:
    """The user by the system's own list: the environment may say anything."""
    uid = os.getuid()
    try:
        return f"{pwd.getpwuid(uid).pw_name} (uid {uid})"
    except KeyError:  # as in some containers
        return f"uid {uid}"


def _recorded(ledger: Ledger | None) -> Ledger:
    """Raises UnknownPlan where nothing is recorded yet."""
    if ledger is None:
        raise UnknownPlan("There are no plans: nothing is recorded yet.")
    return ledger


def _confirm(found: Plan, verb: str) -> None:
    """A program that answers by itself is not what an approval is for: only a terminal is
    asked.
    """
    if not sys.stdin.isatty():
        typer.echo(
            (
                "playrail: a plan is approved or rejected by a person on a terminal, and this is "
                "none"
            ),
            err=True,
        )
        raise typer.Exit(WRONG_USAGE)
    last = found.plan_id[-LAST:]
    if (
        typer.prompt(
            f"{verb}? Type the last {LAST} letters of the plan's id", default="", show_default=False
        )
        != last
    ):
        typer.echo("Nothing was done.")
        raise typer.Exit(FAILED)


def _write(ledger: Ledger, found: Plan, bodies: Sequence[Body]) -> None:
    plans = ledger.read(kinds=(PlanMade.KIND,), plan=found.plan_id)
    made_by = next(record["call"] for record in plans)
    tool = found.steps[0].tool
    ledger.append(
        *(
            Entry.of(body, call=made_by, server="-", caller=OPERATOR.name, tool=tool)
            for body in bodies
        )
    )


def _show(found: Plan) -> None:
    typer.echo(in_words(found, catalog.kinds()))
    for host, changes in found.changes.items():
        for change in changes:
            if change.get("diff"):
                typer.echo("\n" + in_one_line(f"{change['kind']} {change['name']} on {host}:"))
                for line in str(change["diff"]).removesuffix("\n").split("\n"):
                    typer.echo(typer.style(line, fg={"+": "green", "-": "red"}.get(line[:1])))
                if change.get("diff_cut"):
                    typer.echo("(the difference is cut here)")
            elif change.get("diff_cut"):
                name = in_one_line(f"{change['kind']} {change['name']} on {host}")
                typer.echo(f"\nTHE DIFFERENCE OF {name} IS TOO LARGE TO BE SHOWN.")
    typer.echo(f"\nhash {found.hash}, expires {found.expires_at}")
