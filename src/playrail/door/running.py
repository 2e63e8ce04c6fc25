"""Runs a call that was understood and whose start is recorded, by what runs its sort of
tool.
"""

from __future__ import annotations

import asyncio
import logging

from playrail.ansible.inventory.inventory import Inventory
from playrail.ansible.run.play import Play
from playrail.calls.answers import Result
from playrail.calls.call import Call
from playrail.codes import calls as codes
from playrail.door.desk import Desk
from playrail.door.opened import Opened
from playrail.door.previews import Previews
from playrail.door.understanding import Understood
from playrail.door.withheld import Withheld
from playrail.engines.engine import Work
from playrail.errors import OutcomeUnknown, PlayrailError, Problem, cut_short
from playrail.settings.settings import Settings

log = logging.getLogger(__name__)

INTERNAL = Problem.of(codes.INTERNAL)


class Running:
    """Runs the calls of one door."""

    def __init__(
        self,
        settings: Settings,
        *,
        inventory: Inventory,
        previews: Previews,
    ) -> None:
        self._settings = settings
        self._inventory = inventory
        self._previews = previews
        self._withheld = Withheld(previews.ledger)

    async def run(
        self,
        opened: Opened,
        call: Call,
        understood: Understood,
        play: Play | None,
        resumed: str | None,
    ) -> Result:
        """What came of the call; never raises, for its end is to be recorded. `resumed` is
        the plan that it goes on with.
        """
        try:
            result = (
                await self._result(opened, call, understood, play)
                if resumed is None
                else await self._previews.carried_out(call, resumed)
            )
            result = result if understood.previewed else understood.whole(result)
            return (
                await asyncio.to_thread(self._withheld.without, result)
                if result.effects
                else result
            )
        except PlayrailError as error:
            return Result.of(error)
        except TimeoutError:
            message = f"The call did not finish within {understood.tool.timeout_s:g} s."
            return Result.of(cut_short(message, changes=understood.changes))
        except Exception:
            log.exception("call %s of %s failed", call.request_id, call.name)
            if not understood.changes:
                return Result(problem=INTERNAL)
            message = "Playrail failed in an unexpected way after the call had started."
            return Result.of(OutcomeUnknown(message))

    async def _result(
        self, opened: Opened, call: Call, understood: Understood, play: Play | None
    ) -> Result:
        tool = understood.tool
        if understood.check and tool.unforeseeable:
            return Result(unforeseen=dict.fromkeys(understood.hosts, (tool.unforeseeable,)))
        work = Work(
            call=call,
            tool=tool,
            input=understood.input,
            hosts=understood.hosts,
            play=play,
            context=self._desk(call),
        )
        return await opened.engines[type(tool)].run(work)

    def _desk(self, call: Call) -> Desk:
        return Desk(
            call,
            door=self._previews,
            planning=self._previews.planning,
            settings=self._settings,
            absent=self._previews.absent,
            hosts=self._inventory.hosts,
        )
