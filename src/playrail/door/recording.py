"""What is written down of a call: the bodies of the ledger's records (ledger/SCHEMA.md), in
which no secret is.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from playrail.ansible.run.play import Play
from playrail.calls.answers import Result
from playrail.calls.bounds import Bounds
from playrail.calls.call import Call
from playrail.door.understanding import Understood
from playrail.errors import EndUnrecorded, LedgerUnavailable, PlayrailError
from playrail.key_material import key_in
from playrail.ledger.ledger import Entry, Kind, Ledger, Read, is_busy
from playrail.ledger.sqlite.withheld import LEFT_OUT
from playrail.safe_text.secrets import Secrets
from playrail.settings.targets import TARGETS
from playrail.tasks import TaskResult
from playrail.tools.effects import Effect
from playrail.tools.tool import SECRET, AnyTool, ApiTool, PlaybookTool, ToolInput

log = logging.getLogger(__name__)

LONGEST_REFUSED = 200  # characters of a text in the record of a refused call; nothing came of it
LONGEST_REASON = 1000  # characters of why it was refused
MOST_REFUSED = 50  # values of its arguments and hosts
MOST_TOLD = 5  # hosts whose error a record has in words
# Characters of the line that does the same by hand, in a record that has the arguments
# anyway
LONGEST_COMMAND = 10_000
LONGEST_TEXT = 20_000  # characters of what Ansible said outside of any task
SHORTEST_KEY = 24  # characters


class Records:
    """Writes down what calls do."""

    def __init__(self, ledger: Ledger, *, server: str, secrets: Secrets, bounds: Bounds) -> None:
        self._ledger = ledger
        self._server = server
        self._secrets = secrets
        self._bounds = bounds

    async def started(
        self,
        call: Call,
        understood: Understood,
        play: Play | None,
        asked: Mapping[str, Any],
        *,
        provided: Callable[[Read], None] | None,
    ) -> None:
        """Raises LedgerUnavailable, PlanUnusable, and what `provided` raises; then there is
        no record.

        The plan that the call uses up is closed by the same transaction: it is either used,
        or can still be.
        """
        body = {
            **asked,
            **beginning(understood, play, self._secrets),
            "preview": understood.check,
            "plan": call.granted.plan_id if call.granted else None,
            "parent": call.parent,
        }
        entries = [self._entry("started", call, body)]
        if call.granted is not None and call.granted.closes:
            used = {"plan": call.granted.plan_id, "outcome": "used", "by": call.caller.name}
            entries.insert(0, self._entry("closed", call, used))
        await asyncio.to_thread(self._ledger.append, *entries, provided=provided)
        call.trace.began = True
        call.trace.run_id = play.run_id if play is not None else None

    async def refused(
        self,
        call: Call,
        asked: Mapping[str, Any],
        error: PlayrailError,
        *,
        provided: Callable[[Read], None] | None = None,
    ) -> None:
        """Raises what `provided` raises, and then there is no record."""
        reason = shortened(self._secrets.hidden(str(error)), longest=LONGEST_REASON)
        refusal = {**shortened(asked), "outcome": error.code, "reason": reason}
        if call.parent is not None:
            refusal["parent"] = call.parent
        entry = self._entry("refused", call, refusal)
        try:
            await asyncio.to_thread(self._ledger.append, entry, provided=provided)
        except LedgerUnavailable as unrecorded:
            log.warning("a refused call could not be recorded: %s", unrecorded)

    async def ended(
        self, call: Call, understood: Understood, play: Play | None, result: Result
    ) -> Result:
        """Records what Ansible did, what was changed, and how the call ended, all or
        nothing.
        """
        entries = []
        if play is not None:
            told = events(
                play.run_id,
                result,
                preview=understood.check,
                changes=understood.risk.changes,
                most=self._bounds.event_characters,
            )
            entries.append(self._entry("events", call, without_keys(self._secrets.hidden(told))))
        if play is not None and understood.changes:
            call.trace.runs = (play.run_id,)
            captured = capture(play.run_id, result.effects, self._secrets)
            entries += [self._entry("capture", call, captured)] if captured is not None else []
        ended = self._secrets.hidden(ending(result, duration_ms=call.trace.elapsed_ms()))
        end = self._entry("ended", call, without_keys(ended))
        try:
            await self._append_patiently(*entries, end)
        except LedgerUnavailable as error:
            why = (
                f"It ended with {result.problem.code}: {result.problem.error} "
                if result.problem
                else "It succeeded. "
            )
            return result.with_problem(
                EndUnrecorded(f"{why}But its end could not be recorded: {error}").problem
            )
        return result

    async def _append_patiently(self, *entries: Entry) -> None:
        """Waits for whoever is writing to the ledger: the work is done already. Raises
        LedgerUnavailable.
        """
        until = time.monotonic() + self._bounds.end_patience_s
        while True:
            try:
                await asyncio.to_thread(self._ledger.append, *entries)
            except LedgerUnavailable as error:
                if not is_busy(error) or time.monotonic() > until:
                    raise
                await asyncio.sleep(self._bounds.end_pause_s)
            else:
                return

    async def write(self, kind: Kind, call: Call, body: Mapping[str, Any]) -> None:
        """Raises LedgerUnavailable, and PlanUnusable for a plan that is closed."""
        await asyncio.to_thread(self._ledger.append, self._entry(kind, call, body))

    def _entry(self, kind: Kind, call: Call, body: Mapping[str, Any]) -> Entry:
        return Entry(
            kind=kind,
            call=call.request_id,
            server=self._server,
            caller=call.caller.name,
            tool=call.name[:128],
            body=body,
        )


def shortened(value: Any, *, longest: int = LONGEST_REFUSED) -> Any:
    """The same with what is long replaced by its size: a caller that is refused must not
    fill the disk.
    """
    left = MOST_REFUSED

    def short(item: Any) -> Any:
        nonlocal left
        left -= 1
        match item:
            case str():
                return (
                    item if len(item) <= longest else f"{item[:longest]}… ({len(item)} characters)"
                )
            case dict():
                kept = {short(key): short(item[key]) for key in [*item][: max(0, left)]}
                return (
                    {**kept, "…": f"{len(item) - len(kept)} more"}
                    if len(kept) < len(item)
                    else kept
                )
            case list() | tuple():
                some = [short(one) for one in item[: max(0, left)]]
                return [*some, f"… {len(item) - len(some)} more"] if len(some) < len(item) else some
        return item

    return short(value)


def without_keys(value: Any) -> Any:
    """The same JSON data without texts that hold a private key, as the output of a command
    may.
    """
    match value:
        case str():
            found = (
                key_in(value.encode("utf-8", "surrogatepass"))
                if len(value) >= SHORTEST_KEY
                else None
            )
            return f"(left out: {found})" if found else value
        case Mapping():
            return {key: without_keys(item) for key, item in value.items()}
        case list() | tuple():
            return [without_keys(item) for item in value]
    return value


def beginning(understood: Understood, play: Play | None, secrets: Secrets) -> dict[str, Any]:
    """What the record `started` has of what is going to be run."""
    tool = understood.tool
    command = None if play is None or understood.input.secret_fields() else by_hand(play, secrets)
    if command is not None and len(command) > LONGEST_COMMAND:
        command = None
    return {
        "risk": understood.risk.name,
        "run": play.run_id if play else None,
        "command": command,
        "playbook": tool.playbook if isinstance(tool, PlaybookTool) else None,
    }


def by_hand(play: Play, secrets: Secrets) -> str:
    """The line that does the same by hand. A secret is hidden before a shell's quotes make
    it look otherwise.
    """
    return secrets.hidden(replace(play, variables=secrets.hidden(play.variables)).command_line())


def would_run(tool: AnyTool, given: ToolInput, play: Play | None, secrets: Secrets) -> str:
    """What a plan says that a step runs: the line that does the same by hand, or the
    request.
    """
    if isinstance(tool, ApiTool):
        return f"{tool.name}: a request to {TARGETS[tool.provider].way}, {tool.endpoint}"
    if play is None:
        return tool.name
    if given.secret_fields():
        return (
            f"ansible-playbook {play.playbook} with {', '.join(given.secret_fields())} = {SECRET}"
        )
    return by_hand(play, secrets)


def ending(result: Result, *, duration_ms: int) -> dict[str, Any]:
    """The record `ended`."""
    return {
        "outcome": result.problem.code if result.problem else "ok",
        "error": _error(result),
        "changed": list(result.changed),
        "failed": dict(result.failed),
        "duration_ms": duration_ms,
    }


def _error(result: Result) -> str | None:
    """The one sentence; of several hosts also what the first of them said, which an answer
    tells beside it.
    """
    if result.problem is None:
        return None
    told = (result.data or {}).get("failed", {}) if len(result.failed) > 1 else {}
    each = [f"{host}: {one['error']}" for host, one in list(told.items())[:MOST_TOLD]]
    return "; ".join([result.problem.error, *each])


def events(
    run_id: str, result: Result, *, preview: bool, changes: bool, most: int
) -> dict[str, Any]:
    """The record `events`: what Ansible did, with results and diffs of at most `most`
    characters. Of a read no results are kept: what hosts hold is not the ledger's.
    """
    left = most
    tasks: list[dict[str, Any]] = []
    for task in result.tasks:
        told = _task(task, changes=changes)
        left -= (size := len(str(told)))
        if left < 0:
            left = left + size
            told |= {"result": None, "diff": [], "cut": True}
        tasks.append(told)
    cut = len(result.text) > LONGEST_TEXT or any(told["cut"] for told in tasks)
    return {
        "run": run_id,
        "preview": preview,
        "tasks": tasks,
        "text": result.text[:LONGEST_TEXT],
        "cut": cut,
    }


def _task(task: TaskResult, *, changes: bool) -> dict[str, Any]:
    return {
        "host": task.host,
        "task": task.task,
        "action": task.action,
        "status": task.status,
        "duration_s": task.duration_s,
        "result": dict(task.result) if changes else None,
        "diff": [_as_text(part) for part in task.diff] if changes else [],
        "cut": task.cut and changes,
    }


def _as_text(part: Mapping[str, Any]) -> dict[str, Any]:
    """A difference without the bytes that are no text: the record `capture` has them."""
    return {key: value for key, value in part.items() if not key.endswith("_base64")}


def capture(
    run_id: str, effects: Mapping[str, Sequence[Effect]], secrets: Secrets
) -> dict[str, Any] | None:
    """The record `capture`: what a run changed, with what is needed to take it back; None
    when it changed nothing.
    """
    told = {
        host: [_captured(effect, secrets) for effect in found]
        for host, found in effects.items()
        if found
    }
    return {"run": run_id, "effects": told} if told else None


def _captured(effect: Effect, secrets: Secrets) -> dict[str, Any]:
    before, after = (_state(state, secrets) for state in (effect.before, effect.after))
    return {
        "kind": effect.kind,
        "name": secrets.hidden(effect.name),
        "before": before,
        "after": after,
    }


def _state(state: Mapping[str, Any] | None, secrets: Secrets) -> dict[str, Any] | None:
    """A state without a content that holds a secret: with a part of it hidden it would not
    be that content.
    """
    if state is None:
        return None
    hidden = secrets.hidden(dict(state))
    if "content" in state and (
        hidden["content"] != state["content"] or _is_secret_in_bytes(state, secrets)
    ):
        del hidden["content"]
        hidden.pop("encoding", None)
        hidden["left_out"] = LEFT_OUT
    return hidden


def _is_secret_in_bytes(state: Mapping[str, Any], secrets: Secrets) -> bool:
    """Whether a content that is no text, and so in base64, holds a secret."""
    if "encoding" not in state:
        return False
    text = base64.b64decode(state["content"]).decode("utf-8", "replace")
    return bool(secrets.hidden(text) != text)
