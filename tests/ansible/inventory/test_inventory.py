"""Inventories of every kind, read by the real ansible-inventory; what is generated; what a
caller's words mean.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from playrail.ansible.environment import environment
from playrail.ansible.inventory.inventory import Host, Hosts, Inventory
from playrail.errors import InventoryInvalid, PlayrailError, ServerMisconfigured
from playrail.settings.settings import Settings
from worlds.checkout import ROOT

pytestmark = pytest.mark.slow

CONTENT = ROOT
CANARY = "CANARY"
INI = (
    "[web]\nw1 ansible_host=10.0.0.1 ansible_port=2222\nw2 ansible_user=bob\n[site:children]\nweb\n"
)
SERVERS: dict[str, Any] = {
    "vps": {
        "type": "ssh",
        "host": "10.9.9.9",
        "password": "p{{ 7*7 }}" + CANARY,
        "sudo_password": CANARY,
    },
    "api": {"type": "mikrus", "key": CANARY, "srv": "srv1"},
    "broken": {"type": "ssh", "host": "h", "password": CANARY, "oops": 1},
}


@pytest.fixture
def cwd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def load(
    cwd: Path, environ: Mapping[str, str] | None = None, *, servers: object = None
) -> Settings:
    given = {"HOME": str(cwd), "PLAYRAIL_RUNTIME_DIR": str(cwd / "run"), **(environ or {})}
    if servers is not None:
        given["MCP_SERVERS"] = json.dumps(servers)
    return Settings.load(given, dotenv=None)


def inventory_of(settings: Settings) -> Inventory:
    return Inventory(
        settings, CONTENT, environ={"HOME": str(Path.cwd()), "PATH": os.environ["PATH"]}
    )


def read(settings: Settings) -> Hosts:
    inventory = inventory_of(settings)
    try:
        return asyncio.run(inventory.hosts())
    finally:
        inventory.close()


def write(cwd: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (cwd / name).parent.mkdir(parents=True, exist_ok=True)
        (cwd / name).write_text(text)


W1 = Host(name="w1", groups=("site", "web"), address="10.0.0.1", port=2222)
W2 = Host(name="w2", groups=("site", "web"), address="w2", user="bob")
SITE = {"all": ("w1", "w2"), "ungrouped": (), "site": ("w1", "w2"), "web": ("w1", "w2")}


def test_ini(cwd: Path) -> None:
    write(cwd, {"hosts": INI})
    assert read(load(cwd, {"PLAYRAIL_INVENTORY": "hosts"})) == Hosts(
        hosts={"w1": W1, "w2": W2}, groups=SITE
    )


def test_yaml_with_variables_beside_it(cwd: Path) -> None:
    write(
        cwd,
        {
            "hosts.yml": (
                "all: {hosts: {a: {ansible_host: '{{ x }}.example', tags: [db, '{{ y }}', 7]}, "
                "b: , c: }}"
            ),
            "group_vars/all/main.yml": "ansible_user: deploy\ntier: staging\n",
            "host_vars/b.yml": (
                "ansible_connection: local\nplayrail_tier: production\nansible_password: "
            )
            + CANARY,
            "host_vars/c.yml": "ansible_host: !unsafe '10.0.0.3'\nansible_port: '{{ z }}'\n",
        },
    )
    got = read(load(cwd, {"PLAYRAIL_INVENTORY": "hosts.yml"}))
    every: dict[str, Any] = {"groups": ("ungrouped",), "user": "deploy"}
    assert got.hosts == {
        "a": Host(name="a", tier="staging", unread=("tags",), **every),
        "b": Host(name="b", connection="local", tier="production", **every),
        "c": Host(name="c", address="10.0.0.3", tier="staging", **every),
    }
    assert CANARY not in repr(got)


def test_directory_with_a_plugin(cwd: Path) -> None:
    write(
        cwd,
        {
            "inv/01-hosts.ini": INI,
            "inv/02-built.yml": "plugin: ansible.builtin.constructed\nstrict: true\n"
            "groups: {bobs: ansible_user is defined}\n",
            "inv/README.md": "not an inventory",
            "inv/group_vars/bobs.yml": "tier: staging\n",
        },
    )
    got = read(load(cwd, {"PLAYRAIL_INVENTORY": "inv"}))
    assert got.groups["bobs"] == ("w2",)
    assert (got.hosts["w2"].tier, got.hosts["w1"].tier) == ("staging", None)


def test_generator_plugin(cwd: Path) -> None:
    write(
        cwd,
        {
            "made.yml": "plugin: ansible.builtin.generator\nlayers: {n: [1, 2]}\n"
            "hosts: {name: 'node{{ n }}', parents: [{name: nodes}]}\n"
        },
    )
    assert read(load(cwd, {"PLAYRAIL_INVENTORY": "made.yml"})).groups["nodes"] == ("node1", "node2")


def test_several_sources_of_ansible_cfg(cwd: Path) -> None:
    write(cwd, {"ansible.cfg": "[defaults]\ninventory = a,b\n", "a": "one\n", "b": "two\n"})
    assert list(read(load(cwd)).hosts) == ["one", "two"]


def test_working_directory_does_not_count(cwd: Path) -> None:
    write(cwd, {"inv/hosts": "a\n", "group_vars/all.yml": "tier: wrong\n"})
    assert read(load(cwd, {"PLAYRAIL_INVENTORY": "inv/hosts"})).hosts["a"].tier is None


def encrypt(cwd: Path, name: str) -> None:
    write(cwd, {"vault-password": "secret\n"})
    subprocess.run(
        [
            sys.executable,
            "-P",
            "-m",
            "ansible",
            "vault",
            "encrypt",
            "--vault-password-file",
            "vault-password",
            name,
        ],
        env=environment(load(cwd), os.environ),
        check=True,
        capture_output=True,
    )


def test_vault_with_its_password(cwd: Path) -> None:
    write(cwd, {"hosts": "a\n", "group_vars/all.yml": f"tier: staging\nkey: {CANARY}\n"})
    encrypt(cwd, "group_vars/all.yml")
    write(cwd, {"ansible.cfg": "[defaults]\nvault_password_file = vault-password\n"})
    got = read(load(cwd, {"PLAYRAIL_INVENTORY": "hosts"}))
    assert got.hosts["a"].tier == "staging"
    assert CANARY not in repr(got)


def test_vault_without_its_password(cwd: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(cwd, {"hosts": "a\n", "group_vars/all.yml": "tier: staging\n"})
    encrypt(cwd, "group_vars/all.yml")
    with caplog.at_level(logging.WARNING):
        assert read(load(cwd, {"PLAYRAIL_INVENTORY": "hosts"})).hosts["a"].tier is None
    assert "encrypted" in caplog.text


def test_one_encrypted_value(cwd: Path) -> None:
    value = "!vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  3362\n"
    write(cwd, {"hosts": "a\n", "group_vars/all.yml": f"ansible_user: {value}tier: staging\n"})
    host = read(load(cwd, {"PLAYRAIL_INVENTORY": "hosts"})).hosts["a"]
    assert (host.user, host.tier) == (None, "staging")


@pytest.mark.parametrize(
    ("files", "says"),
    [
        (
            {"hosts/h.ini": f"a ansible_password=x {CANARY}\n"},
            "Completely failed to parse inventory source",
        ),
        ({"hosts/h.yml": f"all: [\n  password: {CANARY}\n"}, "YAML parsing failed"),
        ({"hosts/p.yml": "plugin: no.such.plugin\n"}, "unknown plugin 'no.such.plugin'"),
        ({"hosts/.keep": ""}, "Completely failed to parse inventory source"),
    ],
)
def test_unreadable_sources(cwd: Path, files: dict[str, str], says: str) -> None:
    write(cwd, files)
    with pytest.raises(InventoryInvalid) as caught:
        read(load(cwd, {"PLAYRAIL_INVENTORY": "hosts"}))
    assert says in str(caught.value)
    assert CANARY not in str(caught.value)
    assert len(str(caught.value)) < 1100


@pytest.mark.parametrize("name", ["hosts", "inv/hosts", "inv/below/hosts.yml"])
def test_executables_are_not_run(cwd: Path, name: str) -> None:
    write(cwd, {name: f'#!/bin/sh\ntouch {cwd}/ran\necho \'{{"g": {{"hosts": ["s"]}}}}\'\n'})
    (cwd / name).chmod(0o755)
    source = {"PLAYRAIL_INVENTORY": name.partition("/")[0]}
    with pytest.raises(InventoryInvalid) as caught:
        read(load(cwd, source))
    assert (
        str(caught.value)
        == f"the inventory '{cwd / name}' is executable, and scripts are not allowed"
    )
    assert not (cwd / "ran").exists()
    allowed = load(cwd, source | {"PLAYRAIL_ALLOW_INVENTORY_SCRIPTS": "1"})
    assert read(allowed).groups["g"] == ("s",)
    assert (cwd / "ran").exists()


def test_bundled_inventory_when_there_is_nothing_else(cwd: Path) -> None:
    settings = load(cwd)
    got = read(settings)
    local = Host(name="localhost", groups=("ungrouped",), connection="local", tier="development")
    assert got.hosts == {"localhost": local}
    assert got.resolve(None, settings) == ("localhost",)


def test_bundled_inventory_is_no_stand_in_for_broken_servers(cwd: Path) -> None:
    settings = load(cwd, servers={"broken": SERVERS["broken"]})
    got = read(settings)
    assert got.hosts == {}
    with pytest.raises(ServerMisconfigured, match="'broken' cannot be used: oops: is not a field"):
        got.resolve(None, settings)


def test_generated_after_the_users_own(cwd: Path) -> None:
    write(cwd, {"inv/hosts": INI + "[playrail_servers:vars]\ntier=staging\n[playrail_servers]\n"})
    settings = load(cwd, {"PLAYRAIL_INVENTORY": "inv"}, servers=SERVERS)
    inventory = inventory_of(settings)
    own, generated = inventory.sources()
    assert own == str(cwd / "inv")
    assert oct(Path(generated).stat().st_mode & 0o777) == "0o600"
    assert CANARY not in Path(generated).read_text()
    got = asyncio.run(inventory.hosts())
    expected = Host(
        name="vps",
        groups=("playrail_servers",),
        address="10.9.9.9",
        port=22,
        user="root",
        tier="staging",
    )
    over_api = Host(
        name="api", groups=("playrail_servers",), connection="mikrus_exec", tier="staging"
    )
    assert got.hosts == {"w1": W1, "w2": W2, "vps": expected, "api": over_api}
    inventory.close()
    assert list((cwd / "run").iterdir()) == []


def test_secrets_are_those_of_the_hosts(cwd: Path) -> None:
    inventory = inventory_of(load(cwd, servers={**SERVERS, "bare": {"type": "ssh", "host": "h"}}))
    got = inventory.secrets(["vps", "api", "bare", "elsewhere"])
    assert CANARY not in repr(got)
    revealed = {
        name: {kind: one.get_secret_value() for kind, one in held.items()}
        for name, held in got.items()
    }
    assert revealed == {
        "vps": {"password": "p{{ 7*7 }}" + CANARY, "sudo_password": CANARY},
        "api": {"key": CANARY},
    }
    assert inventory.secrets(["bare"]) == {}


def test_a_name_that_is_both_is_the_host_for_ansible_too(cwd: Path) -> None:
    write(cwd, {"hosts": "both\nother\n[both:children]\nsub\n[sub]\nother\n"})
    settings = load(cwd, {"PLAYRAIL_INVENTORY": "hosts"})
    got = read(settings)
    assert got.groups["both"] == ("other",)
    assert got.resolve("both", settings) == ("both",)
    listed = subprocess.run(
        [sys.executable, "-P", "-m", "ansible", "adhoc", "-i", "hosts", "both", "--list-hosts"],
        env=environment(settings, os.environ),
        capture_output=True,
        check=True,
    )
    assert listed.stdout.decode().split() == ["hosts", "(1):", "both"]


@pytest.mark.parametrize(
    ("hosts", "environ", "servers", "outcome"),
    [
        ("a\n", {}, None, ("a",)),
        ("a\nb\n", {}, None, "Which server? there are a, b, all, ungrouped"),
        ("a\nb\n", {"MCP_DEFAULT_SERVER": "b"}, None, ("b",)),
        (
            "a\n",
            {"MCP_DEFAULT_SERVER": "c"},
            None,
            "The default server 'c' is neither in the settings nor in the inventory",
        ),
        ("a\n", {}, SERVERS, ("vps",)),
        ("a\n", {"MCP_DEFAULT_SERVER": "a"}, SERVERS, ("a",)),
        (
            "a\n",
            {"MCP_DEFAULT_SERVER": "broken"},
            SERVERS,
            "The server 'broken' cannot be used: oops",
        ),
        ("a\nb%c\n", {}, None, "Which server? there are a, all, ungrouped"),
        ("2001:db8::1\n", {}, None, ("2001:db8::1",)),
    ],
)
def test_nothing_said(
    cwd: Path, hosts: str, environ: dict[str, str], servers: object, outcome: tuple[str, ...] | str
) -> None:
    write(cwd, {"hosts": hosts})
    settings = load(cwd, {"PLAYRAIL_INVENTORY": "hosts", **environ}, servers=servers)
    got = read(settings)
    if isinstance(outcome, tuple):
        assert got.resolve(None, settings) == outcome
    else:
        with pytest.raises(PlayrailError) as caught:
            got.resolve(None, settings)
        assert str(caught.value).startswith(outcome)


def test_names_that_are_patterns_are_kept_out(cwd: Path) -> None:
    odd = ["a:b", "a,b", "a*", "a?", "!a", "&a", "~a", "@a", "-a", "a b", "{{ a }}", "a%b"]
    write(
        cwd,
        {
            "hosts.json": json.dumps(
                {"all": {"children": {"g": {"hosts": dict.fromkeys([*odd, "fine"])}}}}
            )
        },
    )
    settings = load(cwd, {"PLAYRAIL_INVENTORY": "hosts.json"})
    got = read(settings)
    assert list(got.hosts) == ["fine"]
    assert set(got.refused) <= set(odd)
    assert {"a*", "!a", "~a", "-a"} <= set(got.refused)
    assert got.resolve("g", settings) == ("fine",)
    with pytest.raises(ServerMisconfigured, match="Ansible reads its name as a pattern") as caught:
        got.resolve("a*", settings)
    assert "ansible_host" in caught.value.problem.hint


def test_kept_until_a_source_changes(cwd: Path) -> None:
    write(cwd, {"inv/hosts": "a\n", "inv/group_vars/all.yml": "tier: one\n"})

    async def steps() -> list[tuple[list[str], str | None]]:
        inventory = inventory_of(load(cwd, {"PLAYRAIL_INVENTORY": "inv/hosts"}))
        first, *others = await asyncio.gather(*(inventory.hosts() for _ in range(4)))
        assert all(other is first for other in others), (
            "one reading for all who ask at the same time"
        )
        assert await inventory.hosts() is first
        seen = [first]
        write(cwd, {"inv/group_vars/all.yml": "tier: two!\n"})
        seen.append(await inventory.hosts())
        write(cwd, {"inv/host_vars/a.yml": "tier: three\n"})
        seen.append(await inventory.hosts())
        write(cwd, {"inv/hosts": "a\nb\n"})
        seen.append(await inventory.hosts())
        return [(list(hosts.hosts), hosts.hosts["a"].tier) for hosts in seen]

    assert asyncio.run(steps()) == [
        (["a"], "one"),
        (["a"], "two!"),
        (["a"], "three"),
        (["a", "b"], "three"),
    ]


def test_one_callers_cancellation_is_not_the_others(cwd: Path) -> None:
    write(cwd, {"hosts": "a\n"})

    async def steps() -> list[str]:
        inventory = inventory_of(load(cwd, {"PLAYRAIL_INVENTORY": "hosts"}))
        first, second = (asyncio.create_task(inventory.hosts()) for _ in range(2))
        await asyncio.sleep(0.05)
        first.cancel()
        return list((await second).hosts)

    assert asyncio.run(steps()) == ["a"]


def test_generated_file_comes_back(cwd: Path) -> None:
    inventory = inventory_of(load(cwd, servers=SERVERS))
    path = Path(inventory.sources()[0])
    path.unlink()
    assert list(asyncio.run(inventory.hosts()).hosts) == ["vps", "api"]
    assert path.exists()
    inventory.close()
    inventory.close()
    assert not path.exists()


def wait_for(path: Path) -> None:
    while not (path.exists() and path.read_text()):
        time.sleep(0.02)


def test_closing_ends_a_reading_and_what_it_started(cwd: Path) -> None:
    write(cwd, {"slow": f"#!/bin/sh\necho $$ > {cwd}/pid\nexec sleep 60\n"})
    (cwd / "slow").chmod(0o755)

    async def steps() -> tuple[Hosts | BaseException]:
        settings = load(
            cwd, {"PLAYRAIL_INVENTORY": "slow", "PLAYRAIL_ALLOW_INVENTORY_SCRIPTS": "1"}
        )
        inventory = inventory_of(settings)
        reading = asyncio.create_task(inventory.hosts())
        await asyncio.to_thread(wait_for, cwd / "pid")
        inventory.close()
        return await asyncio.gather(reading, return_exceptions=True)

    assert [type(outcome) for outcome in asyncio.run(steps())] == [asyncio.CancelledError]
    status = Path("/proc", (cwd / "pid").read_text().strip(), "stat")
    ends = time.monotonic() + 10
    while not has_ended(status) and time.monotonic() < ends:
        time.sleep(0.05)
    assert has_ended(status)


def has_ended(status: Path) -> bool:
    try:
        return status.read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True
