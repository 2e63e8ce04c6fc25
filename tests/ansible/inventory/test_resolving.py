"""What a caller's words mean: the hosts that they stand for, or why they stand for none."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from playrail.ansible.environment import environment
from playrail.ansible.inventory.inventory import Host
from playrail.errors import PlayrailError, ServerMisconfigured
from worlds.inventories import SERVERS, load, read, write

pytestmark = pytest.mark.slow


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
