"""`playrail policy`: what the policy says, and why."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Annotated, Any

import typer

from playrail import catalog
from playrail.ansible.inventory.inventory import Inventory
from playrail.calls.bounds import Bounds
from playrail.calls.call import Call
from playrail.calls.caller import Caller
from playrail.commands.arguments import Pairs, ToolName, arguments_of
from playrail.commands.failing import FAILED
from playrail.commands.tables import print_table
from playrail.commands.terminal import read_settings, until_done
from playrail.door.door import Playrail
from playrail.door.understanding import Understood
from playrail.errors import UnknownTool
from playrail.hosts import Host, Hosts
from playrail.policy.doubts import doubts
from playrail.policy.file import read_policy
from playrail.policy.limits import of_caller, of_host
from playrail.policy.rules import Policy, Rule
from playrail.safe_text.visible import in_one_line
from playrail.settings.content import content_root
from playrail.settings.settings import Settings
from playrail.tools.tool import DirectTool

NO_POLICY = (
    "There is no policy (PLAYRAIL_POLICY): reads are allowed, and changes with "
    "ENABLE_WRITE_OPERATIONS=1."
)

app = typer.Typer(help="Look at the rules that decide about calls.", no_args_is_help=True)


@app.command()
def check() -> None:
    """Read the policy as the start does, show its rules, and name what it means and the
    inventory does not have.

    The exit status is 1 where it means something that is not there, or a host's tier or
    tags cannot be read.
    """
    settings = read_settings(quiet=True)
    policy = _policy(settings)
    if policy is None:
        typer.echo(f"{NO_POLICY} {_switch(settings)}")
        return
    print_table(("line", "rule", "matches", "then"), [_row(rule) for rule in policy.rules])
    limits = [(f"the caller {name}", _limits(limited)) for name, limited in policy.callers.items()]
    limits += [(f"the host {name}", _limits(limited)) for name, limited in policy.hosts.items()]
    if limits:
        print_table(("limited", "to"), limits)
    typer.echo(_switch(settings))
    found = list(doubts(policy, until_done(_hosts(settings))))
    for doubt in found:
        typer.echo(f"! {in_one_line(doubt)}", err=True)
    if found:
        raise typer.Exit(FAILED)


@app.command(
    epilog="Example: playrail policy explain manage_service server=web1 name=nginx action=restart"
)
def explain(
    tool: ToolName,
    arguments: Pairs = None,
    *,
    caller: Annotated[
        str, typer.Option(help="Who calls: local is the assistant, cli is `playrail call`.")
    ] = "local",
    at: Annotated[
        datetime | None,
        typer.Option(
            help="When, by this machine's clock; now, if it is left out.",
            formats=["%Y-%m-%dT%H:%M"],
        ),
    ] = None,
) -> None:
    """Tell which rule decides about a call, and why those before it do not. Nothing is run."""
    settings = read_settings(quiet=True)
    now = (at or datetime.now()).astimezone()  # noqa: DTZ005  the operator's own clock
    given = arguments_of(tool, arguments or [])
    policy, understood = until_done(_understood(settings, tool, given, caller=caller, now=now))
    for line in _explained(policy, understood):
        typer.echo(line)


async def _understood(
    settings: Settings, tool: str, given: Mapping[str, Any], *, caller: str, now: datetime
) -> tuple[Policy | None, Understood]:
    """The policy, and the call as the door understands it."""
    door = Playrail(settings, environ=os.environ, bounds=Bounds(now=lambda: now))
    async with door:
        if tool not in door.tools:
            raise UnknownTool(
                f"There is no tool named {tool[:64]!r}.", hint="`playrail tools --all` lists them."
            )
        understanding = door.understanding
        call = Call(name=tool, caller=Caller(name=caller, way="cli"))
        understood = await understanding.understand(understanding.parse(tool, given), call)
    return understanding.policy, understood


def _explained(policy: Policy | None, call: Understood) -> Iterator[str]:

    preview = ", a preview" if call.wants_preview else ""
    yield (
        f"{call.tool.name} ({call.risk.name}{preview}) by {call.caller.name} at "
        f"{call.now.isoformat(' ', 'minutes')}"
    )
    if isinstance(call.tool, DirectTool):
        yield "It is about Playrail itself and reaches no host, so it is always allowed."
    elif policy is None:
        yield NO_POLICY
    else:
        for host in call.judged:
            yield from _of_host(policy, call, host)
        yield from _limited(policy, call)
    if call.refusal is not None:
        yield f"→ {call.refusal.code}: {call.refusal}"
    elif call.wants_preview:
        yield f"→ allow; to carry it out: {call.decision.word}"
    else:
        yield f"→ {call.decision.word}"


def _of_host(policy: Policy, call: Understood, host: Host) -> Iterator[str]:
    asked = policy.asked(call.tool, call.risk, host, caller=call.caller.name, now=call.now)
    ruling = policy.ruling(asked)
    told = sorted(asked.words - {host.name, "group:all"})
    told += [f"{name} cannot be read: {_counts(name)}" for name in host.unread]
    yield f"{host.name} ({', '.join(told)}):"
    for rule, why in policy.weighed(asked):
        if rule is ruling.rule:
            yield f"    {_named(policy, rule)} decides: {rule.then.word}"
        elif why is not None:
            yield f"    {_named(policy, rule)} passed over, {why}"
        else:
            yield (
                f"    {_named(policy, rule)} may mean it: {rule.then.word}, and the strictest "
                "decision counts"
            )
    if ruling.rule is None:
        yield "    no rule matches: deny"


def _counts(name: str) -> str:
    return "any tag may be meant" if "tags" in name else "production"


def _limited(policy: Policy, call: Understood) -> Iterator[str]:
    caller = call.caller.name
    told = {f"the caller {caller}": _limits(of_caller(policy, caller))}
    told |= {f"the host {host.name}": _limits(of_host(policy, host)) for host in call.judged}
    for whose, limits in told.items():
        if limits:
            yield f"limit of {whose}: {limits}"


def _named(policy: Policy, rule: Rule) -> str:
    return f"{policy.source}:{rule.line} {rule.name!r}"


def _limits(limited: Any) -> str:
    given = {
        name.replace("_", " "): limit
        for name, limit in limited.model_dump().items()
        if limit is not None
    }
    return ", ".join(f"{limit} {name}" for name, limit in given.items())


def _row(rule: Rule) -> tuple[str, ...]:
    selections = {"callers": rule.callers, "hosts": rule.hosts, "tools": rule.tools}
    selections |= {
        "risk": tuple(risk.name for risk in rule.risk),
        "during": (rule.during.name,) if rule.during else (),
    }
    matches = "\n".join(
        f"{name}: {', '.join(words)}" for name, words in selections.items() if words
    )
    return (str(rule.line), rule.name, matches or "any call", rule.then.word)


def _switch(settings: Settings) -> str:
    return (
        "ENABLE_WRITE_OPERATIONS is "
        f"{'on' if settings.enable_write_operations else 'off: nothing is changed'}."
    )


def _policy(settings: Settings) -> Policy | None:
    return (
        None if settings.policy_file is None else read_policy(settings.policy_file, catalog.load())
    )


async def _hosts(settings: Settings) -> Hosts:
    inventory = Inventory(settings, content_root(), environ=os.environ)
    try:
        return await inventory.hosts()
    finally:
        inventory.close()
