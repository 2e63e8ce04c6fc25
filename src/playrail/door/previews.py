"""Calls that are seen before they are done: what a preview becomes, and what plans go
through the door for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from playrail.calls.answers import Answer, Result
from playrail.calls.bounds import Bounds
from playrail.calls.call import Call, Granted
from playrail.calls.caller import Caller
from playrail.door.opened import Opener
from playrail.door.recording import Asked, would_run
from playrail.door.understanding import Parsed, Understanding, Understood
from playrail.errors import ApprovalRequired, PlanRequired, PlayrailError, UnknownPlan
from playrail.ledger.entries import Body
from playrail.plans.parts import parts_of
from playrail.plans.plan import Basis, Foreseen, Prepared, Step
from playrail.plans.planning import Planning
from playrail.policy.rules import Decision
from playrail.safe_text.secrets import HIDDEN, Secrets
from playrail.tools.effects import Effect
from playrail.tools.lasting import Kinds


class Previews:
    """The `plans.door.Door` of one door, and the plans that are made with it.

    `through` carries out a call that another one makes, and returns its whole result or
    raises; `answer` does so too, and always answers.
    """

    def __init__(
        self,
        *,
        understanding: Understanding,
        kinds: Kinds,
        opener: Opener,
        secrets: Secrets,
        bounds: Bounds,
        through: Callable[[Call, Mapping[str, Any]], Awaitable[Result]],
        answer: Callable[[Call, Mapping[str, Any]], Awaitable[Answer]],
    ) -> None:
        self.tools = understanding.tools
        self.kinds = kinds
        self.absent = understanding.absent
        self.ledger = opener.ledger
        self.secrets = secrets
        self.planning = Planning(self, self.ledger, bounds)
        self._understanding = understanding
        self._opener = opener
        self._through = through
        self._answer = answer

    async def proposed(self, call: Call, understood: Understood, result: Result) -> Result:
        """Makes a plan of a preview, and says what is to be done with it, which may be to
        carry it out.
        """
        steps = [await self._prepared(understood, understood.hosts)]
        basis = await self.basis(steps, call.caller, anew=False, preview=True)
        plan = await self.planning.propose(call, steps, self._foreseen(result), basis)
        seen = Result(data={"plan": plan.told()}, remote_text=result.remote_text, way=result.way)
        if understood.wants_preview:
            return understood.whole(seen)
        # Meanwhile a time that a rule names may have begun, in which it is simply allowed
        if basis.decision in (Decision.ALLOW, Decision.CLIENT_APPROVAL):
            try:
                return understood.whole(await self.carried_out(call, plan.plan_id))
            except PlayrailError as error:
                records = (await self._opener.open()).records
                await records.refused(call, Asked(hosts=understood.hosts), error)
                raise
        kind, why = PlanRequired, "has to be seen before it is done"
        if basis.decision is Decision.OPERATOR_APPROVAL:
            kind, why = ApprovalRequired, "has to be approved by the operator"
        problem = kind(f"{call.name} {why}: {plan.plan_id}.").problem
        return understood.whole(seen.with_problem(problem))

    async def resumed(self, call: Call, understood: Understood) -> str:
        """The plan that the same call made before its client was asked. Raises UnknownPlan
        when it made another one.
        """
        plan = await self.planning.plan(call.resume or "", call.caller)
        if not self.planning.is_of(plan, await self._prepared(understood, understood.hosts)):
            raise UnknownPlan(f"{plan.plan_id} is no plan of this call.")
        return plan.plan_id

    async def carried_out(self, call: Call, plan_id: str) -> Result:
        """What the one step of a plan comes to, as the answer to a call of that step's
        tool.
        """
        _, (answer,) = await self.planning.apply(call, plan_id)
        meta = answer.meta
        call.trace.run_id, call.trace.retry_safe = meta.run_id, meta.retry_safe
        return Result(
            data=answer.data,
            problem=answer.problem,
            truncated=meta.truncated,
            remote_text=meta.remote_text,
            way=meta.way,
        )

    async def prepare(self, name: str, arguments: Mapping[str, Any]) -> Prepared:
        """A step that calls the tool with these arguments. Raises what stands in the way of
        such a call.
        """
        parsed = self._understanding.parse(name, arguments, inner=True)
        hosts, _ = await self._understanding.hosts(parsed)
        return await self._prepared(parsed, hosts)

    async def basis(
        self, steps: Sequence[Prepared], caller: Caller, *, anew: bool, preview: bool = False
    ) -> Basis:
        """What the steps stand on at this moment. Raises Denied, WritesDisabled; of a
        `preview` only what forbids that too. `anew` reads the inventory whatever was read
        before, and then a run that stays does not go on with code that is another one now.
        """
        await self._opener.inventory.hosts(anew=anew)
        understood = [await self._understood(step, caller, preview=preview) for step in steps]
        for one in understood:
            if one.refusal is not None:
                raise one.refusal
        if anew:
            await (await self._opener.open()).renew()
        parts = await asyncio.to_thread(
            parts_of,
            [prepared.step for prepared in steps],
            [one.tool for one in understood],
            [one.hosts for one in understood],
            inventory=self._opener.inventory,
            policy=self._understanding.policy,
            settings=self._opener.settings,
            environment=self._opener.environment,
        )
        return Basis(parts=parts, decision=max(one.decision for one in understood))

    async def foresee(self, prepared: Prepared, call: Call) -> Foreseen:
        """What the step would change now, without secrets. Raises PlayrailError when a host
        does not tell.
        """
        result = await self._through(call.inner(prepared.step.tool, check=True), prepared.arguments)
        if result.problem is not None:
            raise PlayrailError.of(result.problem, data=result.data)
        return self._foreseen(result)

    async def perform(self, prepared: Prepared, granted: Granted, call: Call) -> Answer:
        """Carries the step out as a call of its own. Raises what kept it from starting, if
        it was to close the plan.
        """
        inner = call.inner(prepared.step.tool, granted=granted)
        answer = await self._answer(inner, prepared.arguments)
        if granted.closes and not inner.trace.began and answer.problem is not None:
            raise PlayrailError.of(answer.problem, data=answer.data)
        call.trace.runs += answer.runs
        return answer

    async def write(self, call: Call, body: Body) -> None:
        """Makes a record about the call. Raises LedgerUnavailable, and PlanUnusable for a
        plan that is closed.
        """
        await (await self._opener.open()).records.write(call, body)

    async def _understood(self, prepared: Prepared, caller: Caller, *, preview: bool) -> Understood:
        call = Call(name=prepared.step.tool, caller=caller, check=preview)
        parsed = self._understanding.parse(prepared.step.tool, prepared.arguments, inner=True)
        return await self._understanding.understand(parsed, call)

    async def _prepared(self, parsed: Parsed, hosts: Sequence[str]) -> Prepared:
        tool, given = parsed.tool, parsed.input
        arguments = {name: value for name, value in parsed.arguments.items() if name != "preview"}
        secret = {name: HIDDEN for name in given.secret_fields() if name in arguments}
        opened = await self._opener.open()
        play = opened.play(tool, given, hosts, run_id="plan", check=False)
        step = Step(
            tool=tool.name,
            arguments=self.secrets.hidden({**arguments, **secret}),
            hosts=tuple(hosts),
            risk=parsed.risk.name,
            would_run=would_run(tool, given, play, self.secrets),
        )
        return Prepared(step=step, arguments=arguments)

    def _foreseen(self, result: Result) -> Foreseen:
        """What a preview came to. Secrets are hidden in the contents: a diff would take
        apart one of several lines.
        """
        hidden = self.secrets.hidden
        effects = {
            host: [Effect(**hidden(vars(effect))) for effect in of_host]
            for host, of_host in result.effects.items()
        }
        return Foreseen(effects=effects, unforeseen=hidden(dict(result.unforeseen)))
