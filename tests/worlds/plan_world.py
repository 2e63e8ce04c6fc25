"""A Playrail that stays, on this machine, for tests of what becomes of plans: made,
approved, applied, taken back.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from anyio.from_thread import BlockingPortal, start_blocking_portal

from playrail.calls.answers import Answer
from playrail.calls.asking import Ask, Question, Said
from playrail.calls.bounds import Bounds
from playrail.calls.caller import Caller
from playrail.door.door import Playrail
from playrail.ledger.ledger import Entry
from playrail.plans.recorded import answered, plan_in
from playrail.settings.private_files import private_directory
from playrail.settings.settings import Settings
from playrail.tools.tool import AnyTool
from worlds.callers import ANN
from worlds.local_plays import environ


@dataclass
class Clock:
    """Says what time it is, and once it is set, that."""

    at: datetime | None = None

    def now(self) -> datetime:
        return self.at or datetime.now(UTC)

    @contextmanager
    def later(self, by: timedelta) -> Iterator[None]:
        self.at = datetime.now(UTC) + by
        yield
        self.at = None


@dataclass(frozen=True)
class World:
    """A Playrail that stays, in a directory of its own."""

    place: Path
    portal: BlockingPortal
    server: Playrail
    clock: Clock

    def call(
        self, tool: str, /, *, caller: Caller = ANN, ask: Ask | None = None, **arguments: Any
    ) -> Answer:
        return self.portal.call(partial(self.server.call, tool, arguments, caller=caller, ask=ask))

    def plan(self, tool: str, /, **arguments: Any) -> dict[str, Any]:
        answer = self.call(tool, preview=True, **arguments)
        assert answer.code == "ok", answer.problem
        assert answer.data is not None
        made: dict[str, Any] = answer.data["plan"]
        return made

    def apply(self, plan: dict[str, Any], **more: Any) -> Answer:
        return self.call("apply_plan", plan_id=plan["plan_id"], **more)

    def records(self, *answers: Answer) -> list[dict[str, Any]]:
        """Those of the calls with these answers, but those that tell what Ansible did."""
        assert self.server.ledger.verify().problem is None
        calls = {answer.meta.request_id for answer in answers}
        records = [record for record in self.server.ledger.read() if record["call"] in calls]
        return [record for record in records if record["kind"] != "events"]

    def kinds(self, kind: str) -> list[dict[str, Any]]:
        return [record["body"] for record in self.server.ledger.read(kinds=(kind,))]  # type: ignore[arg-type]


@contextmanager
def world(place: Path, *tools: AnyTool, **more: str) -> Iterator[World]:
    given = environ(private_directory(place), ENABLE_WRITE_OPERATIONS="1", **more)
    settings = Settings.load(given, dotenv=None)
    clock = Clock()
    made = Playrail(
        settings,
        environ=given,
        warm=settings.warm,
        bounds=Bounds(now=clock.now),
        tools={tool.name: tool for tool in tools},
    )
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(made) as server:
        yield World(place, portal, server, clock)


def said(what: Said, asked: list[Question]) -> Ask:
    async def ask(question: Question) -> Said:
        asked.append(question)
        return what

    return ask


def grant(world: World, plan_id: str, **changes: Any) -> None:
    """What `playrail approve` writes."""
    ledger = world.server.ledger
    plan = plan_in(ledger, plan_id)
    approved = answered(plan, how="operator", answer="approved", by="test", now=world.clock.now())
    body = {**approved.to_body(), **changes}
    ledger.append(
        Entry(
            kind="approval", call="c", server="-", caller="operator", tool="write_file", body=body
        )
    )
