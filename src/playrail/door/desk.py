"""What the tools about Playrail itself may look at and do, on behalf of one call."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import zip_longest

from playrail.calls.answers import Answer
from playrail.calls.call import Call
from playrail.door.past import Past
from playrail.errors import Problem
from playrail.hosts import Hosts
from playrail.plans.door import Door
from playrail.plans.drift import drift
from playrail.plans.plan import Step
from playrail.plans.planning import Planning
from playrail.plans.undo import undo
from playrail.settings.settings import Settings
from playrail.tools.offering import Absence
from playrail.tools.past import RunShort, RunsWanted, RunWhole
from playrail.tools.planned import HostDrift, PlanShort, PlanView, StepDone

NOT_RUN = "not_run"  # of a step after one that failed


class Desk:
    """A tool.Context: the door as one call sees it."""

    def __init__(
        self,
        call: Call,
        *,
        door: Door,
        planning: Planning,
        settings: Settings,
        absent: Mapping[str, Absence],
        hosts: Callable[[], Awaitable[Hosts]],
    ) -> None:
        self._call = call
        self._door = door
        self._planning = planning
        self._hosts = hosts
        self._past = Past(door, call.caller)
        self.settings = settings
        self.tools = door.tools
        self.absent = {name: absence.why for name, absence in absent.items()}

    async def hosts(self) -> Hosts:
        """What the inventory has."""
        return await self._hosts()

    async def durations_ms(self) -> Mapping[str, Sequence[int]]:
        """Per tool how long its latest calls took that went well."""
        return await asyncio.to_thread(self._door.ledger.durations_ms)

    async def plans(self) -> list[PlanShort]:
        """The caller's plans that can still be applied, the newest first, in short."""
        return [plan.short() for plan in await self._planning.plans(self._call.caller)]

    async def plan(self, plan_id: str) -> PlanView:
        """One of the caller's plans, with what became of it. Raises UnknownPlan."""
        return await self._planning.describe(await self._planning.plan(plan_id, self._call.caller))

    async def cancel_plan(self, plan_id: str) -> str:
        """Raises UnknownPlan, PlanUnusable."""
        return (await self._planning.cancel(self._call, plan_id)).plan_id

    async def apply_plan(self, plan_id: str) -> list[tuple[StepDone, Problem | None]]:
        """What came of each step, as its own call tells it. Raises what Planning.apply
        does.
        """
        plan, answers = await self._planning.apply(self._call, plan_id)
        if len(plan.steps) == 1:
            self._call.trace.run_id = answers[0].meta.run_id
        return [
            (_done(step, answer), None if answer is None else answer.problem)
            for step, answer in zip_longest(plan.steps, answers)
        ]

    async def undo_run(self, run_id: str) -> PlanView:
        """The plan that takes a run back. Raises what undo.undo does."""
        return (await undo(self._door, self._planning, self._call, run_id)).view()

    async def check_drift(self, server: str | Sequence[str] | None) -> dict[str, HostDrift]:
        """Per host what no longer holds of what Playrail set."""
        hosts = (await self.hosts()).resolve(server, self.settings)
        return await drift(self._door, self._call, hosts)

    async def runs(self, wanted: RunsWanted) -> tuple[list[RunShort], int | None]:
        """What the caller may know of what was done before. Raises UnknownTool, UnknownServer."""
        return await asyncio.to_thread(self._past.runs, await self.hosts(), self.settings, wanted)

    async def run(self, run_id: str, *, max_bytes: int) -> RunWhole:
        """One of these in full. Raises UnknownRun."""
        return await asyncio.to_thread(self._past.run, run_id, max_bytes=max_bytes)


def _done(step: Step, answer: Answer | None) -> StepDone:
    """What came of a step; None of one that was not begun."""
    return StepDone(
        tool=step.tool,
        hosts=list(step.hosts),
        run_id=None if answer is None else answer.meta.run_id,
        code=NOT_RUN if answer is None else answer.code,
        data=None if answer is None or answer.data is None else dict(answer.data),
    )
