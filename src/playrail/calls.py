"""The one door: every call of every tool, from whatever side, goes through `Playrail.call`.

parse → resolve hosts → decide → record → run → record. Nothing runs whose start is not durably recorded.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Self

from playrail import catalog
from playrail.ansible.content import content_root
from playrail.ansible.environment import environment
from playrail.ansible.generated import pace_directory
from playrail.ansible.inventory import Inventory
from playrail.ansible.play import Play, new_run_id
from playrail.ansible.resident import Resident
from playrail.ansible.runner import Progress, Runner
from playrail.answers import Answer, Meta, Result, parse
from playrail.apis import Apis
from playrail.errors import (
    Cancelled,
    EndUnrecorded,
    LedgerUnavailable,
    OutcomeUnknown,
    PlayrailError,
    Problem,
    SettingsInvalid,
    Stopping,
    UnknownTool,
    cut_short,
)
from playrail.ledger.alive import Alive, Dead, claim, the_dead
from playrail.ledger.ledger import Entry, Kind, Ledger
from playrail.plays import Plays, standing_variables
from playrail.policy import decide
from playrail.private_files import private_directory
from playrail.settings import Settings
from playrail.tool import AnyTool, ApiTool, DirectTool, OnHosts, PlaybookTool, ToolInput

log = logging.getLogger(__name__)

CLOSE_GRACE_S = 60.0  # for running calls to end their work on the hosts, and to be recorded, when Playrail stops
MAX_RUNS = 8  # at once; each is an Ansible of its own. More calls wait for their turn
LONGEST_REFUSED = 200  # characters of a text in the record of a refused call; nothing came of it
LONGEST_COMMAND = 10_000  # characters of the line that does the same by hand, in a record that has the arguments anyway

INTERNAL = Problem(code="internal", error="Playrail failed in an unexpected way.", hint=PlayrailError.hint)


@dataclass(kw_only=True)
class Call:
    """One call on its way through the door."""

    name: str
    caller: str
    progress: Progress | None
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    started: float = field(default_factory=time.monotonic)
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    run_id: str | None = None
    retry_safe: bool = True

    def answer(self, result: Result) -> Answer:
        meta = Meta(
            request_id=self.request_id,
            run_id=self.run_id,
            duration_ms=self.elapsed_ms(),
            cached=result.cached,
            retry_safe=self.retry_safe,
            truncated=result.truncated,
            remote_text=result.remote_text,
        )
        return Answer(meta=meta, data=result.data, problem=result.problem)

    def elapsed_ms(self) -> int:
        return round((time.monotonic() - self.started) * 1000)


class Playrail:
    """Everything a call needs, built once from the settings. Use as an asynchronous context manager.

    With `warm` it keeps an Ansible ready, which pays from the second play on.
    """

    def __init__(self, settings: Settings, *, environ: Mapping[str, str], warm: bool = False) -> None:
        self.settings = settings
        self.tools: Mapping[str, AnyTool] = MappingProxyType(dict(catalog.load(settings.toolsets)))
        self.inventory = Inventory(settings, content_root(), environ=environ)
        self.ledger = Ledger(settings.state_dir / "ledger.sqlite")
        self._environment = environment(settings, environ)
        self._apis = Apis(settings)
        self._alive: Alive | None = None
        self._plays: Plays | None = None
        self._resident: Resident | None = None
        self._warm = warm
        self._running: dict[asyncio.Task[Answer], Call] = {}
        self._opening = asyncio.Lock()
        self._slots = asyncio.Semaphore(MAX_RUNS)
        self._closing = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def open(self) -> Alive:
        """Claims the state directory and settles what dead predecessors left. Raises LedgerUnavailable.

        Every call does so when it has not been done: a state directory that is mended later is then good.
        """
        async with self._opening:
            if self._closing:
                raise Stopping("Playrail is being stopped.")
            if self._alive is None:
                self._alive = await asyncio.to_thread(self._open)
            return self._alive

    async def warm_up(self) -> None:
        """Makes ready what the first call would wait for. Raises LedgerUnavailable; of other failures calls tell."""
        await self.open()
        with contextlib.suppress(PlayrailError):
            await asyncio.gather(self.inventory.hosts(), *([self._resident.ready()] if self._resident else []))

    def _open(self) -> Alive:
        servers = self.settings.state_dir / "servers"
        try:
            private_directory(self.settings.state_dir)
            alive = claim(servers, self.settings.runtime_dir)
        except (OSError, SettingsInvalid) as error:
            raise LedgerUnavailable(f"The state directory cannot be used: {error}.") from error
        try:
            with the_dead(servers) as dead:
                for process in dead:
                    self._settle(process)
            self.inventory.sweep()
            private_directory(pace_directory(self.settings))
            runs_dir = private_directory(private_directory(self.settings.runtime_dir) / alive.server)
        except (OSError, PlayrailError) as error:
            alive.release()
            raise LedgerUnavailable(f"The state or runtime directory cannot be used: {error}.") from error
        if self._warm:
            self._resident = Resident(
                runs_dir=runs_dir,
                environment=self._environment,
                inventory=self.inventory,
                idle_s=self.settings.warm_idle_s,
                most_bytes=self.settings.warm_memory_mb * 1024 * 1024,
            )
        runner = Runner(runs_dir=runs_dir, environment=self._environment, resident=self._resident)
        self._plays = Plays(
            content=content_root(),
            standing=standing_variables(self.settings),
            inventory=self.inventory,
            runner=runner,
        )
        return alive

    def _settle(self, dead: Dead) -> None:
        """Marks the calls that died with their process, and removes its private files."""
        for call in self.ledger.open_calls(dead.server):
            body = {
                "outcome": "interrupted",
                "hosts": call.body["hosts"],
                "note": "may have been running on these hosts",
            }
            self.ledger.append(
                Entry(
                    kind="interrupted",
                    call=call.call,
                    server=dead.server,
                    caller=call.caller,
                    tool=call.tool,
                    body=body,
                )
            )
            log.warning("call %s of %s was interrupted when its server died", call.call, call.tool)
        dead.remove_private_files()

    async def close(self) -> None:
        """Ends running calls, on the hosts too, and lets go of everything."""
        self._closing = True
        for call in self._running.values():
            call.stop.set()
        if self._running:
            await asyncio.wait(set(self._running), timeout=CLOSE_GRACE_S)
        if self._resident is not None:
            await self._resident.close()
        self.inventory.close()
        await self._apis.close()
        if self._alive is not None and not self._running:
            shutil.rmtree(self.settings.runtime_dir / self._alive.server, ignore_errors=True)
            self._alive.release()
            self._alive = None
        # A call that is still running keeps the claim until the process ends; then the next start settles it.
        self.ledger.close()

    async def call(
        self, name: str, arguments: Mapping[str, Any], *, caller: str, progress: Progress | None = None
    ) -> Answer:
        """Calls a tool. Always answers; never raises but CancelledError.

        Cancelling returns at once; the call goes on in the background until its work is ended and recorded.
        """
        call = Call(name=name, caller=caller, progress=progress)
        task = asyncio.create_task(self._call(call, arguments))
        self._running[task] = call
        task.add_done_callback(self._running.pop)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            call.stop.set()
            raise

    async def durations_ms(self) -> Mapping[str, Sequence[int]]:
        return await asyncio.to_thread(self.ledger.durations_ms)

    async def _call(self, call: Call, arguments: Mapping[str, Any]) -> Answer:
        try:
            return await self._through(call, arguments)
        except PlayrailError as error:
            return call.answer(Result.of(error))
        except Exception:  # the one place where what nobody foresaw becomes an answer
            log.exception("call %s of %s failed", call.request_id, call.name)
            return call.answer(Result(problem=INTERNAL))

    async def _through(self, call: Call, arguments: Mapping[str, Any]) -> Answer:
        alive = await self.open()
        asked: dict[str, Any] = {}
        try:
            tool = self._tool(call.name)
            given = parse(tool, arguments)
            asked["arguments"] = given.model_dump(mode="json")  # a SecretStr dumps as asterisks
            hosts = await self._resolve(tool, given)
            asked["hosts"] = list(hosts)
            decide(tool=tool.name, risk=tool.risk_of(given), settings=self.settings)
            play = self._play(tool, given, hosts, call)
            if play is not None:
                await self._turn(call)
        except PlayrailError as error:
            try:
                refusal = {**_shortened(asked), "outcome": error.code, "reason": str(error)}
                await self._record("refused", call, alive, refusal)
            except LedgerUnavailable as unrecorded:
                log.warning("a refused call could not be recorded: %s", unrecorded)
            raise
        try:
            call.retry_safe = tool.idempotent or not tool.risk_of(given).changes
            await self._record("started", call, alive, {**asked, **_beginning(tool, given, play)})
            result = await self._run(call, tool, given, play or hosts)
            return call.answer(await self._end(call, alive, result))
        finally:
            if play is not None:
                self._slots.release()

    async def _turn(self, call: Call) -> None:
        """Waits until the call may run. Raises Cancelled when its caller did not wait that long."""
        await self._slots.acquire()
        if call.stop.is_set():
            self._slots.release()
            raise Cancelled("The call was cancelled before anything was run.")

    async def _end(self, call: Call, alive: Alive, result: Result) -> Result:
        try:
            await self._record("ended", call, alive, _ending(result, call))
        except LedgerUnavailable as error:
            why = (
                f"It ended with {result.problem.code}: {result.problem.error} " if result.problem else "It succeeded. "
            )
            return result.with_problem(EndUnrecorded(f"{why}But its end could not be recorded: {error}").problem)
        return result

    def _tool(self, name: str) -> AnyTool:
        if name not in self.tools:
            raise UnknownTool(f"There is no tool named {name[:64]!r}.", data={"tools": list(self.tools)})
        return self.tools[name]

    async def _resolve(self, tool: AnyTool, given: ToolInput) -> Sequence[str]:
        if not isinstance(given, OnHosts):
            return ()
        if isinstance(tool, ApiTool):
            named = self._apis.named(given.server)
            return self._apis.resolve(given.server, await self.inventory.hosts()) if named is None else named
        return (await self.inventory.hosts()).resolve(given.server, self.settings)

    def _play(self, tool: AnyTool, given: ToolInput, hosts: Sequence[str], call: Call) -> Play | None:
        if not isinstance(tool, PlaybookTool) or self._plays is None:
            return None
        call.run_id = new_run_id()
        return self._plays.play(tool, given, hosts, run_id=call.run_id)

    async def _run(self, call: Call, tool: AnyTool, given: ToolInput, on: Play | Sequence[str]) -> Result:
        changes = tool.risk_of(given).changes
        try:
            match tool:
                case PlaybookTool():
                    assert self._plays is not None  # noqa: S101  opened before
                    assert isinstance(on, Play)  # noqa: S101  made with the plays
                    result = await self._plays.run(tool, given, on, stop=call.stop, progress=call.progress)
                case ApiTool():
                    assert isinstance(given, OnHosts)  # noqa: S101  see the catalogue's test
                    assert not isinstance(on, Play)  # noqa: S101
                    result = await self._apis.run(tool, given, on, stop=call.stop)
                case DirectTool():
                    async with asyncio.timeout(tool.timeout_s):
                        output = await tool.run(self, given)
                    told = output.model_dump(mode="json")
                    result = Result(data=told, problem=output.problem(), truncated=output.cut)
        except PlayrailError as error:
            return Result.of(error)
        except TimeoutError:
            return Result.of(cut_short(f"The call did not finish within {tool.timeout_s:g} s.", changes=changes))
        except Exception:
            log.exception("call %s of %s failed", call.request_id, call.name)
            if changes:
                return Result.of(OutcomeUnknown("Playrail failed in an unexpected way after the call had started."))
            return Result(problem=INTERNAL)
        return result

    async def _record(self, kind: Kind, call: Call, alive: Alive, body: Mapping[str, Any]) -> None:
        entry = Entry(
            kind=kind,
            call=call.request_id,
            server=alive.server,
            caller=call.caller,
            tool=call.name[:128],
            body=body,
        )
        await asyncio.to_thread(self.ledger.append, entry)


def _shortened(value: Any) -> Any:
    """The same with long texts replaced by their length: a caller that is refused must not fill the disk."""
    match value:
        case str() if len(value) > LONGEST_REFUSED:
            return f"{value[:LONGEST_REFUSED]}… ({len(value)} characters)"
        case dict():
            return {key: _shortened(item) for key, item in value.items()}
        case list():
            return [_shortened(item) for item in value]
    return value


def _beginning(tool: AnyTool, given: ToolInput, play: Play | None) -> dict[str, Any]:
    command = play.command_line() if play else None
    if command is not None and len(command) > LONGEST_COMMAND:
        command = None
    return {
        "risk": tool.risk_of(given).name,
        "run": play.run_id if play else None,
        "command": command,
        "playbook": tool.playbook if isinstance(tool, PlaybookTool) else None,
    }


def _ending(result: Result, call: Call) -> dict[str, Any]:
    return {
        "outcome": result.problem.code if result.problem else "ok",
        "error": result.problem.error if result.problem else None,
        "changed": list(result.changed),
        "failed": dict(result.failed),
        "duration_ms": call.elapsed_ms(),
    }
