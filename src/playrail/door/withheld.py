"""Contents of files that were marked as secret: whatever touches such a file later, no
record and no answer shows them.

A content is known by its hash, which the ledger's captures have, and its checkpoints of
those that were pruned.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from playrail.calls.answers import Result
from playrail.errors import LedgerUnavailable
from playrail.ledger.entries import SECRET_CONTENT, Capture, Checkpoint, State, withheld_in
from playrail.ledger.ledger import Ledger
from playrail.tools.effects import Effect, without_content


class Withheld:
    """The hashes that the ledger knows, read as far as they are new."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._hashes: set[str] = set()
        self._read_until = 0

    def without(self, result: Result) -> Result:
        """The result without secret contents, and without the differences that Ansible
        showed of them.

        Reads the ledger. What may be secret, when that cannot be read, counts as secret:
        the work itself is done.
        """
        if not any("content" in (state or {}) for state in _states(result.effects)):
            return result
        is_secret = self._is_secret if self._has_learnt() else _may_be_secret
        shown = {
            host
            for host, found in result.effects.items()
            if any(map(is_secret, _states({host: found})))
        }
        if not shown:
            return result
        effects = {
            host: [
                replace(one, before=_told(one.before, is_secret), after=_told(one.after, is_secret))
                for one in found
            ]
            for host, found in result.effects.items()
        }
        tasks = [replace(task, diff=()) if task.host in shown else task for task in result.tasks]
        return replace(result, effects=effects, tasks=tasks)

    def _has_learnt(self) -> bool:
        """Reads what is new; False when that is not possible."""
        try:
            for record in self._ledger.read(
                kinds=(Capture.KIND, Checkpoint.KIND), after=self._read_until
            ):
                self._hashes |= withheld_in(record["kind"], record["body"])
                self._read_until = record["seq"]  # last, for another thread reads on from it
        except LedgerUnavailable:
            return False
        return True

    def _is_secret(self, state: State) -> bool:
        return _may_be_secret(state) and (state or {}).get("sha256") in self._hashes


def _may_be_secret(state: State) -> bool:
    return state is not None and "content" in state


def _told(state: State, is_secret: Callable[[State], bool]) -> State:
    if state is None or not is_secret(state):
        return state
    return {**(without_content(state) or {}), "left_out": SECRET_CONTENT}


def _states(effects: Mapping[str, Sequence[Effect]]) -> list[State]:
    return [
        state for found in effects.values() for one in found for state in (one.before, one.after)
    ]
