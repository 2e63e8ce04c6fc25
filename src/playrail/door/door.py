"""The one door: every call of every tool, from whatever side, goes through `Playrail.call`.

understand → record → run → record. Nothing runs whose start is not durably recorded.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Mapping
from types import MappingProxyType
from typing import Any, Self

from playrail import catalog
from playrail.ansible.run.play import Play, new_run_id
from playrail.calls.answers import Answer, Result
from playrail.calls.asking import Ask
from playrail.calls.bounds import Bounds
from playrail.calls.call import Call, tool_name
from playrail.calls.caller import Caller
from playrail.door.doubts import Doubts
from playrail.door.hints import Hints
from playrail.door.opened import Opened, Opener
from playrail.door.previews import Previews
from playrail.door.recording import Asked
from playrail.door.running import INTERNAL, Running
from playrail.door.understanding import Understanding, Understood
from playrail.engines.results import failed_preview, shown
from playrail.errors import Cancelled, LimitReached, PlayrailError
from playrail.policy.file import read_policy
from playrail.safe_text.secrets import Secrets
from playrail.settings.settings import Settings
from playrail.tasks import Progress
from playrail.tools.arguments import More, marked
from playrail.tools.offering import absences
from playrail.tools.reading import most_bytes
from playrail.tools.tool import AnyTool
from playrail.toolsets.commands.looks import looks_of

log = logging.getLogger(__name__)


class Playrail:
    """Everything a call needs, built once from the settings. Use as an asynchronous context
    manager.

    With `warm` it keeps an Ansible ready, which pays from the second play on. `tools` are
    offered beside those of the catalogue that the settings choose. Raises SettingsInvalid.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        environ: Mapping[str, str],
        warm: bool = False,
        bounds: Bounds | None = None,
        tools: Mapping[str, AnyTool] | None = None,
    ) -> None:
        self.settings = settings
        _check_looks(settings)
        self.secrets = Secrets(settings, environ)
        every = catalog.load()
        _warn_of_plugins(catalog.unusable())
        self.tools = MappingProxyType({**every, **(tools or {})})
        self._bounds = bounds = bounds or Bounds()
        self._opener = Opener(
            settings,
            environ=environ,
            secrets=self.secrets,
            bounds=bounds,
            warm=warm,
            standing=catalog.play_variables(settings),
            contents=catalog.contents(),
        )
        self.inventory, self.ledger = self._opener.inventory, self._opener.ledger
        policy = read_policy(settings.policy_file, every) if settings.policy_file else None
        self.understanding = Understanding(
            settings,
            tools=self.tools,
            absent=absences(every, settings, needs=catalog.needs(), unusable=catalog.unusable()),
            policy=policy,
            inventory=self.inventory,
            resolvers=self._opener.resolvers,
            now=self._bounds.now,
        )
        self.previews = Previews(
            understanding=self.understanding,
            kinds=catalog.kinds(),
            opener=self._opener,
            secrets=self.secrets,
            bounds=self._bounds,
            through=self._through,
            answer=self._call,
        )
        self._doubts = Doubts(policy, self.inventory)
        self._hints = Hints(every, self.offered, settings)
        self._running = Running(settings, inventory=self.inventory, previews=self.previews)
        self._calls: dict[asyncio.Task[Answer], Call] = {}
        self._slots = asyncio.Semaphore(bounds.runs_at_once)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def offered(self) -> Mapping[str, AnyTool]:
        """The tools that clients are told of, and may call."""
        return self.understanding.offered

    async def open(self) -> Opened:
        """Claims the state directory. Raises LedgerUnavailable.

        Every call does so when it has not been done: a state directory that is mended later
        is then good.
        """
        return await self._opener.open()

    async def warm_up(self) -> None:
        """Makes ready what the first call would wait for. Raises LedgerUnavailable; of
        other failures calls tell.
        """
        await self._opener.warm_up()
        await self._doubts.tell()

    async def close(self) -> None:
        """Ends running calls, on the hosts too, and lets go of everything."""
        self._opener.stop()
        for call in self._calls.values():
            call.stop.set()
        if self._calls:
            await asyncio.wait(set(self._calls), timeout=self._bounds.close_grace_s)
        await self._opener.close(idle=not self._calls)

    async def call(
        self,
        name: str,
        arguments: Mapping[str, Any],
        *,
        caller: Caller,
        progress: Progress | None = None,
        ask: Ask | None = None,
        resume: str | None = None,
    ) -> Answer:
        """Calls a tool. Always answers; never raises but CancelledError.

        `ask` is how the caller's client can be asked for its approval; `resume` is the plan
        that this very call made before, when its client has been asked meanwhile.
        Cancelling returns at once; the call goes on in the background until its work is
        ended and recorded.
        """
        call = Call(name=tool_name(name), caller=caller, progress=progress, ask=ask, resume=resume)
        task = asyncio.create_task(self._call(call, arguments))
        self._calls[task] = call
        task.add_done_callback(self._calls.pop)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            call.stop.set()
            raise

    async def _call(self, call: Call, arguments: Mapping[str, Any]) -> Answer:
        return self._hints.answer(await self._answer(call, arguments))

    async def _answer(self, call: Call, arguments: Mapping[str, Any]) -> Answer:
        try:
            result = await self._through(call, arguments)
        except PlayrailError as error:
            result = Result.of(error)
        except Exception:  # the one place where what nobody foresaw becomes an answer
            log.exception("call %s of %s failed", call.request_id, call.name)
            result = Result(problem=INTERNAL)
        if call.parent is None:
            result = shown(result, hide=self.secrets.withheld, most=call.trace.most_bytes)
        return call.answer(result)

    async def _through(self, call: Call, arguments: Mapping[str, Any]) -> Result:
        opened = await self.open()
        asked = Asked()
        async with contextlib.AsyncExitStack() as held:
            try:
                understood = await self._understood(call, arguments, asked)
                resumed = (
                    await self.previews.resumed(call, understood) if understood.resumes else None
                )
                play = None if understood.resumes else _play(opened, understood)
                if play is not None:
                    await held.enter_async_context(self._turn(call))
                if call.granted is not None:
                    await call.granted.check_start()
                call.trace.retry_safe = understood.tool.idempotent or not understood.changes
                limits = self.understanding.limits(
                    call, understood.judged, changes=understood.changes
                )
                await opened.records.started(call, understood, play, asked, provided=limits)
            except PlayrailError as error:
                raise await self._refused(opened, call, asked, error) from error
            result = await self._running.run(opened, call, understood, play, resumed)
            result = await opened.records.ended(call, understood, play, result)
        if not understood.previewed:
            return result
        if result.problem is not None:
            return failed_preview(result, result.problem)
        return (
            result
            if call.parent is not None
            else await self.previews.proposed(call, understood, result)
        )

    async def _understood(
        self, call: Call, arguments: Mapping[str, Any], asked: Asked
    ) -> Understood:
        """The call, understood and allowed; `asked` is filled for the record. Raises why it
        is refused.
        """
        inner = call.parent is not None
        parsed = self.understanding.parse(call.name, arguments, inner=inner)
        call.trace.most_bytes = most_bytes(parsed.input)
        call.trace.more_with = marked(parsed.tool.input, More)
        asked.take(parsed.input, self.secrets)
        understood = await self.understanding.understand(parsed, call)
        asked.hosts = understood.hosts
        if understood.judged:
            await self._doubts.tell()
        if understood.refusal is not None:
            raise understood.refusal
        return understood

    async def _refused(
        self, opened: Opened, call: Call, asked: Asked, error: PlayrailError
    ) -> PlayrailError:
        """Records the refusal, which counts as a call of its caller. Returns the error, or
        that there were too many.
        """
        limits = self.understanding.limits(call, (), changes=False)
        try:
            await opened.records.refused(call, asked, error, provided=limits)
        except LimitReached as reached:
            await opened.records.refused(call, Asked(), reached)
            return reached
        return error

    @contextlib.asynccontextmanager
    async def _turn(self, call: Call) -> AsyncIterator[None]:
        """Waits until the call may run. Raises Cancelled when its caller did not wait that
        long.
        """
        async with self._slots:
            if call.stop.is_set():
                raise Cancelled("The call was cancelled before anything was run.")
            yield


def _check_looks(settings: Settings) -> None:
    """Raises SettingsInvalid for what is wrong in the operator's file of programs that look."""
    if settings.looks_file is not None:
        looks_of(settings.looks_file)


def _warn_of_plugins(unusable: Mapping[str, str]) -> None:
    for name, why in unusable.items():
        log.warning("the plugin %s cannot be used: %s", name, why)


def _play(opened: Opened, understood: Understood) -> Play | None:
    return opened.play(
        understood.tool,
        understood.input,
        understood.hosts,
        run_id=new_run_id(),
        check=understood.check,
    )
