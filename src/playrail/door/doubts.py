"""Warns of what the policy says and the inventory does not bear out; of the same once."""

from __future__ import annotations

import contextlib
import logging

from playrail.ansible.inventory.inventory import Hosts, Inventory
from playrail.errors import PlayrailError
from playrail.policy.doubts import doubts
from playrail.policy.rules import Policy
from playrail.safe_text.visible import in_one_line

log = logging.getLogger(__name__)


class Doubts:
    """What was told already of one policy."""

    def __init__(self, policy: Policy | None, inventory: Inventory) -> None:
        self._policy = policy
        self._inventory = inventory
        self._looked_at: Hosts | None = None
        self._told: frozenset[str] = frozenset()

    async def tell(self) -> None:
        if self._policy is None:
            return
        with contextlib.suppress(PlayrailError):  # each call tells that
            hosts = await self._inventory.hosts()
            # To look through hundreds of hosts at each call would take longer than to decide
            if hosts is not self._looked_at:
                self._looked_at = hosts
                self._warn(list(doubts(self._policy, hosts)))

    def _warn(self, found: list[str]) -> None:
        for doubt in dict.fromkeys(found):
            if doubt not in self._told:
                log.warning("policy: %s", in_one_line(doubt))
        self._told = frozenset(found)
