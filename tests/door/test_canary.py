"""No secret is found where none belongs: of each way by which one comes in, a canary, and
then a look everywhere.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from mikrus.simulator import SRV, Simulator, Vps, error, running
from playrail.calls.answers import Answer
from playrail.history.runs import find_runs, read_run
from playrail.ledger.ledger import Ledger
from playrail.server.resources import PARTS
from playrail.settings.private_files import private_directory
from worlds.local_plays import LOCAL, below
from worlds.plan_world import World, world

pytestmark = pytest.mark.slow

BIN = Path(sys.executable).parent
# What is special to JSON, to a shell, to Python and to Jinja comes first, so that no other
# spelling is missed.
SECRETS = {
    "password": '"it\'s" \\ ö {{ 7*7 }} CANARY-password',
    "sudo": "'$(id)' CANARY-sudo",
    "key": "CANARY-key-0123456789abcdef",
    "content": "CANARY-content\n",
    "token": "-----BEGIN TOKEN-----\nCANARY-token\n-----END TOKEN-----",
    "vault": "CANARY-vault",
}
# The answer holds what it asked for, or a path of its own
TOLD_TO_THE_CALLER = ("command_failed", "not_found")
FOUND = {name: f"CANARY-{name}".encode() for name in SECRETS}
IN_ENVIRONMENTS = {"token"}  # of Ansible's processes: PLAYRAIL_PASS_ENV says so


def canaries(text: str | bytes) -> set[str]:
    data = text.encode(errors="replace") if isinstance(text, str) else text
    return {name for name, canary in FOUND.items() if canary in data}


def numbers() -> set[str]:
    """Of the processes that there are."""
    return {name for name in os.listdir("/proc") if name.isdigit()}  # noqa: PTH208  half the time


@dataclass
class Watch:
    """Looks at the command lines of all processes that began meanwhile, and at the environments
    of those whose HOME is `home`, again and again.
    """

    home: Path
    found: set[tuple[str, str]] = field(default_factory=set)
    looks: int = 0
    ended: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        before = numbers()
        while not self.ended.wait(0.02):
            self.looks += 1
            now = numbers()
            before &= now
            for number in now - before:
                entry = Path("/proc", number)
                with contextlib.suppress(OSError):  # it is gone
                    self._look((entry / "cmdline").read_bytes(), (entry / "environ").read_bytes())

    def _look(self, command: bytes, environment: bytes) -> None:
        line = command.replace(b"\0", b" ").decode(errors="replace")
        self.found |= {(name, line) for name in canaries(command)}
        # Not the operator's
        if f"HOME={self.home}\0".encode() in environment and b"/bin/playrail\0" not in command:
            self.found |= {
                (name, f"environment of {line}") for name in canaries(environment) - IN_ENVIRONMENTS
            }


@contextlib.contextmanager
def watching(home: Path) -> Iterator[Watch]:
    watch = Watch(home)
    thread = threading.Thread(target=watch.run)
    thread.start()
    try:
        yield watch
    finally:
        watch.ended.set()
        thread.join()


def users_inventory(place: Path) -> dict[str, str]:
    """An inventory whose hosts take a password out of the vault, and where that is."""
    password = place / "vault-password"
    password.write_text("open sesame\n")
    (place / "inventory" / "group_vars").mkdir(parents=True)
    (place / "inventory" / "hosts.ini").write_text("[web]\nweb1\nweb2\n")
    variables = place / "inventory" / "group_vars" / "web.yml"
    become = {
        "ansible_become": True,
        "ansible_become_method": "su",
        "ansible_become_password": SECRETS["vault"],
    }
    variables.write_text(json.dumps({**LOCAL, **become}))
    command = [
        str(BIN / "ansible-vault"),
        "encrypt",
        "--vault-password-file",
        str(password),
        str(variables),
    ]
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, "HOME": str(place)})
    assert not canaries(variables.read_bytes())
    return {
        "PLAYRAIL_INVENTORY": str(place / "inventory"),
        "ANSIBLE_VAULT_PASSWORD_FILE": str(password),
    }


def settings(place: Path, url: str) -> dict[str, str]:
    closed = {"type": "ssh", "host": "127.0.0.1", "port": 1, "timeout": 2}
    closed |= {"password": SECRETS["password"], "sudo_password": SECRETS["sudo"]}
    vps = {"type": "mikrus", "srv": SRV, "key": SECRETS["key"], "api_url": url}
    return {
        **users_inventory(place),
        "MCP_SERVERS": json.dumps({"closed": closed, "vps": vps}),
        "MCP_DEFAULT_SERVER": "web1",
        "MY_TOKEN": SECRETS["token"],
        "PLAYRAIL_PASS_ENV": "MY_TOKEN",
        "PLAYRAIL_MIKRUS_RATE": "1000/60",
        "LOG_LEVEL": "DEBUG",
    }


def calls(made: World, files: Path, simulator: Simulator) -> Iterator[tuple[str, Answer]]:
    """What a day's work may be, and what goes wrong on one. Each call has to end as it is
    told here.
    """
    secret: dict[str, Any] = {
        "path": str(files / "secret"),
        "content": SECRETS["content"],
        "secret": True,
    }
    yield "ok", made.call("write_file", preview=True, **secret)
    yield "ok", (written := made.call("write_file", **secret, server="web1"))
    yield "ok", (undoing := made.call("undo_run", run_id=written.meta.run_id))
    yield "ok", made.call("check_drift", server="web1")
    yield "ok", made.apply((undoing.data or {})["plan"])
    everything = "\n".join(f"x {SECRETS[name]}" for name in ("password", "sudo", "key", "token"))
    plain: dict[str, Any] = {"path": str(files / "plain"), "content": f"{everything}\n"}
    yield "ok", (plan := made.call("write_file", preview=True, **plain))
    yield "ok", made.apply((plan.data or {})["plan"])
    yield "ok", (changed := made.call("write_file", path=str(files / "plain"), content="two\n"))
    yield "not_undoable", made.call("undo_run", run_id=changed.meta.run_id)
    (files / "plain").write_text(plain["content"])
    yield "ok", (clean := made.call("write_file", path=str(files / "clean"), content="one\n"))
    (files / "clean").write_text(f"edited\n{everything}\n")
    yield "changed_since", made.call("undo_run", run_id=clean.meta.run_id)
    yield "ok", made.call("write_file", preview=True, path=str(files / "clean"), content="one\n")
    yield "ok", made.call("check_drift", server="web1")
    yield (
        "not_found",
        made.call("write_file", **{**secret, "path": f"{files}/none/{SECRETS['key']}"}),
    )
    yield "host_unreachable", made.call("write_file", **secret, server="closed")
    yield (
        "command_failed",
        made.call("execute_command", cmd=f"cat {files}/plain; exit 3", shell=True),
    )
    yield (
        "invalid_argument",
        made.call("write_file", path=SECRETS["key"], content=SECRETS["password"]),
    )
    yield "ok", made.call("get_server_info", server="vps")
    yield "ok", made.call("restart_server", preview=True, server="vps")
    simulator.faults.append(error(f"klucz {SECRETS['key']} jest zły"))
    yield "api_rejected", made.call("restart_server", server="vps")


def looked_at(ledger: Ledger) -> Iterator[tuple[str, str]]:
    """All resources of all runs."""
    for run in find_runs(ledger, everything=True, limit=1000):
        for part in PARTS:
            for page in part.pages(read_run(ledger, run.run or run.call)):
                yield f"{part.name} of {run.tool}", page


def operated(place: Path, given: dict[str, str], files: Path) -> Iterator[tuple[str, str]]:
    """What the operator's commands print, to standard error as well."""
    environ = {
        **given,
        "HOME": str(place),
        "PATH": os.environ["PATH"],
        "ENABLE_WRITE_OPERATIONS": "1",
    }
    environ |= {
        "PLAYRAIL_STATE_DIR": str(place / "state"),
        "PLAYRAIL_RUNTIME_DIR": str(place / "run"),
    }

    def playrail(*words: str, typed: str = "") -> str:
        command = [str(BIN / "playrail"), *words]
        done = subprocess.run(
            command,
            input=typed,
            env=environ,
            cwd=place,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    by_hand = {"path": str(files / "by-hand"), "content": SECRETS["password"]}
    yield "playrail call", playrail("call", "write_file", "--json", "-", typed=json.dumps(by_hand))
    yield "playrail plans", playrail("plans", "--all", "--json")
    runs = playrail("runs", "--all", "--json", "--limit", "100")
    yield "playrail runs", runs
    yield "playrail ledger export", playrail("ledger", "export", str(place / "exported"))
    yield "playrail run", playrail("run", json.loads(runs)[0]["run"])


def test_no_secret_is_anywhere(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    place, files = private_directory(tmp_path / "place"), tmp_path / "files"
    files.mkdir()
    simulator = Simulator(Vps(key=SECRETS["key"]))
    with running(simulator) as url, watching(place) as watch:
        given = settings(place, url)
        told: list[tuple[str, str]] = []
        with world(place, **given) as made:
            for code, answer in calls(made, files, simulator):
                assert answer.code == code, answer.envelope()
                if code not in TOLD_TO_THE_CALLER:
                    told.append(
                        (f"answer {code}", json.dumps(answer.envelope(), ensure_ascii=False))
                    )
            told += looked_at(made.server.ledger)
            listed: list[Any] = list(made.server.ledger.read())
            told += [
                (f"record {one['kind']} of {one['tool']}", json.dumps(one, ensure_ascii=False))
                for one in listed
            ]
            wal = {path: canaries(content) for path, content in below(place / "state").items()}
        told += operated(place, given, files)
        time.sleep(0.1)
    told += [("log", record.getMessage()) for record in caplog.records]

    assert {what: found for what, text in told if (found := canaries(text))} == {}
    assert {path: found for path, found in wal.items() if found} == {}
    assert {
        path: found for path, content in below(place).items() if (found := canaries(content))
    } == {}
    assert (watch.found, watch.looks > 10) == (set(), True)
    kinds = {record["kind"] for record in listed}
    assert kinds >= {"started", "ended", "events", "capture", "plan", "closed", "refused"}, (
        "there was something to see"
    )
    assert canaries((files / "plain").read_bytes()) == {"password", "sudo", "key", "token"}
