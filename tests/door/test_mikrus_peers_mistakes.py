"""Mistakes that were found in the server for mikr.us which Playrail replaces (mikrus-mcp), and
that must never be ours.

Each test names the mistake. Plays are real ones on this machine; the mikr.us API is the
simulator, over real HTTP.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mikrus import simulator as sim
from playrail.calls.answers import Answer, parse
from playrail.errors import InvalidArgument
from playrail.settings.settings import Settings
from playrail.tools.schemas import input_schema
from playrail.tools.tool import NO_VARIABLES, ApiTool, DirectTool
from worlds.callers import ANN
from worlds.example_calls import example_of
from worlds.local_plays import below, inventory, playrail, standing
from worlds.peers import TOOLS, Api, Here, call, played, report, simulated_api

CHANGING = [
    tool for tool in TOOLS.values() if tool.worst_risk.changes and not isinstance(tool, DirectTool)
]
QUOTE_ATTACK = "/tmp/a'; touch {canary}; echo '"
every_path_tool = pytest.mark.parametrize(
    "name", [name for name, t in TOOLS.items() if "path" in t.input.model_fields]
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That of the user of `here`."""
    return tmp_path_factory.mktemp("standing")


@pytest.fixture(scope="module")
def here(home: Path) -> Iterator[Here]:
    with standing(home, ENABLE_WRITE_OPERATIONS="1") as calling:
        yield calling


@pytest.fixture(scope="module")
def refusing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[sim.Simulator, Here]]:
    """Calls on the host `here` and on that of an API, with writes off."""
    place = tmp_path_factory.mktemp("refusing")
    given = {"PLAYRAIL_INVENTORY": str(inventory(place, "here"))}
    with simulated_api() as (simulator, servers):
        given["MCP_SERVERS"] = json.dumps(servers)
        with standing(place / "place", **given) as calling:
            yield simulator, calling


@pytest.fixture
def api() -> Iterator[Api]:
    with simulated_api() as api:
        yield api


@played
@pytest.mark.parametrize(
    "log", ["../restart", "../exec?cmd=id", "a/b", "..", "%2e%2e%2frestart", "1\n", ""]
)
def test_a_log_id_never_becomes_another_endpoint(place: Path, api: Api, log: str) -> None:
    simulator, servers = api

    assert call(place, "get_log_by_id", servers, id=log).code == "invalid_argument"
    assert simulator.requests == []


FIND_NO_FILE = {"remove_file", "write_file", "get_mounts"}  # and that is well with them


@played
@every_path_tool
def test_a_path_is_never_a_piece_of_a_shell_line(here: Here, place: Path, name: str) -> None:
    canary = place / "canary"
    given = {**example_of(TOOLS[name]), "path": QUOTE_ATTACK.format(canary=canary)}
    for other in ("server", "expected_sha256", "address"):
        given.pop(other, None)

    answer = here(name, **given)

    assert answer.meta.run_id  # it was played
    assert answer.code == ("ok" if name in FIND_NO_FILE else "not_found")
    assert not canary.exists()


@played
@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("//etc/shadow", "invalid_argument"),
        ("/etc/../etc/shadow", "invalid_argument"),
        ("/etc//shadow", "protected_path"),
        ("/etc/./shadow", "protected_path"),
    ],
)
@pytest.mark.parametrize(
    "name", ["read_file", "tail_file", "search_in_files", "write_file", "remove_file"]
)
def test_a_protected_file_has_no_other_spelling(
    here: Here, name: str, path: str, code: str
) -> None:
    more: dict[str, Any] = {
        "write_file": {"content": "x"},
        "search_in_files": {"pattern": "root"},
    }.get(name, {})

    assert here(name, path=path, **more).code == code


@played
@pytest.mark.parametrize(
    "name", ["read_file", "tail_file", "search_in_files", "write_file", "remove_file"]
)
def test_a_link_to_a_protected_file_is_that_file(here: Here, place: Path, name: str) -> None:
    link = place / "innocent"
    link.symlink_to("/etc/shadow")
    more: dict[str, Any] = {
        "write_file": {"content": "x"},
        "search_in_files": {"pattern": "root"},
    }.get(name, {})

    assert here(name, path=str(link), **more).code == "protected_path"


@played
@pytest.mark.parametrize("name", ["/srv/shadow", "shadow.bak", ".ssh/id_ed25519.pub"])
def test_what_only_looks_like_a_protected_file_can_be_read(
    here: Here, place: Path, name: str
) -> None:
    path = place / name.removeprefix("/srv/")
    path.parent.mkdir(exist_ok=True)
    path.write_text("fine\n")

    assert report(here("read_file", path=str(path)))["content"] == "fine\n"


@played
def test_private_keys_of_every_user_are_protected(here: Here, home: Path) -> None:
    key = home / ".ssh" / "id_ed25519"
    key.parent.mkdir()
    key.write_text("PRIVATE\n")

    assert here("read_file", path=str(key)).code == "protected_path"


@played
def test_addresses_are_told_and_database_passwords_only_where_they_are_asked_for(
    here: Here, place: Path, api: Api
) -> None:
    _simulator, servers = api
    assert "127.0.0.1" in json.dumps(report(here("get_network_info")))

    told = report(call(place, "get_db_info", servers))
    passwords = [
        engine["password"]
        for engine in told.values()
        if isinstance(engine, dict) and engine.get("password")
    ]

    assert passwords
    written = b"".join(below(place / "state").values())
    assert b"get_db_info" in written
    assert not [password for password in passwords if password.encode() in written]


@played
def test_what_is_said_of_the_call_is_measured(place: Path, api: Api) -> None:
    simulator, servers = api
    simulator.faults.append(sim.delay(0.4))
    server = playrail(place, MCP_SERVERS=json.dumps(servers))

    async def twice() -> list[Answer]:
        async with server:
            return [await server.call("get_server_info", {}, caller=ANN) for _ in range(2)]

    first, second = asyncio.run(twice())

    assert first.meta.duration_ms >= 400
    assert (first.meta.cached, second.meta.cached) == (False, True)
    assert len(simulator.came("/info")) == 1


@played
def test_a_deadline_is_kept(here: Here) -> None:
    answer = here("execute_command", cmd="sleep 1000", timeout_s=1)

    assert answer.code == "command_timed_out"


def test_an_upgrade_has_more_time_than_the_api_gives_a_command() -> None:
    tool = TOOLS["update_system"]

    assert tool.deadline_s(parse(tool, {})) >= 1200
    assert not tool.interruptible  # type: ignore[union-attr]  # a PlaybookTool


@played
@pytest.mark.parametrize("tool", CHANGING, ids=lambda tool: tool.name)
def test_a_refused_change_says_so_and_is_not_retryable(
    tool: Any, refusing: tuple[sim.Simulator, Here]
) -> None:
    simulator, calling = refusing
    given = {name: value for name, value in example_of(tool).items() if name not in NO_VARIABLES}
    if tool.name == "manage_service":
        given["action"] = "restart"
    if "server" in tool.input.model_fields:
        given["server"] = ["vps" if isinstance(tool, ApiTool) else "here"]

    answer = calling(tool.name, **given)

    assert (answer.code, answer.problem and answer.problem.retryable) == ("writes_disabled", False)
    assert simulator.requests == []


@played
def test_an_error_with_status_200_is_no_success(place: Path, api: Api) -> None:
    simulator, servers = api
    simulator.faults.append(sim.error("Nie masz uprawnień"))

    answer = call(place, "get_ports", servers)

    assert answer.code == "api_rejected"
    assert "Nie masz uprawnień" in str(answer.problem)


@played
def test_a_key_file_in_the_home_directory_is_found(place: Path) -> None:
    (key := place / ".ssh" / "id").parent.mkdir()
    key.write_text("-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----\n")  # in form
    key.chmod(0o600)
    entry = {"web": {"type": "ssh", "host": "h", "ssh_key": "~/.ssh/id"}}

    settings = Settings.load({"HOME": str(place), "MCP_SERVERS": json.dumps(entry)}, dotenv=None)

    web = settings.servers["web"].ssh
    assert web is not None
    assert (web.ssh_key, web.verify_host_key) == (key, True)


@pytest.mark.parametrize("tool", TOOLS.values(), ids=list(TOOLS))
def test_a_number_out_of_range_is_refused_and_never_made_fit(tool: Any) -> None:
    properties = input_schema(tool).get("properties", {})
    for name, schema in properties.items():
        for limit, beyond in (("maximum", 1), ("minimum", -1)):
            if limit in schema:
                with pytest.raises(InvalidArgument, match=name):
                    parse(tool, {**example_of(tool), name: schema[limit] + beyond})


@played
def test_outputs_are_apart_and_a_failing_command_is_a_failure(here: Here) -> None:
    answer = here("execute_command", cmd="echo out; echo err >&2; exit 3", shell=True)

    assert answer.code == "command_failed"
    assert answer.data is not None
    told = answer.data["hosts"]["localhost"]
    assert (told["stdout"], told["stderr"], told["exit_code"]) == ("out\n", "err\n", 3)


@played
def test_a_file_of_more_than_100_kb_can_be_written(here: Here, place: Path) -> None:
    content = "0123456789abcde\n" * 20_000

    here("write_file", path=str(place / "big"), content=content)

    assert (place / "big").read_text() == content


@played
def test_a_file_that_is_cut_says_so(here: Here, place: Path) -> None:
    (place / "long").write_text("line\n" * 501)

    answer = here("read_file", path=str(place / "long"))

    assert (report(answer)["truncated"], report(answer)["next_offset"], answer.meta.truncated) == (
        True,
        501,
        True,
    )
