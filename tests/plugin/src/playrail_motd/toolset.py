"""The message of the day: a toolset of somebody else's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, Field

from playrail.tools.effects import Effect
from playrail.tools.lasting import Intent, Invocation, Kind, Thing
from playrail.tools.tool import Changing, OnHosts, PlaybookTool, Report, Risk
from playrail.tools.toolset import Toolset

MESSAGE = Kind(name="message", needs=("file",), new="new")


class Settings(BaseModel):
    file: str = "/etc/motd"
    """Where the message lies on hosts."""


class NewMessage(Changing):
    text: str = Field(
        max_length=1000,
        description="The message; empty removes it.",
        examples=["Backup at 2:00"],
    )


class Message(Report):
    text: str | None
    """None: there is none."""


class ChangedMessage(Report):
    before: str | None
    after: str | None

    def effects(self) -> Sequence[Effect]:
        if self.before == self.after:
            return ()
        return (
            Effect(
                kind=MESSAGE.name,
                name="motd",
                before=None if self.before is None else {"text": self.before},
                after=None if self.after is None else {"text": self.after},
            ),
        )


def set_to(text: str) -> Invocation:
    return Invocation(tool="set_motd", arguments={"text": text}, removes=not text)


def undo(effect: Effect) -> Invocation:
    return set_to(str(effect.before["text"]) if effect.before is not None else "")


def intents(given: NewMessage) -> Sequence[Intent]:
    return (Intent(thing=Thing(MESSAGE, "motd"), call=set_to(given.text)),)


read_motd = PlaybookTool(
    name="read_motd",
    summary="What do people read when they log in?",
    risk=Risk.READ,
    input=OnHosts,
    playbook="motd/read_motd.yml",
    report=Message,
)

set_motd = PlaybookTool(
    name="set_motd",
    summary="Set what people read when they log in.",
    risk=Risk.WRITE,
    input=NewMessage,
    playbook="motd/set_motd.yml",
    report=ChangedMessage,
    idempotent=True,
    undo=undo,
    intents=intents,
)

toolset = Toolset(
    name="motd",
    content=Path(__file__).parent / "content",
    tools=(read_motd, set_motd),
    kinds=(MESSAGE,),
    settings=Settings,
)
