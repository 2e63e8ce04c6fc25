"""What a user's own Ansible has: variables in the vault, callback plugins, settings; and
what Playrail makes of it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from logging.handlers import BufferingHandler
from pathlib import Path
from typing import Any

from playrail.commands import doctor, doctor_project
from playrail.door.door import Playrail
from playrail.settings.settings import Settings
from worlds.callers import ANN
from worlds.local_plays import LOCAL
from worlds.vaults import encrypted

VARIABLES = "".join(f"{name}: '{value}'\n" for name, value in LOCAL.items())


@dataclass(frozen=True, kw_only=True)
class Came:
    """What came of calls: the answers, in the files *.log, to callbacks, and as warnings."""

    answers: Sequence[Mapping[str, Any]]
    logged: str
    heard: Mapping[str, Sequence[str]]
    """Per callback the hosts that it heard of."""
    warned: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class UsersWorld:
    """A user's directory, and the environment that a Playrail is started with there."""

    place: Path
    given: dict[str, str]

    def calls(self, way: str, *wanted: tuple[str, dict[str, Any]]) -> Came:
        """What comes of these calls of one Playrail, whose plays start cold or warm."""
        for file in self.place.glob("*.heard"):  # those before
            file.unlink()
        with warnings() as warned:
            answers = asyncio.run(self._calling(wanted, warm=way == "warm"))
        return Came(
            answers=answers,
            logged=self.logged(),
            heard={file.stem: file.read_text().split() for file in self.place.glob("*.heard")},
            warned=warned,
        )

    async def _calling(
        self, wanted: Sequence[tuple[str, dict[str, Any]]], *, warm: bool
    ) -> list[dict[str, Any]]:
        settings = Settings.load(self.given, dotenv=None)
        async with Playrail(settings, environ=self.given, warm=warm) as playrail:
            return [
                (await playrail.call(tool, arguments, caller=ANN)).envelope()
                for tool, arguments in wanted
            ]

    def examined(self) -> dict[str, doctor_project.Check]:
        """What doctor finds, by name; it starts no run that stays."""
        given = self.given | {"PLAYRAIL_WARM": "0"}

        async def examining() -> dict[str, doctor_project.Check]:
            checks = doctor.examine(given, dotenv=Path("/nowhere"))
            return {check.name: check async for check in checks}

        return asyncio.run(examining())

    def logged(self) -> str:
        return "".join(path.read_text(errors="replace") for path in self.place.glob("*.log"))


@contextmanager
def warnings() -> Iterator[list[str]]:
    """The messages of Playrail's log, which are there afterwards."""
    handler, messages = BufferingHandler(1000), list[str]()
    logger = logging.getLogger("playrail")
    logger.addHandler(handler)
    try:
        yield messages
    finally:
        logger.removeHandler(handler)
        messages += [record.getMessage() for record in handler.buffer]


def vaulted(place: Path, text: str) -> Path:
    """An inventory whose group variables lie in the vault, and the file with the vault's
    password.
    """
    password = place / "vault-password"
    password.write_text("open sesame\n")
    (place / "inventory" / "group_vars").mkdir(parents=True)
    (place / "inventory" / "hosts.ini").write_text("[web]\nweb1\nweb2\n")
    variables = place / "inventory" / "group_vars" / "web.yml"
    variables.write_text(encrypted(text, password="open sesame"))
    return password


def callback(directory: Path, name: str, heard: Path, *, enabled: str = "") -> None:
    """A callback plugin that writes the names of hosts that it hears of to a file. With
    `enabled` it wants to be named to be heard of at all.
    """
    directory.mkdir(parents=True, exist_ok=True)
    text = CALLBACK.format(name=name, enabled=enabled, heard=str(heard / f"{name}.heard"))
    (directory / f"{name}.py").write_text(text)


NEEDS_ENABLED = "CALLBACK_NEEDS_ENABLED = True"
CALLBACK = """
from ansible.plugins.callback import CallbackBase
class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "{name}"
    {enabled}
    def v2_runner_on_ok(self, result):
        with open({heard!r}, "a") as file:
            file.write(result._host.name + "\\n")
"""
