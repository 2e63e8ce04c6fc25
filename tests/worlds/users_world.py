"""What a user's own Ansible has: variables in the vault, and a callback plugin."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from playrail.door.door import Playrail
from playrail.settings.settings import Settings
from worlds.callers import ANN
from worlds.local_plays import LOCAL, WAY

VAULT = Path(sys.executable).with_name("ansible-vault")


def call(given: dict[str, str], tool: str, **arguments: Any) -> dict[str, Any]:
    async def calling() -> dict[str, Any]:
        async with Playrail(
            Settings.load(given, dotenv=None), environ=given, warm=WAY.warm
        ) as playrail:
            return (await playrail.call(tool, arguments, caller=ANN)).envelope()

    return asyncio.run(calling())


def vaulted(place: Path, text: str) -> Path:
    """An inventory whose group variables lie in the vault, and the file with the vault's
    password.
    """
    password = place / "vault-password"
    password.write_text("open sesame\n")
    (place / "inventory" / "group_vars").mkdir(parents=True)
    (place / "inventory" / "hosts.ini").write_text("[web]\nweb1\nweb2\n")
    variables = place / "inventory" / "group_vars" / "web.yml"
    variables.write_text(text)
    command = [str(VAULT), "encrypt", "--vault-password-file", str(password), str(variables)]
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, "HOME": str(place)})
    assert variables.read_text().startswith("$ANSIBLE_VAULT;")
    return password


VARIABLES = "".join(f"{name}: '{value}'\n" for name, value in LOCAL.items())


CALLBACK = """
from ansible.plugins.callback import CallbackBase
class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "telling"
    def v2_runner_on_ok(self, result):
        with open({!r}, "a") as file:
            file.write(result._host.name + "\\n")
"""
