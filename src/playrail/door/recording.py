"""What is written down of a call: the bodies of the ledger's records (ledger/SCHEMA.md), in
which no secret is.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from playrail.ansible.run.play import Play
from playrail.calls.answers import Result
from playrail.calls.bounds import Bounds
from playrail.calls.call import Call
from playrail.door.understanding import Understood
from playrail.errors import EndUnrecorded, LedgerUnavailable, PlayrailError
from playrail.ledger.entries import (
    SECRET_CONTENT,
    Body,
    Capture,
    CapturedEffect,
    Closed,
    Ended,
    Events,
    Refused,
    Started,
    State,
)
from playrail.ledger.ledger import Entry, Ledger, Read, is_busy
from playrail.safe_text.key_material import key_in
from playrail.safe_text.secrets import HIDDEN, Secrets
from playrail.settings.targets import TARGETS
from playrail.tasks import TaskResult
from playrail.tools.effects import Effect
from playrail.tools.tool import AnyTool, ApiTool, PlaybookTool, ToolInput

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


@dataclass(kw_only=True)
class Asked:
    """What is known of a call for its record, as far as it is understood. No secret is in
    the arguments; `hidden` names those that are, or hold, one.
    """

    arguments: Mapping[str, Any] | None = None
    hidden: tuple[str, ...] = ()
    hosts: tuple[str, ...] | None = None

    def take(self, given: ToolInput, secrets: Secrets) -> None:
        """Takes the arguments of the call."""
        self.arguments, hidden = secrets.hidden_fields(given.recorded())
        self.hidden = tuple(dict.fromkeys((*given.secret_fields(), *hidden)))


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
        asked: Asked,
        *,
        provided: Callable[[Read], None] | None,
    ) -> None:
        """Raises LedgerUnavailable, PlanUnusable, and what `provided` raises; then there is
        no record.

        The plan that the call uses up is closed by the same transaction: it is either used,
        or can still be.
        """
        begun = beginning(call, understood, play, asked, self._secrets)
        entries = [self._entry(call, begun)]
        if call.granted is not None and call.granted.closes:
            used = Closed(plan=call.granted.plan_id, outcome="used", by=call.caller.name)
            entries.insert(0, self._entry(call, used))
        await asyncio.to_thread(self._ledger.append, *entries, provided=provided)
        call.trace.began = True
        call.trace.run_id = play.run_id if play is not None else None

    async def refused(
        self,
        call: Call,
        asked: Asked,
        error: PlayrailError,
        *,
        provided: Callable[[Read], None] | None = None,
    ) -> None:
        """Raises what `provided` raises, and then there is no record."""
        hosts = None if asked.hosts is None else tuple(shortened(asked.hosts))
        refusal = Refused(
            outcome=error.problem.code,
            reason=shortened(self._secrets.hidden(str(error)), longest=LONGEST_REASON),
            parent=call.parent,
            arguments=shortened(asked.arguments),
            hosts=hosts,
            hidden=asked.hidden,
        )
        entry = self._entry(call, refusal)
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
            done = events(
                play.run_id,
                result,
                self._secrets,
                preview=understood.check,
                changes=understood.risk.changes,
                most=self._bounds.event_characters,
            )
            entries.append(self._entry(call, done))
        if play is not None and understood.changes:
            call.trace.runs = (play.run_id,)
            captured = capture(play.run_id, result.effects, self._secrets)
            entries += [self._entry(call, captured)] if captured is not None else []
        ended = ending(result, self._secrets, duration_ms=call.trace.elapsed_ms())
        end = self._entry(call, ended)
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

    async def write(self, call: Call, body: Body) -> None:
        """Raises LedgerUnavailable, and PlanUnusable for a plan that is closed."""
        await asyncio.to_thread(self._ledger.append, self._entry(call, body))

    def _entry(self, call: Call, body: Body) -> Entry:
        return Entry.of(
            body,
            call=call.request_id,
            server=self._server,
            caller=call.caller.name,
            tool=call.name[:128],
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


def beginning(
    call: Call, understood: Understood, play: Play | None, asked: Asked, secrets: Secrets
) -> Started:
    """The record of what is going to be run."""
    tool = understood.tool
    command = None if play is None or understood.input.secret_fields() else by_hand(play, secrets)
    if command is not None and len(command) > LONGEST_COMMAND:
        command = None
    return Started(
        arguments=asked.arguments or {},
        hidden=asked.hidden,
        hosts=asked.hosts or (),
        risk=understood.risk.name,
        preview=understood.check,
        run=play.run_id if play else None,
        playbook=tool.playbook if isinstance(tool, PlaybookTool) else None,
        command=command,
        plan=call.granted.plan_id if call.granted else None,
        parent=call.parent,
    )


def by_hand(play: Play, secrets: Secrets) -> str:
    """The line that does the same by hand. Secrets are hidden in what the caller sent,
    before a shell's quotes make them look otherwise.
    """
    return replace(play, variables=secrets.hidden(play.variables)).command_line()


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
            f"ansible-playbook {play.playbook} with {', '.join(given.secret_fields())} = {HIDDEN}"
        )
    return by_hand(play, secrets)


def ending(result: Result, secrets: Secrets, *, duration_ms: int) -> Ended:
    """The record of a call's end."""
    return Ended(
        outcome=result.problem.code if result.problem else "ok",
        error=without_keys(secrets.hidden(_error(result))),
        changed=tuple(result.changed),
        failed=dict(result.failed),
        duration_ms=duration_ms,
    )


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
    run_id: str, result: Result, secrets: Secrets, *, preview: bool, changes: bool, most: int
) -> Events:
    """The record of what Ansible did, with results and diffs of at most `most` characters.
    Of a read no results are kept: what hosts hold is not the ledger's.
    """
    left = most
    tasks: list[TaskResult] = []
    for task in result.tasks:
        kept = _kept(task, secrets, changes=changes)
        left -= (size := len(str(kept)))
        if left < 0:
            left += size
            kept = replace(kept, result=None, diff=(), cut=True)
        tasks.append(kept)
    return Events(
        run=run_id,
        preview=preview,
        tasks=tuple(tasks),
        text=without_keys(secrets.hidden(result.text[:LONGEST_TEXT])),
        cut=len(result.text) > LONGEST_TEXT or any(task.cut for task in tasks),
    )


def _kept(task: TaskResult, secrets: Secrets, *, changes: bool) -> TaskResult:
    name = secrets.hidden(task.task)
    if not changes:
        return replace(task, task=name, result=None, diff=(), cut=False)
    return replace(
        task,
        task=name,
        result=without_keys(secrets.hidden(task.result)),
        diff=without_keys(secrets.hidden([_as_text(part) for part in task.diff])),
    )


def _as_text(part: Mapping[str, Any]) -> dict[str, Any]:
    """A difference without the bytes that are no text: the record `capture` has them."""
    return {key: value for key, value in part.items() if not key.endswith("_base64")}


def capture(
    run_id: str, effects: Mapping[str, Sequence[Effect]], secrets: Secrets
) -> Capture | None:
    """The record of what a run changed, with what is needed to take it back; None when it
    changed nothing.
    """
    captured = {
        host: tuple(_captured(effect, secrets) for effect in of_host)
        for host, of_host in effects.items()
        if of_host
    }
    return Capture(run=run_id, effects=captured) if captured else None


def _captured(effect: Effect, secrets: Secrets) -> CapturedEffect:
    name = secrets.hidden(effect.name)
    before, of_before = _state(effect.before, secrets)
    after, of_after = _state(effect.after, secrets)
    hidden = [
        *(["name"] if name != effect.name else []),
        *(f"before.{key}" for key in of_before),
        *(f"after.{key}" for key in of_after),
    ]
    return CapturedEffect(
        kind=effect.kind, name=name, before=before, after=after, hidden=tuple(hidden)
    )


def _state(state: State, secrets: Secrets) -> tuple[State, tuple[str, ...]]:
    """A state without secrets, and which of its keys held one. A content that holds a secret
    is left out: with a part of it hidden it would not be that content.
    """
    if state is None:
        return None, ()
    kept, hidden = secrets.hidden_fields(state)
    if "content" in hidden or _is_secret_in_bytes(state, secrets):
        kept = {key: value for key, value in kept.items() if key not in ("content", "encoding")}
        kept["left_out"] = SECRET_CONTENT
        hidden = tuple(dict.fromkeys((*hidden, "content")))
    return kept, hidden


def _is_secret_in_bytes(state: Mapping[str, Any], secrets: Secrets) -> bool:
    """Whether a content that is no text, and so in base64, holds a secret."""
    if "encoding" not in state or "content" not in state:
        return False
    text = base64.b64decode(state["content"]).decode("utf-8", "replace")
    return bool(secrets.hidden(text) != text)
