"""What a worker asks for when it needs a channel, and what the broker remembers of
openings.
"""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from playrail.ansible.kept import broker as brokers
from playrail.ansible.kept.broker import Broker
from playrail.ansible.kept.channel import Opening
from playrail.ansible.kept.opening import NotOpened
from playrail.ansible.plugins.connection.ssh import Connection

pytestmark = pytest.mark.slow
OPENING = Opening(argv=["ssh", "here"], command="true", prompt=None, password=None, connect_s=1)


class Become:
    """As much of sudo's plugin as is asked for."""

    name, success, prompt, _id = "sudo", "BECOME-SUCCESS-abc", "password:", "abc"

    def get_option(self, name: str, **_: object) -> object:
        return {"become_pass": 1234}.get(name)

    def build_become_command(self, command: str, _: object) -> str:
        return f"sudo {command}"


def opening(command: str, become: object = None) -> dict[str, Any]:
    connection = Connection.__new__(Connection)
    connection.__dict__.update(
        _shell=SimpleNamespace(SHELL_FAMILY="sh"), become=become, _play_context=None
    )
    connection.__dict__["get_option"] = lambda _: 10
    found: dict[str, Any] = connection._opening(command)
    return found


@pytest.mark.parametrize(("python", "matters"), [("python3", True), ("/usr/bin/python3", False)])
def test_path_belongs_to_an_interpreter_that_is_looked_for(python: str, matters: bool) -> None:
    asked = opening(f"/bin/sh -c 'PATH=/opt/bin A=1 {python}'")

    assert ("PATH=/opt/bin" in asked["opening"]["command"]) is matters
    assert asked["identity"] == ["/bin/sh", python, {"PATH": "/opt/bin"} if matters else {}]
    assert asked["env"] == ({"A": "1"} if matters else {"PATH": "/opt/bin", "A": "1"})


def test_a_password_may_be_a_number() -> None:
    command = """/bin/sh -c 'sudo -u root /bin/sh -c '"'"'echo BECOME-SUCCESS-abc ; python3'"'"''"""

    assert opening(command, Become())["opening"]["password"] == "1234"


@pytest.mark.parametrize("connected", [True, False])
def test_an_opening_that_failed_with_nobody_waiting_is_forgotten(
    connected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = 0

    async def fail(*_: object) -> None:
        nonlocal opened
        opened += 1
        await asyncio.sleep(0.05)
        raise NotOpened("no", text="it said no", connected=connected)

    async def check() -> None:
        broker = Broker()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(broker._channel("key", OPENING), 0.01)
        await asyncio.sleep(0.1)
        assert broker._channels == broker._places == {}
        with pytest.raises(NotOpened) as refused:
            await broker._channel("key", OPENING)
        assert (opened, refused.value.text) == ((1, "") if connected else (2, "it said no"))
        assert broker._channels == {}

    monkeypatch.setattr(brokers, "open_channel", fail)
    asyncio.run(check())
