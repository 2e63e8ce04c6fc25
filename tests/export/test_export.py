"""What `playrail ledger export` writes, and that plain ansible-playbook does it again on
this machine.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
import stat
import subprocess
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from playrail.errors import ExportFailed
from playrail.history.replay import Selection
from playrail.ledger.ledger import Entry
from playrail.safe_text.secrets import HIDDEN
from worlds.export_world import BIN, World

CANARY = "hunter2-{{ 7 * 7 }}-canary"
NASTY = "{{ lookup('pipe', 'touch was-run') }} {% raw %}\n  \"é\"\t'$(id)`\r\n\n!unsafe x: #y\n"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    tmp_path.chmod(0o700)
    made = World(tmp_path)
    yield made
    made.ledger.close()


def changes(output: str, host: str = "localhost") -> int:
    found = re.search(rf"^{host} .* changed=(\d+) .* failed=0", output, re.MULTILINE)
    assert found is not None, output
    return int(found[1])


@pytest.mark.slow
def test_a_session_is_done_again_by_plain_ansible(world: World) -> None:
    """Byte for byte, in the end as often as one likes, and it passes ansible-lint."""
    there = world.place / "there {{ 1 + 1 }}"
    there.mkdir()
    made, gone = there / "made", there / "gone"
    world.did("write_file", "localhost", path=str(made), content="first\n")
    world.did("write_file", "localhost", path=str(made), content=NASTY, mode="0640")
    world.did("write_file", "localhost", path=str(gone), content="0640")
    world.did("execute_command", "localhost", cmd=f"touch '{there}/{{{{ by_command }}}}'")
    world.did("remove_file", "localhost", path=str(gone))

    world.export()

    status, output = world.played()
    assert (status, changes(output)) == (0, 4), output
    assert {path.name: path.read_bytes() for path in there.iterdir()} == {
        "made": NASTY.encode(),
        "{{ by_command }}": b"",
    }
    assert stat.S_IMODE(made.stat().st_mode) == 0o640
    status, output = world.played("--skip-tags", "playrail_not_idempotent")
    assert (status, changes(output)) == (0, 0), output
    lint = [str(BIN / "ansible-lint"), "--offline", "--nocolor"]
    env = {"HOME": str(world.place), "PATH": f"{BIN}:{os.environ['PATH']}", "LANG": "C.UTF-8"}
    done = subprocess.run(
        lint, cwd=world.exported, env=env, capture_output=True, text=True, check=False
    )
    assert (done.returncode, "0 failure(s), 0 warning(s)" in done.stdout + done.stderr) == (
        0,
        True,
    ), done.stderr


@pytest.mark.slow
def test_nothing_is_done_until_every_secret_and_server_is_there(world: World) -> None:
    path, first = world.place / "secret", world.place / "first"
    world.did("write_file", "localhost", path=str(first), content="x")
    world.did("write_file", "localhost", path=str(path), content=CANARY, secret=True)
    world.did("write_file", "elsewhere", path=str(path), content="x")

    assert dict(world.export().provide) == {
        "REPLAY_SECRET_1": f"content of File {path} (run 20261120-100002-00000002)"
    }

    status, output = world.played(REPLAY_SECRET_1=CANARY)
    assert (status, "The inventory has no server elsewhere" in output, first.exists()) == (
        2,
        True,
        False,
    )
    inventory = world.exported / "inventory.yml"
    inventory.write_text(
        inventory.read_text().replace(
            "localhost:", "elsewhere: {ansible_connection: local}\n    localhost:"
        )
    )
    status, output = world.played("--limit", "localhost")
    assert (
        status,
        "The environment variable REPLAY_SECRET_1 is not set" in output,
        first.exists(),
    ) == (2, True, False)
    status, output = world.played("--diff", "--limit", "localhost", REPLAY_SECRET_1=CANARY)
    assert (status, path.read_text()) == (0, CANARY), output
    assert "+x" in output
    assert CANARY not in output


def test_no_secret_is_in_it(world: World) -> None:
    entry = {
        "type": "ssh",
        "host": "192.0.2.1",
        "user": "ops",
        "password": f"{CANARY}1",
        "sudo_password": f"{CANARY}2",
    }
    vps = {"type": "mikrus", "key": f"{CANARY}3", "srv": "srv1"}
    world.did("write_file", "web-1", "vps", path="/etc/token", content=f"{CANARY}4", secret=True)

    exported = world.export(MCP_SERVERS=json.dumps({"web-1": entry, "vps": vps, "other": entry}))

    assert list(exported.provide) == [
        "REPLAY_SECRET_1",
        "REPLAY_WEB_1_PASSWORD",
        "REPLAY_WEB_1_SUDO_PASSWORD",
    ]
    files = [path for path in world.exported.rglob("*") if path.is_file()]
    assert [path for path in files if "canary" in path.read_text()] == []
    assert {
        stat.S_IMODE(path.stat().st_mode) for path in files if path.parent == world.exported
    } == {0o600}
    assert stat.S_IMODE(world.exported.stat().st_mode) == 0o700
    everything = world.loaded("inventory.yml")["all"]
    hosts = everything["children"]["playrail_servers"]["hosts"]
    assert (list(hosts), hosts["vps"]) == (["web-1", "vps"], {})
    assert (
        hosts["web-1"]["ansible_become_password"] == "{{ playrail_secrets['web-1'].sudo_password }}"
    )
    assert everything["vars"]["playrail_secrets"]["web-1"]["sudo_password"] == (
        "{{ lookup('ansible.builtin.env', 'REPLAY_WEB_1_SUDO_PASSWORD', default=undef()) }}"
    )
    told = world.text("README.md")
    assert "An address for `vps` in `inventory.yml`" in told
    assert [
        name for name in exported.provide if f"The environment variable `{name}`" not in told
    ] == []


def test_a_hidden_secret_is_never_written_as_its_mark(world: World) -> None:
    content = f"password={HIDDEN}"
    written = world.did(
        "write_file", "localhost", hidden=["content"], path="/etc/app.conf", content=content
    )
    world.did("execute_command", "localhost", hidden=["cmd", "argv"], cmd=f"login '{HIDDEN}'")

    exported = world.export()

    what = (
        f"content of File /etc/app.conf (run {written}), with the secret in it that the "
        "record hides"
    )
    assert exported.provide == {"REPLAY_SECRET_1": what}
    assert HIDDEN not in world.text("site.yml")
    told = world.text("README.md")
    assert f"The environment variable `REPLAY_SECRET_1`: {what}." in told
    assert "its arguments hold a secret, which is not kept." in told


def test_a_file_of_asterisks_is_exported_as_it_is(world: World) -> None:
    world.did("write_file", "localhost", path="/etc/stars", content="********")

    exported = world.export()

    assert exported.provide == {}
    assert "********" in world.text("site.yml")


def test_what_a_later_call_left_unset_is_in_it(world: World) -> None:
    world.did("write_file", "localhost", path="/etc/key", content="a", mode="0600", owner="nobody")
    world.did("write_file", "localhost", path="/etc/key", content="b")

    world.export()

    (_, play) = world.loaded("site.yml")
    told = {
        name: play["vars"][f"playrail_{name}"] for name in ("content", "mode", "owner", "group")
    }
    assert told == {"content": "b", "mode": "0600", "owner": "nobody", "group": None}


def test_what_the_readme_tells(world: World, tmp_path: Path) -> None:
    own = tmp_path / "my hosts"
    own.write_text("mine ansible_host=192.0.2.7\n")
    marked = world.did("execute_command", "mine", cmd="true")
    left_out = world.did("manage_process", "mine", action="kill", target="4711")
    world.did("restart_server", "mine")
    unknown = world.did(
        "write_file", "mine", path="/etc/`motd", content="x", outcome="outcome_unknown"
    )
    since = datetime(2026, 1, 1, tzinfo=UTC)

    world.export(
        Selection(since=since, hosts=["mine"]),
        PLAYRAIL_INVENTORY=str(own),
        PLAYRAIL_PROTECT_WRITE="/a,/b",
    )

    text = world.text("README.md")
    head = world.ledger.head()
    assert (
        f"Made of the calls since {since.isoformat()}, on `mine` in a ledger whose head was "
        f"`{head}`."
    ) in text
    assert f"ansible-playbook -i inventory.yml -i '{own}' site.yml" in text
    assert f"How to reach `mine`: that is in `{own}`." in text
    lines = {line for line in text.splitlines() if line.startswith("- ")}
    for run, why in {
        marked: "a command, which does again what it does",
        left_out: "it set nothing that lasts",
        unknown: "what came of it is not known",
    }.items():
        assert any(f"run `{run}`" in line and line.endswith(f"{why}.") for line in lines), (
            run,
            why,
            text,
        )
    assert any("`restart_server`" in line and "mikr.us API" in line for line in lines)
    assert world.loaded("inventory.yml")["all"]["vars"] == {"playrail_protect_write": ["/a", "/b"]}
    assert world.loaded("requirements.yml") == {"collections": []}


def test_comments_stay_comments(world: World) -> None:
    """Not even a caller's name ends the line."""
    about: dict[str, Any] = {
        "call": "c",
        "server": "s",
        "caller": "ann\n- hosts: all",
        "tool": "execute_command",
    }
    body = {"arguments": {"cmd": "true"}, "hosts": ["localhost"], "risk": "DANGEROUS", "run": "r"}
    ended = {"outcome": "ok", "changed": [], "failed": {}}
    world.ledger.append(
        Entry(kind="started", **about, body=body), Entry(kind="ended", **about, body=ended)
    )

    world.export()

    assert [play.get("hosts") for play in world.loaded("site.yml")] == ["localhost", None]


FAILURES: dict[str, tuple[Selection, str]] = {
    "no such run": (
        Selection(runs=["20261120-100001-00000001", "no-such"]),
        "The ledger has no run no-such.",
    ),
    "nothing selected": (Selection(caller="bob"), "No call was selected that changed a server."),
    "nothing that can be": (
        Selection(hosts=["api"]),
        (
            "None of the 1 selected calls can be replayed: it is a request to the mikr.us API, "
            "which is no play."
        ),
    ),
}


@pytest.mark.parametrize(("selection", "message"), FAILURES.values(), ids=FAILURES.keys())
def test_failures(world: World, selection: Selection, message: str) -> None:
    world.did("execute_command", "localhost", cmd="true")
    world.did("restart_server", "api")

    with pytest.raises(ExportFailed) as failure:
        world.export(selection)

    assert str(failure.value) == message
    assert not world.exported.exists()


def test_a_ledger_that_was_tampered_with(world: World) -> None:
    world.did("execute_command", "localhost", cmd="true")
    world.ledger.close()
    with closing(sqlite3.connect(world.ledger.path)) as connection, connection:
        connection.execute("DROP TRIGGER records_refuse_update")
        connection.execute(
            "UPDATE records SET body = replace(body, '\"true\"', '\"reboot\"') WHERE kind = "
            "'started'"
        )
    connection.close()

    with pytest.raises(ExportFailed, match=r"^The ledger cannot be trusted: "):
        world.export()

    assert not world.exported.exists()


@pytest.mark.parametrize("there", ["file", "full", "open"])
def test_a_directory_that_cannot_be_used(world: World, there: str) -> None:
    world.did("execute_command", "localhost", cmd="true")
    if there == "file":
        world.exported.touch()
    else:
        world.exported.mkdir(mode=0o700 if there == "full" else 0o755)
        (world.exported / "kept").touch(exist_ok=True) if there == "full" else None

    with pytest.raises(ExportFailed):
        world.export()


@pytest.mark.slow
def test_the_command(world: World) -> None:
    world.did("write_file", "localhost", path="/etc/motd", content="x")
    world.did("execute_command", "localhost", cmd="true")
    world.ledger.close()
    env = {
        "HOME": str(world.place),
        "PATH": os.environ["PATH"],
        "PLAYRAIL_STATE_DIR": str(world.place / "state"),
    }

    def run(*words: str) -> tuple[int, str, str]:
        command = [str(BIN / "playrail"), "ledger", "export", *words]
        done = subprocess.run(
            command,
            env=env,
            cwd=world.place,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    assert run("--since", "2026-01-01", "--caller", "ann", "--host", "localhost", "exported") == (
        0,
        "exported/site.yml: 2 plays, 1 of them marked as not idempotent\n",
        "",
    )
    status, output, errors = run("exported")
    assert (status, output, errors.splitlines()[0]) == (
        1,
        "",
        f"playrail: {world.exported} is not an empty directory.",
    )
    assert run("--since", "yesterday", "other")[0] == 2
