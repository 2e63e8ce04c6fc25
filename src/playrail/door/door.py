"""The one door: every call of every tool, from whatever side, goes through `Playrail.call`.

parse → resolve hosts → decide → record → run → record. Nothing runs whose start is not
durably recorded.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Self

from playrail import catalog
from playrail.ansible.reads.reads import Items
from playrail.ansible.run.play import Play, new_run_id
from playrail.calls.answers import Answer, Result, parse
from playrail.calls.asking import Ask
from playrail.calls.call import Call, Granted
from playrail.codes import calls as call_codes
from playrail.door.desk import Desk, in_time
from playrail.door.going import Going
from playrail.door.hints import Hints
from playrail.door.opened import Engine
from playrail.door.recording import Asked, Records, check_no_mark, would_run
from playrail.door.rulings import Rulings
from playrail.door.withheld import Withheld
from playrail.engines.apis import Apis
from playrail.engines.results import failed_preview, shown
from playrail.errors import (
    ApprovalRequired,
    Cancelled,
    Denied,
    LimitReached,
    NotOffered,
    OutcomeUnknown,
    PlanOutdated,
    PlanRequired,
    PlayrailError,
    Problem,
    UnknownPlan,
    UnknownTool,
    cut_short,
)
from playrail.ledger.entries import Body
from playrail.plans.parts import parts_of
from playrail.plans.plan import Foreseen, Prepared, Step
from playrail.plans.planning import Planning
from playrail.policy.file import read_policy
from playrail.policy.rules import Decision
from playrail.safe_text.secrets import HIDDEN, Secrets
from playrail.settings.settings import Settings
from playrail.tasks import Progress
from playrail.tools.arguments import as_meant
from playrail.tools.effects import Effect
from playrail.tools.offering import absences
from playrail.tools.tool import (
    AnyTool,
    ApiTool,
    Changing,
    DirectTool,
    OnHosts,
    PlaybookTool,
    ToolInput,
)

log = logging.getLogger(__name__)

# For running calls to end their work on the hosts, and to be recorded, when Playrail stops
CLOSE_GRACE_S = 60.0
MAX_RUNS = 8  # at once; each is an Ansible of its own. More calls wait for their turn

INTERNAL = Problem.of(call_codes.INTERNAL)


class Playrail:
    """Everything a call needs, built once from the settings. Use as an asynchronous context
    manager.

    With `warm` it keeps an Ansible ready, which pays from the second play on. Raises
    SettingsInvalid.
    """

    def __init__(
        self, settings: Settings, *, environ: Mapping[str, str], warm: bool = False
    ) -> None:
        self.settings = settings
        self.tools: Mapping[str, AnyTool] = MappingProxyType(dict(catalog.load()))
        self.kinds = catalog.kinds()
        self.absent = absences(self.tools, settings)
        self._hints = Hints(self.tools, self.offered, writes=settings.enable_write_operations)
        self.policy = (
            read_policy(settings.policy_file, self.tools) if settings.policy_file else None
        )
        self._engine = Engine(settings, environ=environ, warm=warm)
        self.inventory = self._engine.inventory
        self._rulings = Rulings(
            self.policy, settings, self.inventory, now=lambda: datetime.now(UTC)
        )
        self.ledger = self._engine.ledger
        self.secrets = Secrets(settings, environ)
        self._withheld = Withheld(self.ledger)
        self._records = Records(self._engine, self.secrets)
        self.planning = Planning(self, self.ledger)
        self._apis = Apis(settings)
        self._running: dict[asyncio.Task[Answer], Call] = {}
        self._slots = asyncio.Semaphore(MAX_RUNS)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def offered(self) -> Mapping[str, AnyTool]:
        """The tools that clients are told of, and may call."""
        return {name: tool for name, tool in self.tools.items() if name not in self.absent}

    async def open(self) -> str:
        """Claims the state directory, and returns the name of this process there. Raises
        LedgerUnavailable.

        Every call does so when it has not been done: a state directory that is mended later
        is then good.
        """
        return (await self._engine.open()).server

    async def warm_up(self) -> None:
        """Makes ready what the first call would wait for. Raises LedgerUnavailable; of
        other failures calls tell.
        """
        await self._engine.warm_up()
        await self._rulings.tell_doubts()

    async def close(self) -> None:
        """Ends running calls, on the hosts too, and lets go of everything."""
        self._engine.stop()
        for call in self._running.values():
            call.stop.set()
        if self._running:
            await asyncio.wait(set(self._running), timeout=CLOSE_GRACE_S)
        await self._apis.close()
        await self._engine.close(idle=not self._running)

    async def call(
        self,
        name: str,
        arguments: Mapping[str, Any],
        *,
        caller: str,
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
        call = Call(name=name, caller=caller, progress=progress, ask=ask, resume=resume)
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
            result = shown(result, hide=self.secrets.withheld, most=call.most_bytes)
        return call.answer(result)

    async def _through(self, call: Call, arguments: Mapping[str, Any]) -> Result:
        await self.open()
        asked = Asked()
        async with contextlib.AsyncExitStack() as held:
            try:
                going = await self._asked(call, arguments, asked)
                if going.play is not None:
                    await held.enter_async_context(self._turn(call))
                if call.granted is not None:
                    await call.granted.still()
                changes = going.risk.changes and not call.check
                call.retry_safe = going.tool.idempotent or not changes
                limits = await self._rulings.limits(call, going.hosts, changes=changes)
                await self._records.started(call, going, asked, provided=limits)
            except PlayrailError as error:
                raise await self._refused(call, asked, error) from error
            result = await self._records.ended(call, going, await self._run(call, going))
        if not call.check or going.resumed is not None:
            return result
        if result.problem is not None:
            return failed_preview(result, result.problem)
        return result if call.parent is not None else await self._proposed(call, going, result)

    async def _refused(self, call: Call, asked: Asked, error: PlayrailError) -> PlayrailError:
        """Records the refusal, which counts as a call of its caller. Returns the error, or
        that there were too many.
        """
        try:
            await self._records.refused(
                call, asked, error, provided=await self._rulings.limits(call, (), changes=False)
            )
        except LimitReached as reached:
            await self._records.refused(call, Asked(), reached)
            return reached
        return error

    async def _asked(self, call: Call, arguments: Mapping[str, Any], asked: Asked) -> Going:
        """What the call is going to do, once it is understood and allowed; `asked` is
        filled for the record.
        """
        tool = self._tool(call.name)
        arguments = as_meant(tool.input, arguments)
        given = parse(tool, arguments)
        call.bound(given)
        check_no_mark(given, changes=tool.risk_of(given).changes)
        asked.take(given, self.secrets)
        hosts, unusable = await self._meant(tool, given)
        asked.hosts = tuple(hosts)
        # None: there is nothing to preview
        wanted = given.preview if isinstance(given, Changing) else None
        changes = tool.risk_of(given).changes and wanted is not None
        preview = changes and (call.check or bool(wanted))
        decision = await self._rulings.decision(tool, given, hosts, call.caller, preview=preview)
        if decision.wants_plan and wanted is None and tool.risk_of(given).changes:
            raise Denied(f"{call.name} has no preview, and the policy wants to see one first.")
        if call.granted is not None and call.granted.hosts != tuple(hosts):
            raise PlanOutdated(f"{call.granted.plan_id} was made for other hosts.")
        goes_on = call.resume and wanted is False
        resumed = await self._resumed(call, arguments) if goes_on else None
        unseen = changes and call.granted is None and decision > Decision.ALLOW
        # The change itself is then a call that this one makes
        call.check = preview or unseen or resumed is not None
        play = (
            None
            if resumed
            else self._play(tool, given, hosts, run_id=new_run_id(), check=call.check)
        )
        unusable = {} if call.granted else unusable  # a plan says which hosts it is for
        return Going(
            tool, given, hosts, play, arguments, decision, unusable=unusable, resumed=resumed
        )

    async def _resumed(self, call: Call, arguments: Mapping[str, Any]) -> str:
        """The plan that the same call made before its client was asked. Raises UnknownPlan
        when it made another one.
        """
        plan = await self.planning.plan(call.resume or "", call.caller)
        if not self.planning.is_of(plan, await self.prepare(call.name, arguments)):
            raise UnknownPlan(f"{plan.plan_id} is no plan of this call.")
        return plan.plan_id

    @contextlib.asynccontextmanager
    async def _turn(self, call: Call) -> AsyncIterator[None]:
        """Waits until the call may run. Raises Cancelled when its caller did not wait that
        long.
        """
        async with self._slots:
            if call.stop.is_set():
                raise Cancelled("The call was cancelled before anything was run.")
            yield

    async def _proposed(self, call: Call, going: Going, result: Result) -> Result:
        """Makes a plan of a preview, and says what is to be done with it, which may be to
        carry it out.
        """
        assert isinstance(going.given, Changing)  # others have no preview
        plan = await self.planning.propose(
            call,
            [self._prepared(going.tool, going.given, going.hosts, going.arguments)],
            self._foreseen(result),
            going.decision,
        )
        data, remote, way = {"plan": plan.told()}, result.remote_text, result.way
        if going.given.preview or (going.decision is Decision.ALLOW):
            return going.whole(Result(data=data, remote_text=remote, way=way))
        if going.decision is Decision.CLIENT_APPROVAL:
            try:
                return going.whole(await self._carried_out(call, plan.plan_id))
            except PlayrailError as error:
                await self._records.refused(call, Asked(hosts=tuple(going.hosts)), error)
                raise
        kind = ApprovalRequired if going.decision is Decision.OPERATOR_APPROVAL else PlanRequired
        why = (
            "has to be approved by the operator"
            if kind is ApprovalRequired
            else "has to be seen before it is done"
        )
        problem = kind(f"{call.name} {why}: {plan.plan_id}.").problem
        return going.whole(Result(data=data, problem=problem, remote_text=remote, way=way))

    async def _carried_out(self, call: Call, plan_id: str) -> Result:
        """What the one step of a plan comes to, as the answer to a call of that step's
        tool.
        """
        _, (answer,) = await self.planning.apply(call, plan_id)
        call.run_id, call.retry_safe = answer.meta.run_id, answer.meta.retry_safe
        meta = answer.meta
        return Result(
            data=answer.data,
            problem=answer.problem,
            truncated=meta.truncated,
            remote_text=meta.remote_text,
            way=meta.way,
        )

    def _tool(self, name: str) -> AnyTool:
        if (absence := self.absent.get(name)) is not None:
            raise NotOffered(f"{name} is not offered: {absence.why}.", hint=absence.hint)
        if name not in self.tools:
            raise UnknownTool.named(name, self.offered)
        return self.tools[name]

    async def _meant(
        self, tool: AnyTool, given: ToolInput
    ) -> tuple[Sequence[str], Mapping[str, Problem]]:
        """The hosts that the call is for, and those that its words mean as well and that
        cannot be used.
        """
        if not isinstance(given, OnHosts):
            return (), {}
        if isinstance(tool, ApiTool):
            if (named := self._apis.named(given.server, elsewhere=tool.elsewhere)) is not None:
                return named, {}
            known = await self.inventory.hosts()
            hosts = self._apis.resolve(given.server, known, elsewhere=tool.elsewhere)
        else:
            known = await self.inventory.hosts()
            hosts = known.resolve(given.server, self.settings)
        return hosts, known.unusable(given.server, self.settings)

    async def _run(self, call: Call, going: Going) -> Result:
        changes = going.risk.changes and not call.check
        try:
            result = await self._ran(call, going)
            result = going.whole(result) if going.resumed is not None or not call.check else result
            return (
                await asyncio.to_thread(self._withheld.without, result)
                if result.effects
                else result
            )
        except PlayrailError as error:
            return Result.of(error)
        except TimeoutError:
            return Result.of(
                cut_short(
                    f"The call did not finish within {going.tool.timeout_s:g} s.", changes=changes
                )
            )
        except Exception:
            log.exception("call %s of %s failed", call.request_id, call.name)
            if changes:
                return Result.of(
                    OutcomeUnknown(
                        "Playrail failed in an unexpected way after the call had started."
                    )
                )
            return Result(problem=INTERNAL)

    async def _ran(self, call: Call, going: Going) -> Result:
        tool, given = going.tool, going.given
        if going.resumed is not None:
            return await self._carried_out(call, going.resumed)
        if call.check and tool.unforeseeable:
            return Result(unforeseen=dict.fromkeys(going.hosts, (tool.unforeseeable,)))
        match tool:
            case PlaybookTool():
                assert going.play is not None  # see _asked
                return await self._engine.plays.run(
                    tool, given, going.play, stop=call.stop, progress=call.progress
                )
            case ApiTool():
                assert isinstance(given, OnHosts)  # see the catalogue's test
                return await self._apis.run(tool, given, going.hosts, stop=call.stop)
            case DirectTool():
                output = await in_time(tool.run(Desk(self, call), given), tool.timeout_s, call)
                told = output.model_dump(mode="json")
                remote = tool.remote_text
                return Result(
                    data=told, problem=output.problem(), truncated=output.cut, remote_text=remote
                )

    def _prepared(
        self, tool: AnyTool, given: ToolInput, hosts: Sequence[str], asked: Mapping[str, Any]
    ) -> Prepared:
        arguments = {name: value for name, value in asked.items() if name != "preview"}
        secret = {name: HIDDEN for name in given.secret_fields() if name in arguments}
        play = self._play(tool, given, hosts, run_id="plan", check=False)
        step = Step(
            tool=tool.name,
            arguments=self.secrets.hidden({**arguments, **secret}),
            hosts=tuple(hosts),
            risk=tool.risk_of(given).name,
            would_run=would_run(tool, given, play, self.secrets),
        )
        return Prepared(step=step, arguments=arguments)

    async def prepare(self, name: str, arguments: Mapping[str, Any]) -> Prepared:
        """A step that calls the tool with these arguments. Raises what stands in the way of
        such a call.
        """
        return self._prepared(*await self._read(name, arguments), arguments)

    async def parts(self, steps: Sequence[Prepared], *, anew: bool) -> dict[str, Items]:
        """The parts that decide what the steps do; `anew` reads the inventory once more,
        whatever was read before, and then a run that stays does not go on with code that is
        another one now.
        """
        await self.inventory.hosts(anew=anew)
        read = [await self._read(prepared.step.tool, prepared.arguments) for prepared in steps]
        if anew:
            await self._engine.renew()
        return await asyncio.to_thread(
            parts_of,
            [prepared.step for prepared in steps],
            [tool for tool, _, _ in read],
            [hosts for _, _, hosts in read],
            inventory=self.inventory,
            policy=self.policy,
            settings=self.settings,
            environment=self._engine.environment,
        )

    async def decide(self, prepared: Prepared, caller: str) -> Decision:
        """What policy says of the step. Raises Denied."""
        tool, given, hosts = await self._read(prepared.step.tool, prepared.arguments)
        return await self._rulings.decision(tool, given, hosts, caller, preview=False)

    async def _read(
        self, name: str, arguments: Mapping[str, Any]
    ) -> tuple[AnyTool, ToolInput, Sequence[str]]:
        tool = self._tool(name)
        given = parse(tool, arguments)
        return tool, given, (await self._meant(tool, given))[0]

    def _play(
        self, tool: AnyTool, given: ToolInput, hosts: Sequence[str], *, run_id: str, check: bool
    ) -> Play | None:
        if not isinstance(tool, PlaybookTool) or (check and tool.unforeseeable):
            return None
        return self._engine.plays.play(tool, given, hosts, run_id=run_id, check=check)

    async def foresee(self, prepared: Prepared, call: Call) -> Foreseen:
        """What the step would change now, without secrets. Raises PlayrailError when a host
        does not tell.
        """
        result = await self._through(call.inner(prepared.step.tool, check=True), prepared.arguments)
        if result.problem is not None:
            raise PlayrailError.of(result.problem, data=result.data)
        return self._foreseen(result)

    def _foreseen(self, result: Result) -> Foreseen:
        """What a preview came to. Secrets are hidden in the contents: a diff would take
        apart one of several lines.
        """
        hidden = self.secrets.hidden
        effects = {
            host: [Effect(**hidden(vars(one))) for one in found]
            for host, found in result.effects.items()
        }
        return Foreseen(effects=effects, unforeseen=hidden(dict(result.unforeseen)))

    async def perform(self, prepared: Prepared, granted: Granted, call: Call) -> Answer:
        """Carries the step out as a call of its own. Raises what kept it from starting, if
        it was to close the plan.
        """
        inner = call.inner(prepared.step.tool, granted=granted)
        answer = await self._call(inner, prepared.arguments)
        if granted.closes and not inner.began and answer.problem is not None:
            raise PlayrailError.of(answer.problem, data=answer.data)
        call.runs += answer.runs
        return answer

    async def write(self, call: Call, body: Body) -> None:
        """Makes a record about the call. Raises LedgerUnavailable, and PlanUnusable for a
        plan that is closed.
        """
        await self._records.write(call, body)
