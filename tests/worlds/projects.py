"""Copies of the projects in tests/projects, with what cannot lie in a repository, and plain
Ansible started there.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from worlds.vaults import encrypted

WORLDS = Path(__file__).parents[1] / "projects"
BIN = Path(sys.executable).parent
HOSTS, ROLES, SITES = 550, 20, 250  # of the fleet
TOLD = (
    *("ansible_user", "ansible_host", "ansible_port", "ansible_connection", "ansible_network_os"),
    *("ansible_become", "ansible_become_method", "ansible_become_user", "ansible_become_password"),
    *("ansible_ssh_private_key_file", "ansible_ssh_common_args", "ansible_python_interpreter"),
    *("ansible_ssh_host", "ansible_ssh_port", "ansible_ssh_user", "playrail_tier", "playrail_tags"),
    *("playbook_dir", "inventory_dir", "inventory_file", "group_names"),
    *(
        "services",
        "motd",
        "registry_token",
        "compose_dir",
        "nets",
        "datacenter",
        "db_password",
        "http_port",
        "place",
    ),
)
_RESULT = re.compile(r"ok: \[([^ \]]+)\] => (\{.*?\n\})", re.DOTALL)


def world(name: str, place: Path) -> Path:
    """A copy of a world below `place`, ready to be used."""
    made = place / name
    shutil.copytree(WORLDS / name, made)
    for plugin in made.rglob("*.py.txt"):
        plugin.rename(plugin.with_suffix(""))
    for key in ("lab", "id", "db"):
        (made / "keys").mkdir(exist_ok=True)
        (made / "keys" / key).touch(0o600)
    _MAKERS.get(name, lambda _: None)(made)
    return made


def plain(project: Path, *command: str, **more: str) -> str:
    """What a program of Ansible's prints that is started in the project, as by hand."""
    given = {
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "HOME": str(project.parent),
        "PWD": str(project),
        "LANG": "C.UTF-8",
    }
    done = subprocess.run(
        [str(BIN / command[0]), *command[1:]],
        cwd=project,
        env={
            **given,
            "ANSIBLE_STDOUT_CALLBACK": "default",
            "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
            "PYTHONDONTWRITEBYTECODE": "1",
            **more,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def plain_listing(project: Path) -> Mapping[str, Any]:
    """The inventory as playbooks in the project see it."""
    listing: Mapping[str, Any] = json.loads(
        plain(project, "ansible-inventory", "--list", "--playbook-dir", ".")
    )
    return listing


def probe(place: Path) -> Path:
    """A playbook, to lie anywhere, that tells what a host's variables come to; nothing is
    connected to.
    """
    told = {name: f"{{{{ {name} | default(none) }}}}" for name in TOLD}
    play = {
        "name": "Tell variables",
        "hosts": "{{ playrail_target }}",
        "gather_facts": False,
        "tasks": [{"name": "Look", "ansible.builtin.debug": {"msg": told}}],
    }
    path = place / "probe.yml"
    path.write_text(yaml.safe_dump([play], sort_keys=False), encoding="utf-8")
    return path


def plain_variables(project: Path, hosts: Sequence[str]) -> dict[str, Any]:
    """What the probe tells of each host when it lies in the project and is played by hand."""
    beside = probe(project)
    target = json.dumps({"playrail_target": list(hosts)})
    printed = plain(project, "ansible-playbook", "-e", target, beside.name)
    beside.unlink()
    return {host: json.loads(result)["msg"] for host, result in _RESULT.findall(printed)}


def _encrypt(text: Path, to: Path, *, password: Path, label: str | None = None) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    word = password.read_text(encoding="utf-8").strip()
    to.write_text(encrypted(text.read_text(encoding="utf-8"), password=word, label=label))


def _password(path: Path) -> Path:
    path.write_text(f"password of {path.name}\n", encoding="utf-8")
    path.chmod(0o600)
    return path


def _make_household(made: Path) -> None:
    password = _password(made / ".vault-password")
    _encrypt(
        made / "vault" / "all.yml", made / "inventory/group_vars/all/vault.yml", password=password
    )


def _make_crossroads(made: Path) -> None:
    for label, group in (("dev", "all"), ("prod", "db")):
        password = _password(made / f"vault.{label}")
        variables = made / "group_vars" / f"{group}.yml"
        if variables.exists():  # a directory of variables, one file of which is encrypted
            directory = variables.with_suffix("")
            directory.mkdir()
            variables.rename(directory / "main.yml")
        _encrypt(
            made / "vault" / f"{label}.yml",
            made / "group_vars" / group / "vault.yml",
            password=password,
            label=label,
        )
    proxy = made / "proxy.sh"
    proxy.write_text('#!/bin/sh\nexec nc "$1" "$2"\n', encoding="utf-8")
    proxy.chmod(0o755)


def _make_fleet(made: Path) -> None:
    """Hosts in three files, by function, by site and the staging ones; every tenth host
    builds.
    """
    names = [
        f"{'build' if number % 10 == 0 else 'host'}{number:03d}.example.org"
        for number in range(HOSTS)
    ]
    roles: dict[str, Any] = {f"role_{number:02d}": {"hosts": {}} for number in range(ROLES)}
    sites: dict[str, Any] = {f"site_{number:03d}": {"hosts": {}} for number in range(SITES)}
    for number, name in enumerate(names):
        roles[f"role_{number % ROLES:02d}"]["hosts"][name] = {"number": number}
        sites[f"site_{number % SITES:03d}"]["hosts"][name] = None
    inventory = made / "inventory"
    (inventory / "10-roles.yml").write_text(
        yaml.safe_dump({"all": {"children": roles}}), encoding="utf-8"
    )
    (inventory / "20-sites.yml").write_text(
        yaml.safe_dump({"all": {"children": sites}}), encoding="utf-8"
    )
    lines = ["[staging]", *names[::25]]
    (inventory / "30-staging").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for number, name in enumerate(names[::10]):
        variables = made / "host_vars" / f"{name}.yml"
        variables.parent.mkdir(exist_ok=True)
        variables.write_text(
            f"ansible_host: 192.0.2.{number % 250}\neth0: {number}\n", encoding="utf-8"
        )


_MAKERS = {"household": _make_household, "crossroads": _make_crossroads, "fleet": _make_fleet}
