"""`playrail policy` as a process: what it prints, and the status it ends with."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from worlds.forked_commands import Commands

pytestmark = pytest.mark.slow

POLICY = """
windows:
  night: {from: 22:00, to: 04:00, timezone: UTC}
limits:
  callers: {local: {calls_per_minute: 60, hosts_per_call: 2}}
  hosts: {tag:gone: {changes_per_hour: 3}}
rules:
  - {name: reads, risk: READ, then: allow}
  - {name: web at night, hosts: [web, web1], during: night, then: allow}
  - {name: services, tools: toolset:services, then: operator_approval}
"""
INVENTORY = "[web]\nweb1 playrail_tier=staging\nweb2\n"
RESTART = ("manage_service", "server=web", "name=nginx", "action=restart")

Policy = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def policy(tmp_path: Path, commands: Commands) -> Policy:
    """Runs `playrail policy` with these words, in a directory with an inventory and
    policy.yml.
    """
    work = tmp_path / "work"
    work.mkdir()
    (work / "hosts.ini").write_text(INVENTORY)
    (work / "policy.yml").write_text(POLICY)
    (work / "policy.yml").chmod(0o600)
    environ = {
        "HOME": str(tmp_path),
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "COLUMNS": "120",
        "PLAYRAIL_INVENTORY": "hosts.ini",
        "PLAYRAIL_POLICY": "policy.yml",
    }

    def run(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return commands.run("policy", *words, env={**environ, **variables}, cwd=work)

    return run


def test_check(policy: Policy) -> None:
    ended = policy("check")

    assert ended.returncode == 1
    told = [" ".join(line.split()) for line in ended.stdout.splitlines()]
    for line in (
        "8 reads risk: READ allow",
        "9 web at night hosts: web, web1 allow",
        "during: night",
        "10 services tools: toolset:services operator_approval",
        "the caller local 60 calls per minute, 2 hosts per call",
        "the host tag:gone 3 changes per hour",
        "ENABLE_WRITE_OPERATIONS is off: nothing is changed.",
    ):
        assert line in told
    assert ended.stderr.splitlines() == [
        (
            "! the rule 'web at night' (line 9): web means no host of the inventory now; the "
            "group is group:web"
        ),
        "! the limits of hosts: tag:gone means no host of the inventory now",
    ]


def test_check_of_an_inventory_that_cannot_be_read_for_it(policy: Policy, tmp_path: Path) -> None:
    hosts = (
        "web1 playrail_tier=Staging\nweb2 playrail_tags=frozen\nweb3 playrail_tier='{{ x }}' "
        "tier=development\n"
    )
    (tmp_path / "work" / "hosts.ini").write_text(f"[web]\n{hosts}")
    rules = (
        "- {name: a, hosts: 'tag:frozen', then: deny}\n  - {name: b, hosts: [group:Web, web1], "
        "then: allow}"
    )
    (tmp_path / "work" / "policy.yml").write_text(f"rules:\n  {rules}\n")
    ended = policy("check")

    assert (ended.returncode, ended.stderr.splitlines()) == (
        1,
        [
            "! the rule 'a' (line 2): tag:frozen means no host of the inventory now",
            (
                "! the rule 'b' (line 3): group:Web means no host of the inventory now; did "
                "you mean group:web?"
            ),
            (
                "! the host 'web1': 'Staging' is no tier of the policy, so it counts as "
                "production; did you mean staging?"
            ),
            (
                "! the host 'web2': playrail_tags cannot be read, so it counts as one that may "
                "have any tag"
            ),
            "! the host 'web3': playrail_tier cannot be read, so it counts as production",
        ],
    )
    told = policy("explain", "read_file", "server=web2", "path=/etc/motd").stdout.splitlines()
    assert told[1:3] == [
        "web2 (group:web, tier:production, playrail_tags cannot be read: any tag may be meant):",
        "    policy.yml:2 'a' decides: deny",
    ]


def test_check_of_what_is_all_right(policy: Policy, tmp_path: Path) -> None:
    (tmp_path / "work" / "policy.yml").write_text(
        "rules: [{name: a, hosts: group:web, then: allow}]\n"
    )

    ended = policy("check")
    assert (ended.returncode, ended.stderr) == (0, "")


def test_check_of_a_wrong_policy(policy: Policy, tmp_path: Path) -> None:
    path = tmp_path / "work" / "policy.yml"
    path.write_text("rules: [{name: a, then: never}]")
    ended = policy("check")

    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == (
        f"playrail: {path}:1: then: unknown decision 'never'; allowed are allow, "
        "preview_first, client_approval, "
        "operator_approval, deny\n"
    )


def test_explain(policy: Policy) -> None:
    ended = policy("explain", *RESTART, "--at", "2026-11-20T23:00", ENABLE_WRITE_OPERATIONS="1")

    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == (
        "manage_service (DESTRUCTIVE) by local at 2026-11-20 23:00+00:00\n"
        "web1 (group:web, tier:staging):\n"
        "    policy.yml:8 'reads' passed over, risk: DESTRUCTIVE is none of READ\n"
        "    policy.yml:9 'web at night' decides: allow\n"
        "web2 (group:web, tier:production):\n"
        "    policy.yml:8 'reads' passed over, risk: DESTRUCTIVE is none of READ\n"
        "    policy.yml:9 'web at night' passed over, hosts: web2 is none of web, web1\n"
        "    policy.yml:10 'services' decides: operator_approval\n"
        "limit of the caller local: 60 calls per minute, 2 hosts per call\n"
        "→ operator_approval\n"
    )


def test_explain_of_what_is_denied(policy: Policy) -> None:
    ended = policy("explain", "read_file", "server=web2", "path=/etc/motd", "--caller", "cli")
    assert (ended.returncode, ended.stdout.splitlines()[-1]) == (0, "→ allow")

    ended = policy("explain", "write_file", "server=web2", "path=/etc/motd", "content=x")
    assert ended.stdout.splitlines()[-2:] == [
        "limit of the caller local: 60 calls per minute, 2 hosts per call",
        (
            "→ denied: write_file (WRITE) by local: on web2 no rule of policy.yml matches, "
            "which means deny."
        ),
    ]


def test_without_a_policy(policy: Policy) -> None:
    told = (
        "There is no policy (PLAYRAIL_POLICY): reads are allowed, and changes with "
        "ENABLE_WRITE_OPERATIONS=1."
    )
    ended = policy("check", PLAYRAIL_POLICY="", ENABLE_WRITE_OPERATIONS="1")
    assert (ended.returncode, ended.stdout) == (0, f"{told} ENABLE_WRITE_OPERATIONS is on.\n")

    ended = policy("explain", *RESTART, PLAYRAIL_POLICY="")
    assert ended.stdout.splitlines()[1:] == [
        told,
        (
            "→ writes_disabled: manage_service would make a change (DESTRUCTIVE), and write "
            "operations are disabled here."
        ),
    ]


def test_explain_of_a_tool_that_is_not_there(policy: Policy) -> None:
    ended = policy("explain", "reed_file")
    assert (ended.returncode, ended.stderr) == (
        1,
        "playrail: There is no tool named 'reed_file'.\n`playrail tools --all` lists them.\n",
    )
