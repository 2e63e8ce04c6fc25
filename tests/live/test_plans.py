"""Plans on a real host, through a real client: seen, applied, taken back; and asked about
in both eras of the protocol.

The host is looked at past Playrail.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import mcp_types as types
import pytest

from worlds.stub_client import LEGACY, Person

from .conftest import Wire, connected, entry, environment, on_host
from .repository import only_own_packages
from .test_previews import MAKE, REMOVE

pytestmark = [pytest.mark.lab, pytest.mark.over_ssh]
HOST, UNIT, FILE = "deb12", "plans-probe", "/srv/plans-probe"
SERVICE = f"""cat >/etc/systemd/system/{UNIT}.service <<'EOF'
[Service]
ExecStart=/bin/sleep infinity
EOF
systemctl daemon-reload"""
POLICY = """
rules:
  - {name: reads, risk: [READ, SENSITIVE], then: allow}
  - {name: files, tools: "toolset:files", then: client_approval}
"""
YES = types.ElicitResult(action="accept", content={"approve": True})


@pytest.fixture(scope="module")
def planner(hosts: Mapping[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    state = tmp_path_factory.mktemp("planner")
    state.chmod(0o700)
    with connected(environment(state, {HOST: entry(hosts, HOST)})) as made:
        yield made


@pytest.fixture
def _unit() -> Iterator[None]:
    on_host(HOST, "sh", "-c", SERVICE)
    yield
    on_host(HOST, "systemctl", "stop", UNIT, check=False)
    on_host(HOST, "sh", "-c", f"rm /etc/systemd/system/{UNIT}.service; systemctl daemon-reload")


@pytest.fixture
def _repository() -> Iterator[None]:
    with only_own_packages(HOST):
        on_host(HOST, "sh", "-c", MAKE)
        yield
        on_host(HOST, "sh", "-c", REMOVE, check=False)


def is_active() -> str:
    return on_host(HOST, "systemctl", "is-active", UNIT, check=False).strip()


def installed() -> list[str]:
    told = on_host(
        HOST, "dpkg-query", "--show", "--showformat=${Package} ${db:Status-Abbrev} ${Version}\n"
    )
    return [line for line in told.splitlines() if line.startswith("seen-") and " ii " in line]


def proposed(wire: Wire, tool: str, /, **arguments: Any) -> dict[str, Any]:
    answer = wire.call(tool, **arguments)
    assert answer["success"], answer
    plan: dict[str, Any] = answer["data"]["plan"]
    return plan


def applied(wire: Wire, plan: Mapping[str, Any]) -> str:
    """Carries the plan out; returns the last run's id."""
    answer = wire.call("apply_plan", plan_id=plan["plan_id"])
    assert answer["success"], answer
    assert [step["code"] for step in answer["data"]["steps"]] == ["ok"] * len(plan["steps"])
    return str(answer["data"]["steps"][-1]["run_id"])


@pytest.mark.usefixtures("_unit")
def test_a_service_is_started_by_a_plan_and_stopped_by_its_undoing(planner: Wire) -> None:
    plan = proposed(planner, "manage_service", name=UNIT, action="start", preview=True)
    (change,) = plan["changes"][HOST]
    assert (change["kind"], change["name"], change["before"]["active"]) == (
        "service",
        UNIT,
        "inactive",
    )
    assert (change["after"]["active"], is_active()) == ("active", "inactive")

    run = applied(planner, plan)
    assert is_active() == "active"
    assert not planner.call("apply_plan", plan_id=plan["plan_id"])["success"]
    on_host(HOST, "systemctl", "stop", UNIT)
    (drifted,) = planner.call("check_drift", server=HOST)["data"]["hosts"][HOST]["drifted"]
    assert (drifted["name"], drifted["now"]["active"], drifted["set_by"]) == (UNIT, "inactive", run)
    assert planner.call("undo_run", run_id=run)["code"] == "not_undoable"
    on_host(HOST, "systemctl", "start", UNIT)

    applied(planner, proposed(planner, "undo_run", run_id=run))
    assert is_active() == "inactive"
    assert planner.call("check_drift", server=HOST)["data"]["hosts"][HOST]["drifted"] == []


@pytest.mark.usefixtures("_repository")
def test_packages_are_installed_by_a_plan_and_removed_by_its_undoing(planner: Wire) -> None:
    plan = proposed(planner, "install_package", name="seen-lib", preview=True)
    changes = {
        change["name"]: (change.get("before"), change.get("after"))
        for change in plan["changes"][HOST]
    }
    assert changes == {
        "seen-lib": (None, {"version": "1.0"}),
        "seen-tool": (None, {"version": "2.0-1"}),
    }
    assert installed() == []

    run = applied(planner, plan)
    assert installed() == ["seen-lib ii  1.0", "seen-tool ii  2.0-1"]
    back = proposed(planner, "undo_run", run_id=run)
    assert {step["arguments"]["state"] for step in back["steps"]} == {"absent"}
    applied(planner, back)
    assert installed() == []


@pytest.mark.parametrize("mode", [LEGACY, "auto"])
def test_the_client_approves_a_change_of_the_host(
    mode: str, hosts: Mapping[str, Any], tmp_path: Path
) -> None:
    tmp_path.chmod(0o700)
    (tmp_path / "policy.yml").write_text(POLICY, encoding="utf-8")
    env = environment(
        tmp_path, {HOST: entry(hosts, HOST)}, PLAYRAIL_POLICY=str(tmp_path / "policy.yml")
    )
    person = Person(says=types.ElicitResult(action="decline"))
    on_host(HOST, "sh", "-c", f"echo old >{FILE}")
    try:
        with connected(env, mode=mode, elicitation_callback=person) as wire:
            declined = wire.call("write_file", path=FILE, content="new\n")
            assert (declined["code"], on_host(HOST, "cat", FILE)) == ("approval_refused", "old\n")
            person.says = YES
            done = wire.call("write_file", path=FILE, content="new\n")
            assert done["success"], done
            assert (done["data"]["hosts"][HOST]["changed"], on_host(HOST, "cat", FILE)) == (
                True,
                "new\n",
            )
            back = proposed(wire, "undo_run", run_id=done["_meta"]["run_id"])
            assert back["needs_approval_by"] == "client"
            applied(wire, back)
        assert on_host(HOST, "cat", FILE) == "old\n"
    finally:
        on_host(HOST, "rm", "-f", FILE)
    texts = [asked.message for asked in person.asked]
    assert len(texts) == 3
    for text in texts:
        assert f"write_file (WRITE) on {HOST}" in text
        assert f"file {FILE}: +1 -1 lines" in text
