"""What runs a sort of tool: which hosts a call of it is for, and what came of it there.

Each sort has a `Resolver`, which is asked before anything is done, and an `Engine`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from playrail.ansible.run.play import Play
from playrail.calls.answers import Result
from playrail.calls.call import Call
from playrail.errors import InvalidArgument, Problem
from playrail.hosts import Hosts
from playrail.settings.settings import Settings
from playrail.tools.tool import Context, OnHosts, PlaybookTool, ToolInput


@dataclass(frozen=True, kw_only=True)
class Meant:
    """The hosts that a call is for, and those that its words mean as well and that cannot be
    used.
    """

    hosts: tuple[str, ...] = ()
    unusable: Mapping[str, Problem] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Work:
    """A call that is to be run, all that is decided about it."""

    call: Call
    tool: Any
    """Of the engine's sort."""
    input: ToolInput
    hosts: Sequence[str]
    play: Play | None
    """What the engine made for it."""
    context: Context


class Resolver(Protocol):
    async def resolve(self, tool: Any, given: ToolInput) -> Meant:
        """The hosts that a call with this input is for. Raises PlayrailError where its words
        mean none, or one that this sort of tool is not for.
        """


class Engine(Protocol):
    def play(
        self, tool: Any, given: ToolInput, hosts: Sequence[str], *, run_id: str, check: bool
    ) -> Play | None:
        """What Ansible is to play; None where it has nothing to do with it. With `check`
        nothing is changed.
        """

    async def run(self, work: Work) -> Result:
        """What came of it. Raises PlayrailError, and TimeoutError at the tool's deadline."""


class WithoutAnsible:
    """What every Engine has in common that plays nothing."""

    def play(self, *_: Any, **__: Any) -> None:
        return None


class Listed:
    """The Resolver of tools for all hosts that the inventory lists."""

    def __init__(self, settings: Settings, hosts: Callable[[], Awaitable[Hosts]]) -> None:
        self._settings = settings
        self._hosts = hosts

    async def resolve(self, tool: Any, given: ToolInput) -> Meant:
        if not isinstance(given, OnHosts):
            return Meant()
        listed = await self._hosts()
        hosts = listed.resolve(given.server, self._settings)
        unusable = listed.unusable(given.server, self._settings)
        together = tool.together if isinstance(tool, PlaybookTool) else None
        number = len(hosts) + len(unusable)
        if together is not None and number != together.of_hosts:
            raise InvalidArgument(
                f"{tool.name} is about {together.of_hosts} hosts together, and these words mean "
                f"{number}."
            )
        return Meant(hosts=tuple(hosts), unusable=unusable)
