"""The demo's first part: a few looks, and what is refused, on this machine with write
operations off.

Every step says how it must end and is held to it, also by what the ledger says: a demo that
cannot fail shows nothing.
"""

from __future__ import annotations

import json
import shlex
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcp import Client, MCPError, StdioServerParameters

from playrail.demo.page import Page, shortened
from playrail.demo.server import ANSWER_DEADLINE_S, environment, leaves
from playrail.ledger.ledger import Ledger
from playrail.settings.settings import Settings
from playrail.settings.state import ledger_file

GIB = 2**30


@dataclass(frozen=True, kw_only=True)
class Step:
    """One call: why it is shown, what its report tells in short, and the code with which it
    must end.
    """

    why: str
    tool: str
    arguments: Mapping[str, Any]
    tells: Callable[[Mapping[str, Any]], str] = str
    """Of a tool on hosts it is given the one host's report, of others the answer's data."""
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
    def told(self) -> str:
        """What the answer says, in short."""
        if self.step.code != "ok":
            return f"refused: {self.envelope['code']}"
        data = self.envelope["data"]
        return self.step.tells(next(iter(data["hosts"].values())) if self.step.on_hosts else data)

    @property
    def wrong(self) -> str | None:
        step, records = self.step, self.records
        code = "ok" if self.envelope.get("success") else self.envelope.get("code")
        if code != step.code:
            return f"it should have ended with {step.code}, and ended with {code}"
        if records.get("ended" if step.code == "ok" else "refused", {}).get("outcome") != step.code:
            return "the ledger does not say the same"
        if step.code == "ok" and step.on_hosts:
            if not self.envelope["data"].get("hosts"):
                return "no host reported anything"
            if step.plays and self.command is None:
                return "the ledger has no command for it"
        return None


LOOKS = (
    Step(
        why="Which servers are there?",
        tool="list_configured_servers",
        arguments={},
        on_hosts=False,
        tells=lambda data: f"{data['total_count']}: {data['default_server']}",
    ),
    Step(
        why="What is this machine?",
        tool="get_system_info",
        arguments={},
        tells=lambda report: (
            f"{report['os_name']} {report['os_version']}, {report['cpu_threads']} cores"
        ),
    ),
    Step(
        why="How much memory is left?",
        tool="get_memory_info",
        arguments={},
        tells=lambda report: (
            f"{report['available_bytes'] / GIB:.1f} of {report['total_bytes'] / GIB:.1f} GiB"
        ),
    ),
    Step(
        why="How full is the disk?",
        tool="analyze_disk",
        arguments={"path": "/etc", "limit": 3},
        tells=lambda report: f"{report['file_system']['used_percent']} % used",
    ),
    Step(
        why="Which release is it?",
        tool="read_file",
        arguments={"path": "/etc/os-release", "limit": 6},
        tells=lambda report: str(report["content"]).partition("\n")[0],
    ),
)
NO_SUCH_SERVER = Step(
    why="A server that does not exist",
    tool="get_memory_info",
    arguments={"server": "no-such-server"},
    code="unknown_server",
)


def steps(scratch: Path) -> tuple[Step, ...]:
    """The calls, in order. `scratch` is a directory in which nothing may be written."""
    refused = Step(
        why="A change: the guard must refuse it",
        tool="write_file",
        arguments={
            "path": str(scratch / "refused.txt"),
            "content": "This must not be written.",
        },
        code="writes_disabled",
    )
    return (*LOOKS, refused, NO_SUCH_SERVER)


async def show_looks(environ: Mapping[str, str], page: Page) -> None:
    """Look at this machine through Ansible's local connection, with write operations off."""
    with tempfile.TemporaryDirectory(prefix="playrail-demo-") as name:
        scratch = Path(name)
        child = environment(environ, scratch)
        settings = Settings.load(child, dotenv=None)
        page.head("Looks, with write operations off")
        await show(child, scratch, steps(scratch), Ledger(ledger_file(settings.state_dir)), page)
        if (scratch / "refused.txt").exists():
            page.wrong("The refused file", "it was written all the same")


async def show(
    child: Mapping[str, str], scratch: Path, calls: Sequence[Step], ledger: Ledger, page: Page
) -> None:
    """Start a server with the environment `child`, make the calls, and hold each to what it
    must come to.
    """
    try:
        await _show(child, scratch, calls, ledger, page)
    except (MCPError, OSError, ExceptionGroup) as error:
        reasons = "; ".join(dict.fromkeys(map(str, leaves(error))))
        page.wrong("The server could not be used", reasons)


async def _show(
    child: Mapping[str, str], scratch: Path, calls: Sequence[Step], ledger: Ledger, page: Page
) -> None:
    parameters = StdioServerParameters(
        command=sys.executable,
        args=["-P", "-m", "playrail.cli", "serve"],
        env=dict(child),
        cwd=scratch,
    )
    async with Client(parameters, read_timeout_seconds=ANSWER_DEADLINE_S) as client:
        for step in calls:
            started = time.monotonic()
            result = await client.call_tool(step.tool, dict(step.arguments))
            seconds = time.monotonic() - started
            envelope: Mapping[str, Any] = result.structured_content or {}
            records = _records(ledger, envelope)
            present(
                Shown(step=step, envelope=envelope, records=records, seconds=seconds),
                ledger.path,
                page,
            )
    ledger.close()


def _records(ledger: Ledger, envelope: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    request = envelope.get("_meta", {}).get("request_id")
    return (
        {record["kind"]: record["body"] for record in ledger.read(call=request)} if request else {}
    )


def present(shown: Shown, ledger: Path, page: Page) -> None:
    """Put what a step came to on the page."""
    step, wrong, details = shown.step, shown.wrong, list(_details(shown, ledger))
    if wrong is None:
        try:
            page.step(step.why, step.tool, shown.told, details=details)
        except LookupError as missing:
            wrong = f"the answer lacks {missing}"
    if wrong is not None:
        page.wrong(step.why, wrong, details=details)


def _details(shown: Shown, ledger: Path) -> Iterator[tuple[str, str]]:
    step, envelope = shown.step, shown.envelope
    called = " ".join(
        [
            step.tool,
            *(shlex.quote(f"{name}={_word(value)}") for name, value in step.arguments.items()),
        ]
    )
    yield "tool", called
    if step.plays or step.code != "ok":
        yield "play", shown.command or "none: nothing was run on any host"
    told = {"data": envelope.get("data")} if envelope.get("success") else dict(envelope)
    told.pop("_meta", None)
    text, left_out = shortened(told)
    yield "answer", text
    if left_out:
        yield "", f"(shortened for this page; all of it: playrail call {called})"
    yield "took", f"{shown.seconds:.1f} s"
    yield (
        "record",
        (
            f"{ledger}, request {envelope.get('_meta', {}).get('request_id')}: "
            f"{', '.join(shown.records)}"
        ),
    )


def _word(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
