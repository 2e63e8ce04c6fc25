"""A kind of server that nobody has heard of: one class and one line, and all that tells of
servers knows it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar, cast

import pytest
import yaml
from pydantic import SecretStr

from playrail import catalog
from playrail.ansible.inventory.generated import generated_inventory
from playrail.ansible.inventory.inventory import Inventory
from playrail.ansible.inventory.listed_hosts import read_listing
from playrail.ansible.outcome.failures import classify
from playrail.commands import doctor
from playrail.export.inventory import exported_inventory
from playrail.export.site import Provided
from playrail.safe_text.secrets import HIDDEN, Secrets
from playrail.settings.servers import GENERATED_GROUP
from playrail.settings.settings import Settings
from playrail.settings.ssh_server import SshServer
from playrail.settings.target import Entry, Target, Unsafe, Warned, secret_reference
from playrail.settings.targets import TARGETS
from playrail.tools.tool import DirectTool

TOKEN = "a-token-of-the-shed"


class ShedServer(Entry):
    """A server in the shed: a gate leads to it, unless it is said to be open."""

    kind: ClassVar[str] = "shed"
    title: ClassVar[str] = "the shed"
    way: ClassVar[str] = "the gate of the shed"
    own_connection: ClassVar[str | None] = "shed_gate"

    shelf: str
    token: SecretStr
    is_open: bool = False

    ssh: ClassVar[SshServer | None] = None

    @property
    def needs_playrail(self) -> bool:
        return not self.is_open

    @property
    def connect_timeout_s(self) -> float:
        return 77.0

    def turn_s(self, settings: Settings) -> float:  # noqa: ARG002
        return 7.0

    def secrets(self) -> Mapping[str, SecretStr]:
        return {"token": self.token}

    def warnings(self) -> Sequence[Warned]:
        return (Warned("its door creaks", "Oil it."),)

    def variables(self, name: str, settings: Settings) -> Mapping[str, object]:  # noqa: ARG002
        return {
            "ansible_connection": "community.shed.open" if self.is_open else self.own_connection,
            "ansible_shed_shelf": Unsafe(self.shelf),
            "ansible_shed_token": secret_reference(name, "token"),
        }


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setitem(TARGETS, "shed", ShedServer)
    shelf = {"type": "shed", "shelf": "{{ top }}", "token": TOKEN}
    entries = {
        "spade": {**shelf, "tags": ["garden"], "tier": "staging"},
        "rake": {**shelf, "is_open": True},
        "broom": {"type": "shed", "token": TOKEN, "colour": "red"},
    }
    given = {
        "HOME": str(tmp_path),
        "PLAYRAIL_RUNTIME_DIR": str(tmp_path / "run"),
        "PLAYRAIL_STATE_DIR": str(tmp_path / "state"),
        "MCP_SERVERS": json.dumps(entries),
    }
    return Settings.load(given, dotenv=None)


def test_its_entries_are_read(settings: Settings) -> None:
    assert set(settings.servers) == {"spade", "rake"}
    reason = settings.failed_servers["broom"].reason
    assert "shelf: is required" in reason
    assert "colour: is not a field of an entry of type shed (tags, tier, shelf, token" in reason


def test_a_type_that_is_none_is_told_with_those_there_are(settings: Settings) -> None:
    assert settings
    given = {"HOME": "/", "MCP_SERVERS": '{"a": {"type": "barn"}}'}

    failed = Settings.load(given, dotenv=None).failed_servers

    assert failed["a"].reason == 'type: is neither "ssh" nor "mikrus" nor "shed".'


def test_ansible_learns_how_it_is_reached(settings: Settings, tmp_path: Path) -> None:
    text = generated_inventory(settings)
    inventory = Inventory(settings, tmp_path)

    assert 'ansible_shed_shelf: !unsafe "{{ top }}"' in text
    assert "{{ playrail_secrets['spade'].token }}" in text.replace("''", "'")
    assert TOKEN not in text
    assert inventory.secrets(["spade"])["spade"]["token"].get_secret_value() == TOKEN
    assert inventory.connect_timeout_s(["spade"]) == 77.0
    assert inventory.turn_s(["spade"]) == 7.0


def _told(settings: Settings) -> Mapping[str, Any]:
    text = generated_inventory(settings).replace("!unsafe", "!!str")
    hosts = yaml.safe_load(text)[GENERATED_GROUP]["hosts"]
    listing = {"_meta": {"hostvars": hosts}, "all": {"hosts": list(hosts)}}

    async def known() -> Any:
        return read_listing(listing)

    tool = catalog.load()["list_configured_servers"]
    assert isinstance(tool, DirectTool)
    context = SimpleNamespace(settings=settings, hosts=known)
    run: Any = tool.run(cast("Any", context), tool.input(details=True))
    report: Any = asyncio.run(run)
    return {server["name"]: server for server in report.model_dump(mode="json")["servers"]}


def test_callers_are_told_its_type(settings: Settings) -> None:
    servers = _told(settings)

    assert (servers["spade"]["type"], servers["spade"]["tags"]) == ("shed", ["garden"])
    assert "address" not in servers["spade"]
    assert servers["broom"]["status"] == "failed"


def test_an_export_says_what_plain_ansible_cannot_reach(settings: Settings) -> None:
    provided = Provided()

    exported = exported_inventory(["spade", "rake"], settings, provided, {})

    assert exported.needs_playrail == {"spade": "the gate of the shed"}
    assert "community.shed.open" in exported.text
    assert "shed_gate" not in exported.text
    assert list(provided.variables.values()) == ["token of the server rake"]


def test_doctor_tells_what_is_doubtful_of_it(settings: Settings) -> None:
    checks = [check for check in doctor._settings(settings, {}, Path()) if check.state == "warn"]

    assert [(check.name, check.found, check.mend) for check in checks] == [
        ("server spade", "its door creaks", "Oil it."),
        ("server rake", "its door creaks", "Oil it."),
    ]


def test_its_secrets_are_hidden(settings: Settings) -> None:
    assert Secrets(settings, {}).hidden(f"open {TOKEN}") == f"open {HIDDEN}"


def test_its_connection_tells_its_failures_by_code(settings: Settings) -> None:
    assert settings
    result = {"msg": "the shed [connection_lost]: The gate fell shut."}

    problem = classify(result, unreachable=True)

    assert (problem.code, problem.error) == ("connection_lost", "The gate fell shut.")


@pytest.mark.parametrize("kind", TARGETS.values(), ids=TARGETS.keys())
def test_a_kind_is_known_by_its_own_name(kind: type[Target]) -> None:
    assert TARGETS[kind.kind] is kind
    assert all((kind.title, kind.way))
