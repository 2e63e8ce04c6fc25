"""What the policy says of calls, with what it has to know: the hosts, the time, and what was done before."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime

from playrail.ansible.inventory import Host, Inventory
from playrail.call import Call
from playrail.errors import PlayrailError
from playrail.ledger.ledger import Read
from playrail.policy import Decision, Policy, decide
from playrail.policy_doubts import doubts
from playrail.policy_limits import check_limits
from playrail.settings import Settings
from playrail.tool import AnyTool, ToolInput
from playrail.visible import in_one_line

log = logging.getLogger(__name__)


class Rulings:
    """The policy of one door; without one, the operator's switch for changes."""

    def __init__(
        self, policy: Policy | None, settings: Settings, inventory: Inventory, *, now: Callable[[], datetime]
    ) -> None:
        self._policy = policy
        self._settings = settings
        self._inventory = inventory
        self._now = now
        self._told: frozenset[str] = frozenset()

    async def decision(
        self, tool: AnyTool, given: ToolInput, hosts: Sequence[str], caller: str, *, preview: bool
    ) -> Decision:
        """Raises Denied."""
        verdict = decide(
            tool=tool,
            risk=tool.risk_of(given),
            hosts=[] if self._policy is None else await self._known(hosts),
            caller=caller,
            policy=self._policy,
            writes=self._settings.enable_write_operations,
            preview=preview,
            now=self._now(),
        )
        return verdict.decision

    async def limits(self, call: Call, hosts: Sequence[str], *, changes: bool) -> Callable[[Read], None] | None:
        """What looks at the ledger whether one more such call is within the policy's limits."""
        if self._policy is None or (call.granted is not None and not call.granted.closes):  # what is begun is ended
            return None
        known, now = await self._known(hosts), self._now()
        inner = call.parent is not None

        def within(read: Read) -> None:
            check_limits(
                self._policy, caller=call.caller, hosts=known, changes=changes, now=now, read=read, inner=inner
            )

        return within

    async def tell_doubts(self) -> None:
        """Warns of what the policy says and the inventory does not bear out; of the same once."""
        if self._policy is None:
            return
        try:
            known = await self._inventory.hosts()
        except PlayrailError:
            return  # each call tells that
        found = dict.fromkeys(doubts(self._policy, known))
        for doubt in found:
            if doubt not in self._told:
                log.warning("policy: %s", in_one_line(doubt))
        self._told = frozenset(found)

    async def _known(self, hosts: Sequence[str]) -> list[Host]:
        if not hosts:
            return []
        known = (await self._inventory.hosts()).hosts
        await self.tell_doubts()
        return [known[name] for name in hosts]
