"""`playrail demo`: the real server, a real MCP client, this machine, nothing changed.

Every step says how it must end and is held to it, also by what the ledger says: a demo that cannot fail shows nothing.
"""

from __future__ import annotations

import json
import shlex
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer
from mcp import Client, MCPError, StdioServerParameters

from playrail.ledger.ledger import Ledger
from playrail.settings import Settings

KEPT = ("HOME", "USER", "LOGNAME", "PATH", "LANG", "LC_ALL", "TZ", "TMPDIR", "XDG_STATE_HOME", "XDG_RUNTIME_DIR")
KEPT_TOO = ("PLAYRAIL_STATE_DIR", "PLAYRAIL_RUNTIME_DIR")
ANSWER_DEADLINE_S = 180.0
LONGEST_TEXT, MOST_ITEMS, MOST_LINES, WIDTH = 160, 4, 24, 100
EXAMPLES = {
    "PLAYRAIL_INVENTORY": "/etc/ansible/hosts",
    "MCP_SERVERS": '{"web1": {"type": "ssh", "host": "203.0.113.10", "user": "admin", "ssh_key": "~/.ssh/id_ed25519"}}',
}


@dataclass(frozen=True, kw_only=True)
class Step:
    """One call: why it is shown, and the code with which it must end."""

    why: str
    tool: str
    arguments: Mapping[str, Any]
    code: str = "ok"
    on_hosts: bool = True
    plays: bool = True
    """Whether it is an Ansible play, and not a request to an API."""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What a step came to. `wrong` says what was not as it should be."""

    step: Step
    envelope: Mapping[str, Any]
    records: Mapping[str, Mapping[str, Any]]
    """The ledger's records of the call, by kind."""
    seconds: float

    @property
    def command(self) -> str | None:
        command: str | None = self.records.get("started", {}).get("command")
        return command

    @property
    def wrong(self) -> str | None:
        step, records = self.step, self.records
        code = "ok" if self.envelope.get("success") else self.envelope.get("code")
        if code != step.code:
            return f"it should have ended with {step.code}, and ended with {code}"
        if records.get("ended" if step.code == "ok" else "refused", {}).get("outcome") != step.code:
            return "the ledger does not say the same"
        if step.code == "ok" and step.on_hosts:
            if not self.envelope["data"]["hosts"]:
                return "no host reported anything"
            if step.plays and self.command is None:
                return "the ledger has no command for it"
        return None


def steps(scratch: Path) -> tuple[Step, ...]:
    """The calls, in order. `scratch` is a directory in which nothing may be written."""
    return (
        Step(why="Which servers are there?", tool="list_configured_servers", arguments={}, on_hosts=False),
        Step(why="What is this machine?", tool="get_system_info", arguments={}),
        Step(why="How much memory is left?", tool="get_memory_info", arguments={}),
        Step(why="How full is the disk?", tool="analyze_disk", arguments={"path": "/etc", "limit": 3}),
        Step(why="What lies at the top?", tool="list_directory", arguments={"path": "/", "limit": 3}),
        Step(why="Which release is it?", tool="read_file", arguments={"path": "/etc/os-release", "limit": 6}),
        Step(
            why="A change, which the guard must refuse.",
            tool="write_file",
            arguments={"path": str(scratch / "refused.txt"), "content": "This must not be written."},
            code="writes_disabled",
        ),
        Step(
            why="A server that does not exist: the answer must tell the names.",
            tool="get_memory_info",
            arguments={"server": "no-such-server"},
            code="unknown_server",
        ),
    )


async def demonstrate(environ: Mapping[str, str]) -> bool:
    """Run the demonstration on standard output. Return whether everything was as it should be."""
    with tempfile.TemporaryDirectory(prefix="playrail-demo-") as name:
        scratch = Path(name)
        child = environment(environ, scratch)
        settings = Settings.load(child, dotenv=None)
        say("Playrail's demo: this machine, through Ansible's local connection, with write operations off.", bold=True)
        right = await show(child, scratch, steps(scratch), Ledger(settings.state_dir / "ledger.sqlite"))
        if (scratch / "refused.txt").exists():
            say("✗ The refused file was written all the same.", colour="red")
            right = False
    if right:
        say("\n✓ Everything was as it should be.", colour="green")
        typer.echo(f"To run a play by hand, or playrail:  export PATH={shlex.quote(str(command().parent))}:$PATH")
        typer.echo(how_to_connect(command()))
    return right


def leaves(error: Exception) -> Iterator[Exception]:
    if isinstance(error, ExceptionGroup):
        for inner in error.exceptions:
            yield from leaves(inner)
    else:
        yield error


def environment(environ: Mapping[str, str], scratch: Path) -> dict[str, str]:
    """The server's environment: without anything that would lead it to other servers than this machine."""
    config = scratch / "ansible.cfg"  # an empty one, so that no other is looked for
    config.touch()
    kept = {name: environ[name] for name in (*KEPT, *KEPT_TOO) if environ.get(name)}
    return kept | {"ANSIBLE_CONFIG": str(config), "LOG_LEVEL": "WARNING"}


async def show(child: Mapping[str, str], scratch: Path, calls: Sequence[Step], ledger: Ledger) -> bool:
    """Start a server with the environment `child`, make the calls, and return whether each was as it should be."""
    try:
        return await _show(child, scratch, calls, ledger)
    except (MCPError, OSError, ExceptionGroup) as error:
        reasons = "; ".join(dict.fromkeys(map(str, leaves(error))))
        say(f"✗ The server could not be used: {reasons}. `playrail doctor` may know why.", colour="red")
        return False


async def _show(child: Mapping[str, str], scratch: Path, calls: Sequence[Step], ledger: Ledger) -> bool:
    parameters = StdioServerParameters(
        command=sys.executable, args=["-P", "-m", "playrail.cli", "serve"], env=dict(child), cwd=scratch
    )
    right = True
    async with Client(parameters, read_timeout_seconds=ANSWER_DEADLINE_S) as client:
        offered = await client.list_tools()
        say(f"The server is up, over standard input and output, and offers {len(offered.tools)} tools.")
        for number, step in enumerate(calls, 1):
            started = time.monotonic()
            result = await client.call_tool(step.tool, dict(step.arguments))
            seconds = time.monotonic() - started
            envelope: Mapping[str, Any] = result.structured_content or {}
            records = _records(ledger, envelope)
            shown = Shown(step=step, envelope=envelope, records=records, seconds=seconds)
            _present(number, shown, ledger.path)
            right = right and shown.wrong is None
    ledger.close()
    return right


def _records(ledger: Ledger, envelope: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    request = envelope.get("_meta", {}).get("request_id")
    return {record["kind"]: record["body"] for record in ledger.read(call=request)} if request else {}


def _present(number: int, shown: Shown, ledger: Path) -> None:
    step, envelope = shown.step, shown.envelope
    called = " ".join([step.tool, *(shlex.quote(f"{name}={_word(value)}") for name, value in step.arguments.items())])
    say(f"\n{number}. {step.why}", bold=True)
    line("tool", called)
    if step.plays or step.code != "ok":
        line("play", shown.command or "none: nothing was run on any host")
    told = {"data": envelope.get("data")} if envelope.get("success") else dict(envelope)
    told.pop("_meta", None)
    text, left_out = shortened(told)
    line("answer", text)
    if left_out:
        line("", f"(shortened for this page; all of it: playrail call {called})")
    line("took", f"{shown.seconds:.1f} s")
    line("record", f"{ledger}, request {envelope.get('_meta', {}).get('request_id')}: {', '.join(shown.records)}")
    if shown.wrong is not None:
        say(f"   ✗ {shown.wrong}", colour="red")


def _word(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def shortened(value: Any) -> tuple[str, bool]:
    """JSON text for a page, and whether something was left out; where it was, the text says so."""
    cut = _cut(value)
    lines = _laid_out(cut, "").splitlines()
    if len(lines) > MOST_LINES:
        lines = [*lines[:MOST_LINES], f"… {len(lines) - MOST_LINES} more lines"]
    return "\n".join(lines), cut != value or len(lines) > MOST_LINES


def _laid_out(value: Any, indent: str) -> str:
    """JSON text in lines that are filled as far as a person can still follow."""
    whole = json.dumps(value, ensure_ascii=False)
    if len(whole) + len(indent) <= WIDTH or not isinstance(value, dict | list):
        return whole
    deeper = f"{indent}  "
    if isinstance(value, dict):
        parts = [f"{json.dumps(key, ensure_ascii=False)}: {_laid_out(item, deeper)}" for key, item in value.items()]
    else:
        parts = [_laid_out(item, deeper) for item in value]
    lines = [parts[0]]
    for part in parts[1:]:
        together = f"{lines[-1]}, {part}"
        if len(together) + len(deeper) <= WIDTH and "\n" not in together and "{" not in together:
            lines[-1] = together
        else:
            lines.append(part)
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    return f"{opening}\n{deeper}" + f",\n{deeper}".join(lines) + f"\n{indent}{closing}"


def _cut(value: Any) -> Any:
    if isinstance(value, str) and len(value) > LONGEST_TEXT:
        return f"{value[:LONGEST_TEXT]}… {len(value) - LONGEST_TEXT} more characters"
    if isinstance(value, dict):
        return {key: _cut(item) for key, item in value.items()}
    if isinstance(value, list):
        more = [f"… {len(value) - MOST_ITEMS} more"] if len(value) > MOST_ITEMS else []
        return [*map(_cut, value[:MOST_ITEMS]), *more]
    return value


def line(title: str, text: str) -> None:
    lines = text.splitlines() or [""]
    typer.echo(f"   {typer.style(f'{title:<7}', fg='cyan')} {lines[0]}")
    for line in lines[1:]:
        typer.echo(f"           {line}")


def say(text: str, *, bold: bool = False, colour: str | None = None) -> None:
    typer.echo(typer.style(text, bold=bold, fg=colour) if bold or colour else text)


def command() -> Path:
    """The absolute path of this installation's `playrail` command."""
    return Path(sys.executable).parent / "playrail"


def how_to_connect(playrail: Path) -> str:
    """What to paste into MCP clients."""
    return "\n".join(_connecting(str(playrail)))


def _connecting(playrail: str) -> Iterator[str]:
    entry = {"mcpServers": {"playrail": {"command": playrail, "args": ["serve"]}}}
    line = f"{shlex.quote(playrail)} serve"
    yield "\nConnect an assistant. As it stands here it works at once, with this machine alone.\n"
    yield "Claude Desktop, in claude_desktop_config.json (Settings, Developer, Edit Config);"
    yield "Claude Code, in .mcp.json of a project; Cursor, in ~/.cursor/mcp.json;"
    yield "Gemini CLI, in ~/.gemini/settings.json:\n"
    yield json.dumps(entry, indent=2)
    yield f"\nClaude Code, by a command:\n\n  claude mcp add playrail -- {line}"
    yield f"\nCodex:\n\n  codex mcp add playrail -- {line}"
    yield '\nTo add your servers, put one of these lines, with your own values, after "command" and its comma:\n'
    for name, example in EXAMPLES.items():
        yield f"  {json.dumps('env')}: {json.dumps({name: example})},"
    yield "\nor, in a command, one of these before the --:\n"
    for name, example in EXAMPLES.items():
        yield f"  --env {name}={shlex.quote(example)}"
    yield "\nChanges stay refused until you add ENABLE_WRITE_OPERATIONS=1 to its environment."
    yield f"To check the settings and every server:  {shlex.quote(playrail)} doctor"
