"""What the policy says of calls, with what it has to know: the hosts, the time, and what
was done before.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial

from playrail.ansible.inventory.inventory import Host, Hosts, Inventory
from playrail.calls.call import Call
from playrail.door.attempts import attempts
from playrail.errors import PlayrailError
from playrail.ledger.ledger import Read
from playrail.policy.doubts import doubts
from playrail.policy.limits import check_limits
from playrail.policy.rules import Decision, Policy, decide
from playrail.safe_text.visible import in_one_line
from playrail.settings.settings import Settings
from playrail.tools.tool import AnyTool, ToolInput

log = logging.getLogger(__name__)


class Rulings:
    """The policy of one door; without one, the operator's switch for changes."""

    def __init__(
        self,
        policy: Policy | None,
        settings: Settings,
        inventory: Inventory,
        *,
        now: Callable[[], datetime],
    ) -> None:
        self._policy = policy
        self._settings = settings
        self._inventory = inventory
        self._now = now
        self._doubted: Hosts | None = None
        """The listing of hosts whose doubts were told."""
        self._told: frozenset[str] = frozenset()

    async def decision(
        self, tool: AnyTool, given: ToolInput, hosts: Sequence[str], caller: str, *, preview: bool
    ) -> Decision:
        """Raises Denied."""
        verdict = decide(
            tool=tool,
            risk=tool.risk_of(given),
            hosts=[] if self._policy is None else await self._known(self._policy, hosts),
            caller=caller,
            policy=self._policy,
            writes=self._settings.enable_write_operations,
            preview=preview,
            now=self._now(),
        )
        return verdict.decision

    async def limits(
        self, call: Call, hosts: Sequence[str], *, changes: bool
    ) -> Callable[[Read], None] | None:
        """What looks at the ledger whether one more such call is within the policy's
        limits.
        """
        policy = self._policy
        # What is begun is ended
        if policy is None or (call.granted is not None and not call.granted.closes):
            return None
        known, now = await self._known(policy, hosts), self._now()
        inner = call.parent is not None

        def within(read: Read) -> None:
            check_limits(
                policy,
                caller=call.caller,
                hosts=known,
                changes=changes,
                now=now,
                attempts=partial(attempts, read),
                inner=inner,
            )

        return within

    async def tell_doubts(self) -> None:
        """Warns of what the policy says and the inventory does not bear out; of the same
        once.
        """
        if self._policy is None:
            return
        with contextlib.suppress(PlayrailError):  # each call tells that
            self._tell_doubts(self._policy, await self._inventory.hosts())

    def _tell_doubts(self, policy: Policy, known: Hosts) -> None:
        # To look through hundreds of hosts at each call would take longer than to decide
        if known is self._doubted:
            return
        self._doubted = known
        found = dict.fromkeys(doubts(policy, known))
        for doubt in found:
            if doubt not in self._told:
                log.warning("policy: %s", in_one_line(doubt))
        self._told = frozenset(found)

    async def _known(self, policy: Policy, hosts: Sequence[str]) -> list[Host]:
        if not hosts:
            return []
        known = await self._inventory.hosts()
        self._tell_doubts(policy, known)
        return [known.hosts[name] for name in hosts]
