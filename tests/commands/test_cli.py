"""The command line, run as a process: what it prints, and the status it ends with."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from playrail import catalog
from playrail.commands.arguments import value_of
from playrail.ledger.ledger import Ledger
from worlds.forked_commands import Commands

PLAYRAIL = Path(sys.executable).parent / "playrail"

Ended = subprocess.CompletedProcess[str]
Playrail = Callable[..., Ended]


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """An environment in which nothing is configured."""
    (tmp_path / "work").mkdir()
    return {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "LANG": "C.UTF-8", "COLUMNS": "100"}


@pytest.fixture
def playrail(tmp_path: Path, environ: Mapping[str, str], commands: Commands) -> Playrail:
    """Runs the command with these words; keywords are variables of its environment."""

    def run(*words: str, stdin: str = "", **variables: str) -> Ended:
        env = {**environ, **variables}
        return commands.run(*words, env=env, cwd=tmp_path / "work", stdin=stdin)

    return run


@pytest.fixture
def started(tmp_path: Path, environ: Mapping[str, str]) -> Playrail:
    """Starts it as a shell does, which takes ten times as long."""

    def run(*words: str, stdin: str = "", **variables: str) -> Ended:
        command, env = [str(PLAYRAIL), *words], {**environ, **variables}
        return subprocess.run(
            command,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env=env,
            cwd=tmp_path / "work",
        )

    return run


def told(ended: Ended) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


def test_version(started: Playrail) -> None:
    ended = started("--version")

    assert (ended.returncode, ended.stdout, ended.stderr) == (
        0,
        f"playrail {version('playrail')}\n",
        "",
    )


def test_help_documents_every_command_and_exit_status(started: Playrail) -> None:
    ended = started("--help")

    assert ended.returncode == 0
    text = " ".join(ended.stdout.split())
    for word in ("serve", "tools", "call", "inventory", "doctor", "demo", "ledger"):
        assert f"│ {word} " in text
    assert (
        "Exit status: 0 fine · 1 the tool failed, or something was found wrong · 2 wrong usage"
        in text
    )
    assert "130 interrupted" in text


@pytest.mark.slow
def test_tools_names_every_tool_that_is_offered_and_all_with_the_reason(
    playrail: Playrail,
) -> None:
    offered, every = playrail("tools"), playrail("tools", "--all")

    assert (offered.returncode, every.returncode) == (0, 0)
    assert [name for name in catalog.load() if f" {name} " not in every.stdout] == []
    assert " read_file " in offered.stdout
    assert " restart_server " not in offered.stdout
    (row,) = [line for line in every.stdout.splitlines() if " restart_server " in line]
    assert "no mikr.us server is configured" in row


@pytest.mark.slow
def test_tools_as_mcp_clients_see_them(playrail: Playrail) -> None:
    listed = json.loads(playrail("tools", "--json").stdout)
    every = json.loads(playrail("tools", "--json", "--all", PLAYRAIL_OUTPUT_SCHEMAS="1").stdout)

    assert listed[0].keys() == {"name", "description", "inputSchema", "annotations"}
    assert [tool["name"] for tool in every] == list(catalog.load())
    assert [tool["name"] for tool in every if tool["not_offered"] is None] == [
        tool["name"] for tool in listed
    ]
    assert "outputSchema" in every[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variables", "line"),
    [
        (
            {"LOG_LEVEL": "loud"},
            (
                "playrail: LOG_LEVEL: no such level; allowed are DEBUG, INFO, WARNING, ERROR, "
                "CRITICAL\n"
            ),
        ),
        (
            {"PLAYRAIL_STATEDIR": "/x"},
            "playrail: PLAYRAIL_STATEDIR: no such setting; the nearest is PLAYRAIL_STATE_DIR\n",
        ),
    ],
    ids=["value", "name"],
)
@pytest.mark.parametrize(
    "words", [["serve"], ["inventory"], ["call", "list_configured_servers"]], ids=lambda w: w[0]
)
def test_wrong_settings(
    playrail: Playrail, words: list[str], variables: Mapping[str, str], line: str
) -> None:
    ended = playrail(*words, **variables)

    assert (ended.returncode, ended.stdout, ended.stderr) == (2, "", line)


@pytest.mark.slow
def test_what_is_wrong_once_serving_has_begun_ends_the_process_too(
    environ: dict[str, str], tmp_path: Path
) -> None:
    """The tools are looked for when a client may have been answered already, and may go on
    to say nothing.
    """
    environ["PLAYRAIL_TOOLSETS"] = "dockr"
    process = subprocess.Popen(
        [str(PLAYRAIL), "serve"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environ,
        cwd=tmp_path / "work",
    )

    status = process.wait(timeout=30)  # while its input is still open
    output, errors = process.communicate()
    assert (status, output) == (2, "")
    assert errors.startswith("playrail: PLAYRAIL_TOOLSETS: 'dockr' is no bundle, toolset or tool; ")
    assert errors.count("\n") == 1


@pytest.mark.slow
def test_initialize_is_answered_before_what_only_calls_need_is_imported() -> None:
    code = (
        "import sys, playrail.cli, playrail.settings.settings, playrail.server.server as s; "
        "s.build(s.Starting(None))\n"
        "print(*{name.partition('.')[0] for name in sys.modules}, *sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )

    needless = {
        "sqlalchemy",
        "yaml",
        "ansible",
        "ansible_runner",
        "httpx",
        "rich",
        "playrail.door.door",
        "playrail.catalog",
    }
    assert needless & set(done.stdout.split()) == set()


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        ["no-such-command"],
        ["call"],
        ["call", "read_file", "/etc/hostname"],
        ["call", "read_file", "path=/a", "path=/b"],
        ["call", "read_file", "path=/a", "--json", "{}"],
        ["call", "read_file", "--json", "[]"],
        ["call", "read_file", "--json", "{"],
    ],
    ids=" ".join,
)
def test_wrong_usage(playrail: Playrail, words: list[str]) -> None:
    ended = playrail(*words)

    assert (ended.returncode, ended.stdout) == (2, "")
    assert "Traceback" not in ended.stderr


@pytest.mark.slow
def test_call_of_an_unknown_tool(playrail: Playrail) -> None:
    ended = playrail("call", "no_such_tool", "path=/")

    assert ended.returncode == 1
    assert {key: told(ended)[key] for key in ("success", "code", "data")} == {
        "success": False,
        "code": "unknown_tool",
        "data": {"tools": [one["name"] for one in json.loads(playrail("tools", "--json").stdout)]},
    }


@pytest.mark.slow
def test_call_of_a_tool_that_answers_itself(playrail: Playrail) -> None:
    ended = playrail("call", "list_configured_servers")

    assert (ended.returncode, told(ended)["success"], ended.stderr) == (0, True, "")
    assert [server["name"] for server in told(ended)["data"]["servers"]] == ["localhost"]


@pytest.mark.slow
def test_call_on_this_machine(started: Playrail, tmp_path: Path) -> None:
    ended = started("call", "get_memory_info", "server=localhost")

    assert ended.returncode == 0, ended.stdout + ended.stderr
    answer = told(ended)
    total = int(Path("/proc/meminfo").read_text(encoding="ascii").split()[1]) * 1024
    assert answer["data"]["hosts"]["localhost"]["total_bytes"] == total
    ledger = Ledger(tmp_path / ".local" / "state" / "playrail" / "ledger.sqlite")
    records = list(ledger.read(call=answer["_meta"]["request_id"]))
    ledger.close()
    assert [(record["kind"], record["caller"]) for record in records] == [
        (kind, "cli") for kind in ("started", "events", "ended")
    ]


@pytest.mark.slow
def test_arguments_as_json_from_stdin(playrail: Playrail) -> None:
    ended = playrail("call", "read_file", "--json", "-", stdin='{"path": "relative", "limit": 1}')

    assert (ended.returncode, told(ended)["code"]) == (1, "invalid_argument")
    assert "path: must be absolute" in told(ended)["error"]


@pytest.mark.slow
def test_ledger_verify(playrail: Playrail) -> None:
    assert playrail("ledger", "verify").stdout.endswith("nothing is recorded yet\n")
    playrail("call", "no_such_tool")

    ended = playrail("ledger", "verify")

    assert (ended.returncode, ended.stdout.split(": ")[1]) == (0, "1 records, the chain holds\n")


@pytest.mark.slow
def test_the_log_tells_which_dotenv_was_read(playrail: Playrail, tmp_path: Path) -> None:
    path = tmp_path / "work" / ".env"
    path.touch(mode=0o600)

    assert (
        f"INFO playrail.commands.terminal: settings were read from {path}\n"
        in playrail("ledger", "verify").stderr
    )
    assert playrail("ledger", "verify", LOG_LEVEL="WARNING").stderr == ""
    path.chmod(0o666)
    assert playrail("ledger", "verify").returncode == 2


@pytest.mark.slow
def test_inventory(started: Playrail) -> None:
    secret = "hunter2-and-more"
    servers = {
        "web": {"type": "ssh", "host": "192.0.2.1", "user": "ops", "password": secret},
        "broken": {"type": "ssh", "host": "192.0.2.2", "port": 0, "password": secret},
    }

    ended = started("inventory", MCP_SERVERS=json.dumps(servers))

    assert (ended.returncode, ended.stderr) == (0, "")
    assert secret not in ended.stdout
    assert [" ".join(line.split()) for line in ended.stdout.splitlines() if line.strip(" ─")] == [
        "server address port user connection groups",
        "web 192.0.2.1 22 ops ssh playrail_servers",
        "default: web",
        "cannot be used why",
        "broken port: input should be greater than or equal to 1.",
    ]


@pytest.mark.slow
def test_interrupting_a_call_ends_its_work(environ: dict[str, str], tmp_path: Path) -> None:
    odd = f"86400.{os.getpid()}"  # seconds to sleep, to be told from any other sleep
    environ["ENABLE_WRITE_OPERATIONS"] = "1"
    # What is started in a shell's background ignores SIGINT, and so would this.
    command = [
        "env",
        "--default-signal=INT",
        str(PLAYRAIL),
        "call",
        "execute_command",
        f"cmd=sleep {odd}",
    ]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environ,
        cwd=tmp_path / "work",
    )
    deadline = time.monotonic() + 120
    while not is_running(["sleep", odd]) and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=30)

    assert (process.returncode, output) == (130, ""), errors
    assert "its work was ended there." in errors
    assert not is_running(["sleep", odd])


def is_running(argv: list[str]) -> bool:
    wanted = "\0".join([*argv, ""]).encode()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cmdline").read_bytes() == wanted:
                return True
        except OSError:
            continue
    return False


@pytest.mark.parametrize(
    ("text", "schema", "value"),
    [
        ("12", {"type": "integer"}, 12),
        ("12", {"type": "string"}, "12"),
        ("true", {"type": "boolean"}, True),
        ("yes", {"type": "boolean"}, "yes"),
        ("null", {"anyOf": [{"type": "string"}, {"type": "null"}]}, "null"),
        ("7", {"anyOf": [{"type": "integer"}, {"type": "null"}]}, 7),
        ("web1", {"anyOf": [{"type": "string"}, {"type": "array"}, {"type": "null"}]}, "web1"),
        (
            '["web1"]',
            {"anyOf": [{"type": "string"}, {"type": "array"}, {"type": "null"}]},
            ["web1"],
        ),
        ("[web1", {"anyOf": [{"type": "string"}, {"type": "array"}, {"type": "null"}]}, "[web1"),
        ('{"a": 1}', {"type": "string"}, '{"a": 1}'),
        ("12", {}, "12"),
    ],
)
def test_value_of(text: str, schema: Mapping[str, Any], value: Any) -> None:
    assert value_of(text, schema) == value
