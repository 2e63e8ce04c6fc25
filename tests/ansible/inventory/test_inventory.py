"""Inventories of every kind, read by the real ansible-inventory, and what is generated."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest

from playrail.ansible.inventory.inventory import Host, Hosts
from playrail.errors import InventoryInvalid
from worlds.inventories import CANARY, INI, SERVERS, W1, W2, inventory_of, load, read, write
from worlds.vaults import encrypted

pytestmark = pytest.mark.slow
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


def test_vault_with_its_password(cwd: Path) -> None:
    variables = encrypted(f"tier: staging\nkey: {CANARY}\n", password="secret")
    write(cwd, {"hosts": "a\n", "group_vars/all.yml": variables, "vault-password": "secret\n"})
    write(cwd, {"ansible.cfg": "[defaults]\nvault_password_file = vault-password\n"})
    got = read(load(cwd, {"PLAYRAIL_INVENTORY": "hosts"}))
    assert got.hosts["a"].tier == "staging"
    assert CANARY not in repr(got)


def test_vault_without_its_password(cwd: Path, caplog: pytest.LogCaptureFixture) -> None:
    variables = encrypted("tier: staging\n", password="secret")
    write(cwd, {"hosts": "a\n", "group_vars/all.yml": variables})
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
