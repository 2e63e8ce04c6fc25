"""A project whose way to its hosts is relative to it, on real hosts: the configuration of
ssh, a key, a proxy.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from playrail.door.door import Playrail
from playrail.settings.private_files import private_directory
from playrail.settings.settings import Settings
from worlds.callers import ANN
from worlds.local_plays import WAY, environ

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("way")]

PROXY = """
import os, socket, sys, threading
s = socket.create_connection((sys.argv[1], int(sys.argv[2])))
def up():
    while data := os.read(0, 65536):
        s.sendall(data)
threading.Thread(target=up, daemon=True).start()
while data := s.recv(65536):
    os.write(1, data)
"""


@pytest.fixture
def project(tmp_path: Path, hosts: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir("/")
    made = private_directory(private_directory(tmp_path / "place") / "project")
    host = hosts["hosts"]["deb12"]
    shutil.copy(host["key"], made / "key.pem")
    (made / "key.pem").chmod(0o600)
    shutil.copy(hosts["known_hosts"], made / "known")
    (made / "proxy.py").write_text(PROXY)
    (made / "vault.dev").write_text("open sesame\n")
    (made / "ssh.cfg").write_text(
        f"Host server\n  HostName {host['address']}\n  HostKeyAlias {host['address']}\n"
        f"  ProxyCommand {sys.executable} ./proxy.py %h %p\n"
        "Host *\n  UserKnownHostsFile ./known\n"
    )
    (made / "ansible.cfg").write_text(
        "[defaults]\ninventory = inventory/hosts\nvault_identity_list = dev@vault.dev\n"
        "[ssh_connection]\nssh_args = -F ./ssh.cfg -i ./key.pem -o IdentitiesOnly=yes\n"
    )
    (made / "inventory").mkdir()
    (made / "inventory" / "hosts").write_text("[web]\nserver\n")
    (made / "group_vars" / "web").mkdir(parents=True)
    (made / "group_vars" / "web" / "main.yml").write_text("ansible_user: '{{ login }}'\n")
    secret = made / "group_vars" / "web" / "vault.yml"
    secret.write_text(f"login: {host['user']}\n")
    vault = [
        sys.executable,
        "-P",
        "-m",
        "ansible",
        "vault",
        "encrypt",
        "--encrypt-vault-id",
        "dev",
        str(secret),
    ]
    subprocess.run(
        vault,
        check=True,
        capture_output=True,
        cwd=made,
        env={"HOME": str(tmp_path), "LANG": "C.UTF-8"},
    )
    return made


@pytest.mark.parametrize("named", ["ANSIBLE_CONFIG", "PLAYRAIL_PROJECT"])
def test_the_way_is_that_of_plain_ansible(project: Path, named: str) -> None:
    value = project / "ansible.cfg" if named == "ANSIBLE_CONFIG" else project
    given = environ(project.parent, **{named: str(value)})

    async def calling() -> list[dict[str, Any]]:
        async with Playrail(
            Settings.load(given, dotenv=None), environ=given, warm=WAY.warm
        ) as playrail:
            words: dict[str, Any] = {"server": "web", "path": "/etc/hostname"}
            return [
                (await playrail.call("read_file", words, caller=ANN)).envelope() for _ in range(2)
            ]

    for answer in asyncio.run(calling()):
        assert answer["success"], answer
        assert answer["data"]["hosts"]["server"]["content"].strip() == "deb12"
