"""`playrail demo --changes`: a change that is previewed, approved, made, recorded, missed, and taken back.

The real server and a real client on this machine, in a directory made for it, with a ledger of its own there. Each step
is held to what it must come to, and what is told is compared with the file itself.
"""

from __future__ import annotations

import os
import pty
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcp import Client, MCPError, StdioServerParameters

from playrail.demo import ANSWER_DEADLINE_S, environment, leaves, line, say

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


@dataclass(frozen=True, kw_only=True)
class Stage:
    """The server's client, the directory, and the environment in which operator and server run."""

    client: Client
    scratch: Path
    environ: Mapping[str, str]

    @property
    def file(self) -> Path:
        return self.scratch / "app.conf"

    @property
    def ledger(self) -> Path:
        return Path(self.environ["PLAYRAIL_STATE_DIR"]) / "ledger.sqlite"

    async def call(self, tool: str, *, code: str = "ok", **arguments: Any) -> dict[str, Any]:
        """Calls a tool, shows the call, and returns its envelope, which must have this code."""
        told = " ".join(f"{name}={value!r}" for name, value in arguments.items())
        line("tool", f"{tool} {told}")
        result = await self.client.call_tool(tool, arguments)
        envelope: dict[str, Any] = result.structured_content or {}
        found = "ok" if envelope.get("success") else envelope.get("code")
        line("code", str(found))
        if found != code:
            raise NotAsItShouldBe(f"{tool} should have ended with {code}: {envelope.get('error')}")
        if code != "ok":
            line("error", envelope["error"])
            line("hint", envelope["hint"])
        return envelope

    def operator(self, *words: str, types: str | None = None, status: int = 0) -> str:
        """What a command of the operator prints on a terminal, who types a line when asked."""
        line("shell", " ".join(["playrail", *words]))
        printed, ended = on_terminal([*words], self.environ, types)
        if ended != status:
            raise NotAsItShouldBe(f"playrail {words[0]} ended with {ended}: {printed}")
        return printed


def on_terminal(
    words: list[str], environ: Mapping[str, str], types: str | None, *, asks: bytes = ASKS
) -> tuple[str, int]:
    """Run the command line on a terminal of its own, and type a line where it `asks` for one.

    Return what it printed, and its exit status.
    """
    ours, its = pty.openpty()
    command = [sys.executable, "-P", "-m", "playrail.cli", *words]
    with subprocess.Popen(command, stdin=its, stdout=its, stderr=its, env=dict(environ), close_fds=True) as process:
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


async def demonstrate_changes(environ: Mapping[str, str]) -> bool:
    """Run the scenario on standard output. Return whether everything was as it should be."""
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
            command=sys.executable, args=["-P", "-m", "playrail.cli", "serve"], env=child, cwd=scratch
        )
        say(
            "\nA change on this machine, in a directory made for it, under a policy by which the operator approves.",
            bold=True,
        )
        try:
            async with Client(parameters, read_timeout_seconds=ANSWER_DEADLINE_S) as client:
                await _scenario(Stage(client=client, scratch=scratch, environ=child))
        except (NotAsItShouldBe, MCPError, OSError, ExceptionGroup) as error:
            reasons = "; ".join(dict.fromkeys(map(str, leaves(error))))
            say(f"   ✗ {reasons}. `playrail doctor` may know more.", colour="red")
            return False
    say("\n✓ Seen before it was done, approved, recorded, missed when it was gone, taken back.", colour="green")
    return True


async def _scenario(stage: Stage) -> None:
    stage.file.write_text(BEFORE, encoding="utf-8")
    run_id = await _change(stage)
    _record(stage, run_id)
    await _drift(stage, run_id)
    await _undo(stage, run_id)
    _tamper(stage)


async def _change(stage: Stage) -> str:
    say("\n1. Preview: what would change?", bold=True)
    answer = await stage.call("write_file", path=str(stage.file), content=AFTER, preview=True)
    plan = answer["data"]["plan"]
    _show_diffs(plan)
    _must(stage.file.read_text() == BEFORE, "the preview changed the file")
    say("\n2. Apply it, which the policy does not allow yet.", bold=True)
    await stage.call("apply_plan", plan_id=plan["plan_id"], code="approval_required")
    say("\n3. The operator looks at the plan and approves it.", bold=True)
    _approve(stage, plan["plan_id"])
    say("\n4. Apply it, and look at the file.", bold=True)
    applied = await stage.call("apply_plan", plan_id=plan["plan_id"])
    _must(stage.file.read_text() == AFTER, "the file is not what was approved")
    line("file", stage.file.read_text().rstrip())
    await stage.call("apply_plan", plan_id=plan["plan_id"], code="plan_unusable")
    return str(applied["data"]["steps"][0]["run_id"])


def _record(stage: Stage, run_id: str) -> None:
    say("\n5. The record: who, what, approved by whom, and the line that does the same by hand.", bold=True)
    printed = stage.operator("run", run_id)
    line("", printed.strip())
    _must("+colour = green" in printed, "the record has no diff")


async def _drift(stage: Stage, run_id: str) -> None:
    say("\n6. Somebody edits the file by hand; check_drift finds it.", bold=True)
    stage.file.write_text(AFTER.replace("size = 3\n", BY_HAND), encoding="utf-8")
    answer = await stage.call("check_drift")
    (host,) = answer["data"]["hosts"].values()
    _must(len(host["drifted"]) == 1, "the edit was not found")
    line("diff", host["drifted"][0]["diff"].rstrip())
    say("\n7. To take the change back would lose that edit, so it is refused, and what was edited is shown.", bold=True)
    refused = await stage.call("undo_run", run_id=run_id, code="changed_since")
    (changed,) = refused["data"]["changed_since"].values()
    line("diff", changed[0]["diff"].rstrip())


async def _undo(stage: Stage, run_id: str) -> None:
    say("\n8. Without that edit it is taken back: a plan like any other.", bold=True)
    stage.file.write_text(AFTER, encoding="utf-8")
    plan = (await stage.call("undo_run", run_id=run_id))["data"]["plan"]
    _show_diffs(plan)
    _approve(stage, plan["plan_id"])
    await stage.call("apply_plan", plan_id=plan["plan_id"])
    _must(stage.file.read_text() == BEFORE, "the file is not what it was")
    line("file", stage.file.read_text().rstrip())


def _tamper(stage: Stage) -> None:
    say("\n9. The chain of records holds; one altered in a copy is found.", bold=True)
    line("", stage.operator("ledger", "verify").strip())
    forged = stage.scratch / "forged"
    shutil.copytree(stage.ledger.parent, forged)
    with closing(sqlite3.connect(forged / "ledger.sqlite")) as database:
        for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            database.execute(f"DROP TRIGGER {name}")
        database.execute("UPDATE records SET body = replace(body, 'green', 'red') WHERE kind = 'capture'")
        database.commit()
    copy = Stage(client=stage.client, scratch=forged, environ={**stage.environ, "PLAYRAIL_STATE_DIR": str(forged)})
    line("", copy.operator("ledger", "verify", status=1).strip())


def _approve(stage: Stage, plan_id: str) -> None:
    printed = stage.operator("approve", plan_id, types=plan_id[-LAST:])
    line("", printed.strip())


def _show_diffs(plan: Mapping[str, Any]) -> None:
    for changes in plan["changes"].values():
        for change in changes:
            line("diff", str(change["diff"]).rstrip())
    line("plan", f"{plan['plan_id']}, hash {plan['hash'][:16]}…, needs approval by: {plan['needs_approval_by']}")


def _must(true: bool, otherwise: str) -> None:
    if not true:
        raise NotAsItShouldBe(otherwise)
