"""Records of calls as the ledger has them, and tools whose calls can be told in one word,
for tests of replay.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from playrail import catalog
from playrail.history.steps import Step
from playrail.tools.lasting import Intent, Invocation, Thing, kind_named
from playrail.tools.tool import AnyTool, Changing, PlaybookTool, Report, Risk


class Setting(Changing):
    """Sets one thing: its `name` to `state`."""

    name: str
    state: Literal["one", "two", "absent"] = "one"
    action: Literal["set", "restart", "reload"] = "set"
    secret: str | None = None

    def secret_fields(self) -> Sequence[str]:
        return ("secret",) if self.secret is not None else ()


class Whatever(Report):
    pass


KINDS = catalog.kinds()


def setting(name: str) -> PlaybookTool[Setting, Whatever]:
    """A tool of this name, which sets things of the kind of this name."""
    kind = kind_named(name, KINDS)

    def intents(given: Setting) -> Sequence[Intent]:
        if given.name == "nothing":
            return ()
        arguments = given.recorded()
        del arguments["server"], arguments["preview"]
        found = []
        if given.action != "set":
            call = Invocation(tool=name, arguments=arguments)
            thing = Thing(KINDS[given.action], given.name)
            found.append(Intent(thing=thing, call=call, again=True))
        if given.action != "reload":
            lasting = arguments | {"action": "set"}
            call = Invocation(tool=name, arguments=lasting, removes=given.state == "absent")
            found.append(Intent(thing=Thing(kind, given.name), call=call))
        return found

    return PlaybookTool(
        name=name,
        summary="",
        risk=Risk.WRITE,
        input=Setting,
        playbook=f"{name}s/{name}.yml",
        report=Whatever,
        idempotent=True,
        intents=intents,
    )


def plain(name: str, *, risk: Risk, idempotent: bool = False) -> PlaybookTool[Setting, Whatever]:
    return PlaybookTool(
        name=name,
        summary="",
        risk=risk,
        input=Setting,
        playbook=f"{name}/{name}.yml",
        report=Whatever,
        idempotent=idempotent,
    )


_TOOLS = (
    *map(setting, ("file", "package", "service", "widget")),
    plain("command", risk=Risk.DANGEROUS),
    setting("update_system"),
    plain("signal", risk=Risk.DESTRUCTIVE),
)
TOOLS: Mapping[str, AnyTool] = {tool.name: tool for tool in _TOOLS}
STATES = {"": "one", "2": "two", "-": "absent"}
HOSTS = ("h1",)


def records(*calls: str, **bodies: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Records of calls in the words `tool:name=state@host,host`, where all but the tool may
    be left out.

    The state may be an action as well: `service:a=restart`.

    `bodies` are keys to replace, in the body of the n-th call's start (`started2`) or end
    (`ended2`, counted from 1).
    """
    seq = itertools.count(1)
    for number, call in enumerate(calls, 1):
        words, _, hosts = call.partition("@")
        tool, _, rest = words.partition(":")
        name, _, state = rest.partition("=")
        on = hosts.split(",") if hosts else list(HOSTS)
        arguments = {"server": on, "preview": False, "name": name or "x", "secret": None}
        arguments |= {"state": STATES[state]} if state in STATES else {"action": state}
        started: dict[str, Any] = {"arguments": arguments, "hosts": on, "run": f"run-{number}"}
        started["risk"] = declared.worst_risk.name if (declared := TOOLS.get(tool)) else "WRITE"
        started |= bodies.get(f"started{number}", {})
        ended: dict[str, Any] = {
            "outcome": "ok",
            "changed": on,
            "failed": {},
            **bodies.get(f"ended{number}", {}),
        }
        at = f"2026-11-20T10:{number:02}:00.000+00:00"
        about = {"at": at, "call": f"call-{number}", "caller": "ann", "server": "s", "tool": tool}
        yield {"seq": next(seq), "kind": "started", **about, "body": started}
        yield {"seq": next(seq), "kind": ended.pop("kind", "ended"), **about, "body": ended}


def told(steps: Sequence[Step]) -> list[str]:
    """Steps in the words of `records`, with a * behind those that are marked."""
    return [_told(step) for step in steps]


def _told(step: Step) -> str:
    given = step.given
    assert isinstance(given, Setting)
    state = (
        {meant: short for short, meant in STATES.items()}[given.state]
        if given.action == "set"
        else given.action
    )
    name = "" if step.sets is None or step.kind.name == "update_system" else f":{given.name}"
    hosts = "" if tuple(step.hosts) == HOSTS else f"@{','.join(step.hosts)}"
    return f"{step.tool.name}{name}{f'={state}' if state else ''}{hosts}{'*' if step.mark else ''}"


ALL: Mapping[str, AnyTool] = catalog.load()
Did = tuple[str, dict[str, Any]]


def write(path: str, content: str = "x", **more: Any) -> Did:
    return "write_file", {"path": path, "content": content, **more}


def package(name: str, **more: Any) -> Did:
    return "install_package", {"name": name, **more}


def service(name: str, action: str) -> Did:
    return "manage_service", {"name": name, "action": action}


def captured(did: Did, kind: str, *names: str) -> Did:
    return did[0], {
        **did[1],
        "captured": [{"kind": kind, "name": name, "before": None, "after": None} for name in names],
    }


def recorded(*calls: Did) -> list[dict[str, Any]]:
    """Records of calls of the shipped tools on one host (or `on` several), with what the
    ledger captured of each.
    """
    found: list[dict[str, Any]] = []
    seq = itertools.count(1)
    for number, (tool, its) in enumerate(calls, 1):
        arguments = dict(its)
        effects, on = arguments.pop("captured", None), arguments.pop("on", ["h1"])
        hidden = arguments.pop("hidden", [])
        ended = {"outcome": arguments.pop("outcome", "ok"), "changed": on, "failed": {}}
        given = ALL[tool].input.model_validate({**arguments, "server": on})
        started = {"arguments": given.recorded(), "hosts": on, "run": f"run-{number}"}
        started |= {"version": 2, "hidden": hidden}
        started["risk"] = ALL[tool].risk_of(given).name
        about = {
            "at": f"2026-11-20T10:{number:02}:00",
            "call": f"call-{number}",
            "caller": "ann",
            "tool": tool,
        }
        bodies: dict[str, Any] = {"started": started, "ended": ended}
        bodies |= {"capture": {"effects": dict.fromkeys(on, effects)}} if effects else {}
        found += [
            {"seq": next(seq), "kind": kind, **about, "body": body} for kind, body in bodies.items()
        ]
    return found
