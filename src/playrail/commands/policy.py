"""`playrail policy`: what the policy says, and why."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any

import typer

from playrail import catalog
from playrail.ansible.inventory.inventory import Inventory
from playrail.calls.answers import parse
from playrail.commands.arguments import Pairs, ToolName, arguments_of
from playrail.commands.failing import FAILED
from playrail.commands.tables import print_table
from playrail.commands.terminal import read_settings, until_done
from playrail.engines.apis import Apis
from playrail.errors import Denied, UnknownTool
from playrail.hosts import Host, Hosts
from playrail.policy.doubts import doubts
from playrail.policy.file import read_policy
from playrail.policy.limits import of_caller, of_host
from playrail.policy.rules import Policy, Rule, decide
from playrail.safe_text.visible import in_one_line
from playrail.settings.content import content_root
from playrail.settings.settings import Settings
from playrail.tools.offering import absences
from playrail.tools.tool import AnyTool, ApiTool, DirectTool, OnHosts, ToolInput

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
    tools = catalog.load()
    if tool not in tools or tool in absences(tools, settings):
        raise UnknownTool(
            f"There is no tool named {tool[:64]!r}.", hint="`playrail tools --all` lists them."
        )
    given = parse(tools[tool], arguments_of(tool, arguments or []))
    policy = _policy(settings)
    hosts = until_done(_resolved(settings, tools[tool], given))
    now = (at or datetime.now()).astimezone()  # noqa: DTZ005  the operator's own clock
    for line in _explained(settings, policy, tools[tool], given, hosts, caller=caller, now=now):
        typer.echo(line)


def _explained(
    settings: Settings,
    policy: Policy | None,
    tool: AnyTool,
    given: ToolInput,
    hosts: list[Host],
    *,
    caller: str,
    now: datetime,
) -> Iterator[str]:
    risk, preview = tool.risk_of(given), bool(getattr(given, "preview", False))
    yield (
        f"{tool.name} ({risk.name}{', a preview' if preview else ''}) by {caller} at "
        f"{now.isoformat(' ', 'minutes')}"
    )
    if isinstance(tool, DirectTool):
        yield "It is about Playrail itself and reaches no host, so it is always allowed."
    elif policy is None:
        yield NO_POLICY
    else:
        for host in hosts:
            yield from _of_host(policy, tool, given, host, caller=caller, now=now)
        yield from _limited(policy, caller, hosts)
    try:
        verdict = decide(
            tool=tool,
            risk=risk,
            hosts=hosts,
            caller=caller,
            policy=policy,
            writes=settings.enable_write_operations,
            preview=preview,
            now=now,
        )
    except Denied as error:
        yield f"→ {error.code}: {error}"
    else:
        yield (
            f"→ allow; to carry it out: {verdict.decision.word}"
            if preview
            else f"→ {verdict.decision.word}"
        )


def _of_host(
    policy: Policy, tool: AnyTool, given: ToolInput, host: Host, *, caller: str, now: datetime
) -> Iterator[str]:
    asked = policy.asked(tool, tool.risk_of(given), host, caller=caller, now=now)
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


def _limited(policy: Policy, caller: str, hosts: list[Host]) -> Iterator[str]:
    told = {f"the caller {caller}": _limits(of_caller(policy, caller))}
    told |= {f"the host {host.name}": _limits(of_host(policy, host)) for host in hosts}
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


async def _resolved(settings: Settings, tool: AnyTool, given: ToolInput) -> list[Host]:
    """The hosts that the call would be for, as the door finds them."""
    if not isinstance(given, OnHosts):
        return []
    known = await _hosts(settings)
    of_api = isinstance(tool, ApiTool)
    names = (
        Apis(settings).resolve(given.server, known)
        if of_api
        else known.resolve(given.server, settings)
    )
    return [known.hosts[name] for name in names]
