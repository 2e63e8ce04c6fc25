"""The door as plans see it: what steps are, look like and do goes through it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from playrail.calls.answers import Answer
from playrail.calls.call import Call, Granted
from playrail.calls.caller import Caller
from playrail.ledger.entries import Body
from playrail.ledger.ledger import Ledger
from playrail.plans.plan import Basis, Foreseen, Prepared
from playrail.safe_text.secrets import Secrets
from playrail.tools.lasting import Kinds
from playrail.tools.tool import AnyTool


class Door(Protocol):
    @property
    def tools(self) -> Mapping[str, AnyTool]: ...
    @property
    def kinds(self) -> Kinds: ...
    @property
    def ledger(self) -> Ledger: ...
    @property
    def secrets(self) -> Secrets: ...

    async def prepare(self, name: str, arguments: Mapping[str, Any]) -> Prepared:
        """A step that calls the tool with these arguments. Raises what stands in the way of
        such a call.
        """

    async def basis(
        self, steps: Sequence[Prepared], caller: Caller, *, anew: bool, preview: bool = False
    ) -> Basis:
        """What the steps stand on at this moment. Raises Denied, WritesDisabled; of a
        `preview` only what forbids that too. `anew`: nothing counts that was read before.
        """

    async def foresee(self, prepared: Prepared, call: Call) -> Foreseen:
        """What the step would change now, without secrets. Raises PlayrailError when a host
        does not tell.
        """

    async def perform(self, prepared: Prepared, granted: Granted, call: Call) -> Answer:
        """Carries the step out as a call of its own. Raises what kept it from starting, if
        it was to close the plan.
        """

    async def write(self, call: Call, body: Body) -> None:
        """Makes a record about the call. Raises LedgerUnavailable, and PlanUnusable for a
        plan that is closed.
        """
