"""Mistakes that were found in the servers which Playrail replaces, and that must never be
ours.

Each test names the mistake. Plays are real ones on this machine; the mikr.us API is the
simulator, over real HTTP.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mikrus import simulator as sim
from mikrus.execute import on_this_machine
from playrail import catalog
from playrail.calls.answers import Answer, parse
from playrail.errors import InvalidArgument
from playrail.settings.settings import Settings
from playrail.tools.schemas import input_schema
from playrail.tools.tool import NO_VARIABLES, ApiTool, DirectTool, PlaybookTool
from playrail.toolsets.commands.disasters import disaster
from worlds.callers import ANN
from worlds.example_calls import example_of
from worlds.local_plays import below, playrail, standing

TOOLS = {tool.name: tool for tool in catalog.load().values()}
CHANGING = [
    tool for tool in TOOLS.values() if tool.worst_risk.changes and not isinstance(tool, DirectTool)
]
QUOTE_ATTACK = "/tmp/a'; touch {canary}; echo '"
every_path_tool = pytest.mark.parametrize(
    "name", [name for name, t in TOOLS.items() if "path" in t.input.model_fields]
)
played = pytest.mark.slow  # real plays
Here = Callable[..., Answer]


def call(
    place: Path, tool: str, /, servers: dict[str, Any] | None = None, **arguments: Any
) -> Answer:
    """Calls a tool, with writes on, of this machine or of `servers`."""
    named = {"MCP_SERVERS": json.dumps(servers)} if servers else {}
    server = playrail(place, ENABLE_WRITE_OPERATIONS="1", **named)

    async def calling() -> Answer:
        async with server:
            return await server.call(tool, arguments, caller=ANN)

    return asyncio.run(calling())


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Here]:
    """Calls tools of this machine, with writes on, where a home and a state of the test's
    own do not matter.
    """
    with standing(tmp_path_factory.mktemp("standing"), ENABLE_WRITE_OPERATIONS="1") as calling:
        yield calling


def report(answer: Answer) -> dict[str, Any]:
    assert answer.problem is None, answer.problem
    assert answer.data is not None
    found: dict[str, Any] = next(iter(answer.data["hosts"].values()))
    return found


@pytest.fixture
def api() -> Iterator[tuple[sim.Simulator, dict[str, Any]]]:
    """A simulator of the mikr.us API, and the servers to name for it."""
    simulator = sim.Simulator(execute=on_this_machine())
    with sim.running(simulator) as url:
        yield simulator, {"vps": {"type": "mikrus", "srv": sim.SRV, "key": sim.KEY, "api_url": url}}


Api = tuple[sim.Simulator, dict[str, Any]]

# mikrus-mcp


@played
@pytest.mark.parametrize(
    "log", ["../restart", "../exec?cmd=id", "a/b", "..", "%2e%2e%2frestart", "1\n", ""]
)
def test_a_log_id_never_becomes_another_endpoint(place: Path, api: Api, log: str) -> None:
    simulator, servers = api

    assert call(place, "get_log_by_id", servers, id=log).code == "invalid_argument"
    assert simulator.requests == []


@played
@every_path_tool
def test_a_path_is_never_a_piece_of_a_shell_line(here: Here, place: Path, name: str) -> None:
    canary = place / "canary"
    given = {**example_of(TOOLS[name]), "path": QUOTE_ATTACK.format(canary=canary)}
    for other in ("server", "expected_sha256"):
        given.pop(other, None)

    answer = here(name, **given)

    assert answer.meta.run_id  # it was played
    assert answer.code == ("ok" if name in {"remove_file", "write_file"} else "not_found")
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
def test_private_keys_of_every_user_are_protected(place: Path) -> None:
    key = place / ".ssh" / "id_ed25519"
    key.parent.mkdir()
    key.write_text("PRIVATE\n")

    assert call(place, "read_file", path=str(key)).code == "protected_path"


@played
def test_addresses_are_told_and_database_passwords_only_where_they_are_asked_for(
    place: Path, api: Api
) -> None:
    _simulator, servers = api
    assert "127.0.0.1" in json.dumps(report(call(place, "get_network_info")))

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
def test_a_refused_change_says_so_and_is_not_retryable(tool: Any, place: Path, api: Api) -> None:
    simulator, servers = api
    given = {name: value for name, value in example_of(tool).items() if name not in NO_VARIABLES}
    if tool.name == "manage_service":
        given["action"] = "restart"
    on = {"MCP_SERVERS": json.dumps(servers)} if isinstance(tool, ApiTool) else {}
    server = playrail(place, **on)
    names = list(servers) if on else ["localhost"]
    if "server" in tool.input.model_json_schema().get("required", []):
        given["server"] = names

    answer = asyncio.run(server.call(tool.name, given, caller=ANN))

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


# mcp-ssh


@played
def test_the_rate_limit_is_on_the_way_of_every_request(place: Path, api: Api) -> None:
    simulator, servers = api
    server = playrail(place, MCP_SERVERS=json.dumps(servers), PLAYRAIL_MIKRUS_RATE="2/9999")

    async def several() -> list[Answer]:
        async with server:
            return [await server.call("get_logs", {}, caller=ANN) for _ in range(3)]

    answers = asyncio.run(several())

    assert [answer.code for answer in answers] == ["ok", "ok", "rate_limited"]
    assert answers[2].problem is not None
    assert answers[2].problem.retry_after_s
    assert len(simulator.requests) == 2


@played
@pytest.mark.parametrize(
    ("cmd", "printed"),
    [
        ("printf '%s' 'two  blanks\n\nand lines'", "two  blanks\n\nand lines"),
        ('printf %s "a\tb"', "a\tb"),
    ],
)
def test_blanks_and_line_ends_of_a_command_arrive(here: Here, cmd: str, printed: str) -> None:
    assert report(here("execute_command", cmd=cmd))["stdout"] == printed


@pytest.mark.parametrize(
    "argv",
    [
        ["docker", "ps", "--format", "{{.Names}}"],
        ["kill", "-9", "1234"],
        ["grep", "rm -rf /", "/var/log/syslog"],
        ["systemctl", "stop", "ssh"],
    ],
    ids=" ".join,
)
def test_harmless_commands_are_not_taken_for_disasters(argv: list[str]) -> None:
    assert disaster(argv) is None


@pytest.mark.parametrize(
    "cmd",
    [
        "rm -fr /",
        "rm -r -f /",
        "rm --recursive --force /",
        "rm -rf -- /",
        "rm -rf //",
        "rm -rf /*",
        "sudo rm -rf /",
    ],
)
def test_no_spelling_of_a_disaster_passes(cmd: str) -> None:
    with pytest.raises(InvalidArgument):
        parse(TOOLS["execute_command"], {"cmd": cmd, "shell": True})


@played
def test_a_second_command_never_rides_on_the_first(here: Here, place: Path) -> None:
    assert here("execute_command", cmd=f"ls / ; touch {place}/canary").code == "invalid_argument"
    assert not (place / "canary").exists()


@pytest.mark.parametrize(
    "word", ["nginx; id", "nginx && id", "$(id)", "`id`", "-rf", "--root=/", "a b", "../x"]
)
@pytest.mark.parametrize(
    ("tool", "field"),
    [("manage_service", "name"), ("check_service_status", "name"), ("install_package", "name")],
)
def test_the_name_of_a_unit_or_package_is_a_word(tool: str, field: str, word: str) -> None:
    with pytest.raises(InvalidArgument, match=field):
        parse(TOOLS[tool], {**example_of(TOOLS[tool]), field: word})


# mcp-remote-exec


@played
def test_dots_in_a_name_are_no_way_up_and_a_way_up_is_never_a_name(here: Here, place: Path) -> None:
    (place / "my..file").write_text("fine")

    assert report(here("read_file", path=str(place / "my..file")))["content"] == "fine"
    assert here("read_file", path=f"{place}/a/../my..file").code == "invalid_argument"


@played
def test_what_does_not_exist_is_an_error_and_no_unknown_status(here: Here) -> None:
    code = "service_not_found" if Path("/run/systemd/system").is_dir() else "no_systemd"
    assert here("check_service_status", name="no-such-unit-here").code == code


# mymcp


@played
def test_playrails_own_state_and_settings_are_protected(place: Path) -> None:
    with standing(place) as here:
        here("list_configured_servers")

        for path in (place / "state" / "ledger.sqlite", place / "run"):
            assert here("search_in_files", path=str(path), pattern="a").code == "protected_path"
        assert (
            here("read_file", path=str(place / "state" / "ledger.sqlite")).code == "protected_path"
        )
    assert (
        call(place, "write_file", path=str(place / "state" / "x"), content="x").code
        == "protected_path"
    )


@played
@pytest.mark.parametrize("pattern", ["--pre=touch", "-e", "-f/etc/passwd", "--"])
def test_a_pattern_is_never_an_option(here: Here, place: Path, pattern: str) -> None:
    (place / "text").write_text(f"before\nthe {pattern} stands here\n")

    told = report(here("search_in_files", path=str(place), pattern=pattern, names="text"))

    assert [one["line"] for one in told["matches"]] == [2]


@played
def test_a_single_file_is_searched_under_the_same_rules(here: Here) -> None:
    assert here("search_in_files", path="/etc/shadow", pattern="root").code == "protected_path"


@played
def test_a_write_leaves_the_old_file_or_the_new_one(here: Here, place: Path) -> None:
    path = place / "config"
    path.write_text("old")
    before = path.stat().st_ino

    here("write_file", path=str(path), content="new")

    assert path.read_text() == "new"
    assert path.stat().st_ino != before  # renamed into its place


def test_a_schema_tells_the_limits_that_hold() -> None:
    for tool in TOOLS.values():
        if isinstance(tool, PlaybookTool) and "limit" in tool.input.model_fields:
            most = input_schema(tool)["properties"]["limit"]["maximum"]
            parse(tool, {**example_of(tool), "limit": most})
