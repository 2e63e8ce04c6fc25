"""The demo's second part: a change that is previewed, approved, made, recorded, missed, and
taken back.

The real server and a real client on this machine, in a directory made for it, with a ledger
of its own there. Each step is held to what it must come to, and what is told is compared
with the file itself.
"""

from __future__ import annotations

import asyncio
import os
import pty
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mcp import Client, MCPError, StdioServerParameters

from playrail.demo.page import Page
from playrail.demo.server import ANSWER_DEADLINE_S, environment, leaves
from playrail.settings.state import LEDGER

BEFORE, AFTER = "colour = blue\nsize = 3\n", "colour = green\nsize = 3\n"
BY_HAND = "size = 4  # somebody was here\n"
POLICY = """\
rules:
  - {name: looking is fine, risk: [READ, SENSITIVE], then: allow}
  - {name: changes need the operator, then: operator_approval}
"""
LAST = 4  # letters of a plan's id that `playrail approve` asks for
ASKS = b"? Type the last "


class NotAsItShouldBe(Exception):
    """A step that came to something else than it must."""


@dataclass(kw_only=True)
class Stage:
    """The server's client, the directory, and the environment in which operator and server
    run.

    `details` is what the step under way did so far, for the page.
    """

    scratch: Path
    environ: Mapping[str, str]
    page: Page
    client: Client = field(init=False)
    why: str = "The server starts"
    tool: str = ""
    details: list[tuple[str, str]] = field(default_factory=list)

    @property
    def file(self) -> Path:
        return self.scratch / "app.conf"

    @property
    def ledger(self) -> Path:
        return Path(self.environ["PLAYRAIL_STATE_DIR"]) / LEDGER

    def begin(self, why: str, tool: str) -> None:
        """Begins a step."""
        self.why, self.tool, self.details = why, tool, []

    def end(self, told: str) -> None:
        """Ends the step that came to what it must."""
        self.page.step(self.why, self.tool, told, details=self.details)

    def note(self, title: str, text: str) -> None:
        self.details.append((title, text))

    async def call(self, tool: str, *, code: str = "ok", **arguments: Any) -> dict[str, Any]:
        """Calls a tool, notes the call, and returns its envelope, which must have this
        code.
        """
        told = " ".join(f"{name}={value!r}" for name, value in arguments.items())
        self.note("tool", f"{tool} {told}")
        result = await self.client.call_tool(tool, arguments)
        envelope: dict[str, Any] = result.structured_content or {}
        found = "ok" if envelope.get("success") else envelope.get("code")
        self.note("code", str(found))
        if found != code:
            raise NotAsItShouldBe(f"{tool} should have ended with {code}: {envelope.get('error')}")
        if code != "ok":
            self.note("error", envelope["error"])
            self.note("hint", envelope["hint"])
        return envelope

    async def operator(
        self, *words: str, types: str | None = None, status: int = 0, state: Path | None = None
    ) -> str:
        """What a command of the operator prints on a terminal, who types a line when asked."""
        self.note("shell", " ".join(["playrail", *words]))
        environ = (
            self.environ if state is None else {**self.environ, "PLAYRAIL_STATE_DIR": str(state)}
        )
        printed, ended = await asyncio.to_thread(on_terminal, [*words], environ, types)
        if ended != status:
            raise NotAsItShouldBe(f"playrail {words[0]} ended with {ended}: {printed}")
        self.note("", printed.strip())
        return printed


def on_terminal(
    words: list[str], environ: Mapping[str, str], types: str | None, *, asks: bytes = ASKS
) -> tuple[str, int]:
    """Run the command line on a terminal of its own, and type a line where it `asks` for
    one.

    Return what it printed, and its exit status.
    """
    ours, its = pty.openpty()
    command = [sys.executable, "-P", "-m", "playrail.cli", *words]
    with subprocess.Popen(
        command, stdin=its, stdout=its, stderr=its, env=dict(environ), close_fds=True
    ) as process:
        os.close(its)
        printed = b""
        while chunk := _read(ours):
            printed += chunk
            if types is not None and asks in printed and printed.endswith(b": "):
                os.write(ours, f"{types}\n".encode())
                types = None
        os.close(ours)
    return printed.decode(errors="replace").replace("\r\n", "\n"), process.returncode


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # Linux' way to say that the other end is closed
        return b""


async def show_changes(environ: Mapping[str, str], page: Page) -> None:
    """Run the scenario, with a state directory of its own."""
    with tempfile.TemporaryDirectory(prefix="playrail-demo-") as name:
        scratch = Path(name)
        policy = scratch / "policy.yml"
        policy.write_text(POLICY, encoding="utf-8")
        child = environment(environ, scratch) | {
            "PLAYRAIL_STATE_DIR": str(scratch / "state"),
            "PLAYRAIL_POLICY": str(policy),
            "ENABLE_WRITE_OPERATIONS": "1",
        }
        parameters = StdioServerParameters(
            command=sys.executable,
            args=["-P", "-m", "playrail.cli", "serve"],
            env=child,
            cwd=scratch,
        )
        page.head(
            "A change of one file, in a directory made for it, where the operator has to approve"
        )
        stage = Stage(scratch=scratch, environ=child, page=page)
        try:
            async with Client(parameters, read_timeout_seconds=ANSWER_DEADLINE_S) as client:
                stage.client = client
                await _scenario(stage)
        except (NotAsItShouldBe, MCPError, OSError, ExceptionGroup) as error:
            reasons = "; ".join(dict.fromkeys(map(str, leaves(error))))
            page.wrong(stage.why, reasons, details=stage.details)


async def _scenario(stage: Stage) -> None:
    stage.file.write_text(BEFORE, encoding="utf-8")
    run_id = await _change(stage)
    await _record(stage, run_id)
    await _drift(stage, run_id)
    await _undo(stage, run_id)
    await _tamper(stage)


async def _change(stage: Stage) -> str:
    stage.begin("Preview: what would change?", "write_file")
    answer = await stage.call("write_file", path=str(stage.file), content=AFTER, preview=True)
    plan = answer["data"]["plan"]
    _note_diffs(stage, plan)
    _must(stage.file.read_text() == BEFORE, "the preview changed the file")
    stage.end(" ".join(_changed_lines(plan)))
    stage.begin("Apply it, which is not allowed yet", "apply_plan")
    await stage.call("apply_plan", plan_id=plan["plan_id"], code="approval_required")
    stage.end("refused: approval_required")
    await _approve(stage, plan["plan_id"])
    stage.begin("Apply it, and look at the file", "apply_plan")
    applied = await stage.call("apply_plan", plan_id=plan["plan_id"])
    _must(stage.file.read_text() == AFTER, "the file is not what was approved")
    stage.note("file", stage.file.read_text().rstrip())
    await stage.call("apply_plan", plan_id=plan["plan_id"], code="plan_unusable")
    stage.end("as approved; a second time is refused")
    return str(applied["data"]["steps"][0]["run_id"])


async def _record(stage: Stage, run_id: str) -> None:
    stage.begin("Who, what, approved by whom?", "playrail run")
    printed = await stage.operator("run", run_id)
    _must("+colour = green" in printed, "the record has no diff")
    stage.end("told, with the line that does it by hand")


async def _drift(stage: Stage, run_id: str) -> None:
    stage.begin("Somebody edits the file by hand", "check_drift")
    stage.file.write_text(AFTER.replace("size = 3\n", BY_HAND), encoding="utf-8")
    answer = await stage.call("check_drift")
    (host,) = answer["data"]["hosts"].values()
    _must(len(host["drifted"]) == 1, "the edit was not found")
    stage.note("diff", host["drifted"][0]["diff"].rstrip())
    stage.end("found, with its diff")
    stage.begin("Take back what would lose the edit", "undo_run")
    refused = await stage.call("undo_run", run_id=run_id, code="changed_since")
    (changed,) = refused["data"]["changed_since"].values()
    stage.note("diff", changed[0]["diff"].rstrip())
    stage.end("refused: changed_since")


async def _undo(stage: Stage, run_id: str) -> None:
    stage.begin("Take it back without that edit", "undo_run")
    stage.file.write_text(AFTER, encoding="utf-8")
    plan = (await stage.call("undo_run", run_id=run_id))["data"]["plan"]
    _note_diffs(stage, plan)
    stage.end("a plan, like any other")
    await _approve(stage, plan["plan_id"])
    stage.begin("Apply it, and look at the file", "apply_plan")
    await stage.call("apply_plan", plan_id=plan["plan_id"])
    _must(stage.file.read_text() == BEFORE, "the file is not what it was")
    stage.note("file", stage.file.read_text().rstrip())
    stage.end("byte for byte what it was")


async def _tamper(stage: Stage) -> None:
    stage.begin("Does the chain of records hold?", "playrail ledger verify")
    await stage.operator("ledger", "verify")
    forged = stage.scratch / "forged"
    shutil.copytree(stage.ledger.parent, forged)
    with closing(sqlite3.connect(forged / LEDGER)) as database:
        for (name,) in database.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        ).fetchall():
            database.execute(f"DROP TRIGGER {name}")
        database.execute(
            "UPDATE records SET body = replace(body, 'green', 'red') WHERE kind = 'capture'"
        )
        database.commit()
    await stage.operator("ledger", "verify", status=1, state=forged)
    stage.end("it holds; a forged copy is found out")


async def _approve(stage: Stage, plan_id: str) -> None:
    stage.begin("The operator approves it", "playrail approve")
    await stage.operator("approve", plan_id, types=plan_id[-LAST:])
    stage.end("on a terminal, with the plan before them")


def _note_diffs(stage: Stage, plan: Mapping[str, Any]) -> None:
    for changes in plan["changes"].values():
        for change in changes:
            stage.note("diff", str(change.get("diff", "")).rstrip())
    needs = plan.get("needs_approval_by", "nobody")
    stage.note("plan", f"{plan['plan_id']}, hash {plan['hash'][:16]}…, needs approval by: {needs}")


def _changed_lines(plan: Mapping[str, Any]) -> list[str]:
    """The lines that a plan takes out and puts in."""
    diffs = [
        str(change.get("diff", "")) for changes in plan["changes"].values() for change in changes
    ]
    lines = [line for diff in diffs for line in diff.splitlines()]
    return [
        line for line in lines if line[:1] in ("-", "+") and not line.startswith(("---", "+++"))
    ]


def _must(true: bool, otherwise: str) -> None:
    if not true:
        raise NotAsItShouldBe(otherwise)
