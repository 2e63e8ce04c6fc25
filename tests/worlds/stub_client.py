"""A real client of the server in stub_door.py, and who sits in front of it."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import mcp_types as types
from anyio.from_thread import BlockingPortal, start_blocking_portal
from mcp import Client, StdioServerParameters

STUB = Path(__file__).with_name("stub_door.py")
LEGACY, MODERN = "legacy", "2026-07-28"


@dataclass
class Person:
    """Who is asked through a client. `says` None: they think for ever."""

    says: types.ElicitResult | types.ErrorData | None = None
    asked: list[types.ElicitRequestParams] = field(default_factory=list)

    async def __call__(
        self, _: Any, params: types.ElicitRequestParams
    ) -> types.ElicitResult | types.ErrorData:
        self.asked.append(params)
        if self.says is None:
            await anyio.sleep_forever()
        assert self.says is not None
        return self.says


@dataclass(frozen=True)
class Side:
    """A connected client, and who sits in front of it."""

    client: Client
    portal: BlockingPortal
    person: Person
    state: Path

    def calls(self, **options: Any) -> Any:
        return self.portal.call(
            lambda: self.client.call_tool("write_file", {"path": "/x"}, **options)
        )

    def said(self, says: types.ElicitResult | types.ErrorData) -> Mapping[str, Any]:
        self.person.says = says
        answer = self.calls().structured_content
        assert answer is not None
        found: Mapping[str, Any] = answer["data"]
        return found


@contextlib.contextmanager
def connected(mode: str, state: Path, **options: Any) -> Iterator[Side]:
    state.chmod(0o700)
    parameters = StdioServerParameters(
        command=sys.executable,
        args=[str(STUB), str(state)],
        env={"PATH": os.defpath, "HOME": str(state)},
        cwd=state,
    )
    person = options.get("elicitation_callback", Person())
    made = Client(parameters, mode=mode, read_timeout_seconds=60, **options)
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(made) as client:
        yield Side(client, portal, person, state)
