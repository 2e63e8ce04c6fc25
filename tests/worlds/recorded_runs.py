"""A ledger with one call of each sort, as the door writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playrail.ledger.entries import Kind
from playrail.ledger.ledger import Entry, Ledger

ESC = "\x1b[31m"
READ, WRITE, PREVIEW, UNDO, HALF, RUNNING, FOREIGN, LOOK = (
    f"20261121-1200{n:02}-0000000{n}" for n in range(1, 9)
)
PLAN, UNDO_PLAN = "plan-write", "plan-undo"
LONG = 3000  # tasks of the run RUNNING, so that it has several pages


def recorded(directory: Path) -> Ledger:
    """The ledger in the private directory. Its calls are named after their run, `refused`,
    `api`.
    """
    directory.chmod(0o700)
    ledger = Ledger(directory / "ledger.sqlite")
    _read(ledger)
    _write(ledger)
    _preview(ledger)
    _undo(ledger)
    _half(ledger)
    _running(ledger)
    _append(ledger, "started", FOREIGN, started(FOREIGN), caller="ann")
    _append(
        ledger,
        "refused",
        "refused",
        {"arguments": {}, "hosts": ["web1"], "outcome": "denied", "reason": "No."},
    )
    _append(ledger, "started", "api", {**started(None), "playbook": None})
    _append(ledger, "ended", "api", ended())
    return ledger


def _append(
    ledger: Ledger,
    kind: Kind,
    call: str,
    body: dict[str, Any],
    *,
    caller: str = "local",
    tool: str = "write_file",
) -> None:
    ledger.append(Entry(kind=kind, call=call, server="s", caller=caller, tool=tool, body=body))


def started(run: str | None, **other: Any) -> dict[str, Any]:
    return {
        "arguments": {"server": "web1", "path": "/etc/motd"},
        "hosts": ["web1"],
        "risk": "WRITE",
        "run": run,
        "command": "ansible-playbook write_file.yml",
        "playbook": "files/write_file.yml",
        "preview": False,
        "plan": None,
        "parent": None,
        **other,
    }


def ended(outcome: str = "ok", **other: Any) -> dict[str, Any]:
    return {
        "outcome": outcome,
        "error": None,
        "changed": [],
        "failed": {},
        "duration_ms": 1200,
        **other,
    }


def task(host: str, status: str, *, name: str = "Write the file", **other: Any) -> dict[str, Any]:
    told = {"host": host, "task": name, "action": "write_text", "status": status, "duration_s": 0.5}
    return {**told, "result": None, "diff": [], **other}


def events(run: str, *tasks: dict[str, Any], **other: Any) -> dict[str, Any]:
    return {"run": run, "preview": False, "tasks": list(tasks), "text": "", "cut": False, **other}


def _read(ledger: Ledger) -> None:
    _append(ledger, "started", READ, started(READ, risk="READ"), tool="read_file")
    _append(ledger, "events", READ, events(READ, task("web1", "ok", name="Look")), tool="read_file")
    _append(ledger, "ended", READ, ended(), tool="read_file")


def _write(ledger: Ledger) -> None:
    """On two hosts, one of which was not reached; approved by the operator."""
    approval = {"plan": PLAN, "hash": "h", "how": "operator", "answer": "approved", "by": "root"}
    _append(
        ledger,
        "approval",
        "a",
        {**approval, "expires_at": "2026-11-21T13:00:00+00:00", "proves": "a terminal"},
    )
    _append(
        ledger, "started", WRITE, started(WRITE, hosts=["web1", "db1"], plan=PLAN, parent="apply")
    )
    done = [
        task("web1", "changed", result={"changed": True}, diff=[{"before": "x", "after": "y"}]),
        task("db1", "unreachable", result={"msg": f"{ESC}no route"}),
        task("web1", "skipped", name="Restart"),
    ]
    _append(ledger, "events", WRITE, events(WRITE, *done, text=f"[WARNING]: {ESC}old\nsecond"))
    _append(
        ledger,
        "ended",
        WRITE,
        ended("some_hosts_failed", changed=["web1"], failed={"db1": "unreachable"}, error="1/2"),
    )
    before = {"sha256": "1", "mode": "0600", "content": f"one\n{ESC}two\n"}
    effects = [
        {
            "kind": "file",
            "name": "/etc/motd",
            "before": before,
            "after": {**before, "content": "one\nthree\n"},
        },
        {
            "kind": "file",
            "name": "/key",
            "before": None,
            "after": {"sha256": "2", "left_out": "secret"},
        },
        {
            "kind": "service",
            "name": "nginx",
            "before": {"active": "inactive"},
            "after": {"active": "active"},
        },
    ]
    _append(ledger, "capture", WRITE, {"run": WRITE, "effects": {"web1": effects}})


def _preview(ledger: Ledger) -> None:
    """No capture: only what Ansible reported. And a look that was taken within another
    call.
    """
    diff = [
        {"before": "old\n", "after": "new\n", "after_header": "/etc/hosts"},
        {"prepared": f"- a\n{ESC}+ b"},
    ]
    _append(ledger, "started", PREVIEW, started(PREVIEW, preview=True))
    _append(
        ledger, "events", PREVIEW, events(PREVIEW, task("web1", "changed", diff=diff), preview=True)
    )
    _append(ledger, "ended", PREVIEW, ended(changed=["web1"]))
    _append(ledger, "started", LOOK, started(LOOK, preview=True, parent="apply"))
    _append(ledger, "ended", LOOK, ended())


def _undo(ledger: Ledger) -> None:
    """Of two plans that take WRITE back, the second was carried out."""
    for plan in ("plan-left", UNDO_PLAN):
        _append(ledger, "plan", plan, {"plan": plan, "hash": "h", "undoes": WRITE, "steps": []})
    _append(ledger, "started", UNDO, started(UNDO, plan=UNDO_PLAN))
    _append(ledger, "closed", "apply-undo", {"plan": UNDO_PLAN, "outcome": "used", "by": "local"})
    _append(
        ledger, "closed", "cancel", {"plan": "plan-left", "outcome": "cancelled", "by": "local"}
    )
    _append(ledger, "ended", UNDO, ended(changed=["web1"]))


def _half(ledger: Ledger) -> None:
    _append(ledger, "started", HALF, started(HALF, hosts=["db1"]))
    note = {
        "outcome": "interrupted",
        "hosts": ["db1"],
        "note": "may have been running on these hosts",
    }
    _append(ledger, "interrupted", HALF, note)


def _running(ledger: Ledger) -> None:
    """No end yet; its events are here already so that there is something long."""
    tasks = [
        task("web1", "changed", name=f"Task {number}", result={"n": number})
        for number in range(LONG)
    ]
    _append(ledger, "started", RUNNING, started(RUNNING))
    _append(ledger, "events", RUNNING, events(RUNNING, *tasks, cut=True))
