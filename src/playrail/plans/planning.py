"""Makes plans, and carries them out: exactly what was seen and approved, once, or nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Protocol

from playrail.ansible.reads.reads import Items
from playrail.calls.answers import Answer
from playrail.calls.asking import Question, Said
from playrail.calls.call import Call, Granted
from playrail.canonical import digest
from playrail.errors import (
    ApprovalRefused,
    ApprovalRequired,
    Cancelled,
    ClientCannotBeAsked,
    PlanOutdated,
    PlanUnusable,
    UnknownPlan,
)
from playrail.ledger.entries import Approval as Answered
from playrail.ledger.entries import Body, Closed, PlanMade
from playrail.ledger.ledger import Ledger
from playrail.plans.parts import differing
from playrail.plans.plan import (
    GRANT_LIFETIME,
    PROVES,
    Approval,
    Foreseen,
    Plan,
    Prepared,
    changes_of,
    expiry,
    new_plan_id,
)
from playrail.plans.words import question
from playrail.policy.rules import Decision
from playrail.safe_text.visible import in_one_line
from playrail.tools.lasting import Kinds

APPROVALS: Mapping[Decision, Approval] = {
    Decision.CLIENT_APPROVAL: "client",
    Decision.OPERATOR_APPROVAL: "operator",
}
ASKED = "asked"  # in place of an answer
ASK_PATIENCE_S = 900.0  # for the client's answer
MOST_ASKED = 8000  # characters of a question
MOST_HELD = 100  # plans whose secrets wait in memory
MOST_LISTED = 100
MOST_NAMED = 5  # things that differ, in one sentence
IN_WORDS = {
    "arguments": "the arguments",
    "hosts": "the hosts",
    "inventory": "the inventory",
    "configuration": "the configuration of Ansible or ssh",
    "playbook": "the playbook or a role",
    "plugins": "a plugin, a module or a role of yours",
    "collections": "Ansible, Playrail or a collection",
    "requests": "the request",
    "policy": "the policy or the settings",
    "changes": "what would change on the hosts",
}


class Door(Protocol):
    """What planning needs of the door."""

    @property
    def kinds(self) -> Kinds: ...

    async def foresee(self, prepared: Prepared, call: Call) -> Foreseen:
        """What the step would change now, without secrets. Raises PlayrailError when a host
        does not tell.
        """

    async def perform(self, prepared: Prepared, granted: Granted, call: Call) -> Answer:
        """Carries the step out as a call of its own. Raises what kept it from starting, if
        it was to close the plan.
        """

    async def parts(self, steps: Sequence[Prepared], *, anew: bool) -> dict[str, Items]:
        """What each part consists of that decides what the steps do. `anew`: nothing read
        before counts.
        """

    async def decide(self, prepared: Prepared, caller: str) -> Decision:
        """What policy says of the step. Raises Denied."""

    async def write(self, call: Call, body: Body) -> None:
        """Makes a record about the call. Raises LedgerUnavailable, and PlanUnusable for a
        plan that is closed.
        """


class Planning:
    """The plans of one door."""

    def __init__(self, door: Door, ledger: Ledger) -> None:
        self._door = door
        self._ledger = ledger
        self._held: dict[str, tuple[Prepared, ...]] = {}

    async def propose(
        self,
        call: Call,
        steps: Sequence[Prepared],
        foreseen: Foreseen,
        decision: Decision,
        *,
        undoes: str | None = None,
        not_undone: Sequence[str] = (),
    ) -> Plan:
        """Makes a plan and writes it down."""
        now = datetime.now(UTC)
        items = {
            **await self._door.parts(steps, anew=False),
            # Those that were looked at
            "hosts": {"": digest([list(prepared.step.hosts) for prepared in steps])},
            "changes": {"": foreseen.digest()},
        }
        plan = Plan(
            plan_id=new_plan_id(),
            caller=call.caller,
            made_at=now.isoformat(timespec="seconds"),
            expires_at=expiry(now),
            steps=tuple(prepared.step for prepared in steps),
            parts={part: digest(dict(of)) for part, of in items.items()},
            items={part: dict(of) for part, of in items.items() if "" not in of},
            changes=changes_of(foreseen),
            not_previewed=dict(foreseen.unforeseen),
            approval=APPROVALS.get(decision, "none"),
            held=any(prepared.has_secrets for prepared in steps),
            undoes=undoes,
            not_undone=tuple(not_undone),
        )
        await self._door.write(call, plan.entry())
        if plan.held:
            self._held[plan.plan_id] = tuple(steps)
            while len(self._held) > MOST_HELD:
                self._held.pop(next(iter(self._held)))
        return plan

    async def plans(self, caller: str) -> list[Plan]:
        """This caller's plans that can still be used, the newest first."""
        return await asyncio.to_thread(plans_in, self._ledger, caller)

    async def plan(self, plan_id: str, caller: str) -> Plan:
        """Raises UnknownPlan; a plan of another caller is not told apart from none."""
        plan = await asyncio.to_thread(plan_in, self._ledger, plan_id)
        if plan.caller != caller:
            raise UnknownPlan(f"There is no plan {plan_id[:64]!r} of this caller.")
        return plan

    def is_of(self, plan: Plan, prepared: Prepared) -> bool:
        """Whether this step is all of the plan, with the same secrets where it has any."""
        same = [replace(step, would_run=prepared.step.would_run) for step in plan.steps] == [
            prepared.step
        ]
        held = self._held.get(plan.plan_id, ())
        return same and (
            not plan.held or [dict(one.arguments) for one in held] == [dict(prepared.arguments)]
        )

    async def cancel(self, call: Call, plan_id: str) -> Plan:
        """Closes a plan for good. Raises UnknownPlan, PlanUnusable."""
        plan = await self.plan(plan_id, call.caller)
        closed = Closed(plan=plan.plan_id, outcome="cancelled", by=call.caller)
        await self._door.write(call, closed)
        self._held.pop(plan.plan_id, None)
        return plan

    async def apply(self, call: Call, plan_id: str) -> tuple[Plan, list[Answer]]:
        """Carries a plan out, once, and returns what came of its steps; the first that
        fails is the last.

        Raises UnknownPlan, PlanUnusable, PlanOutdated, Denied, ApprovalRequired, and what
        stands in the way of a look.
        """
        plan = await self.plan(plan_id, call.caller)
        steps = await self._steps(plan)
        decision = await self._decision(steps, call.caller)
        await self._check_parts(plan, steps, anew=True)
        if await self._approved(call, plan, APPROVALS.get(decision, "none")):
            await self._check_parts(plan, steps, anew=True)
        now = Foreseen.of([await self._door.foresee(prepared, call) for prepared in steps])
        if digest({"": now.digest()}) != plan.parts["changes"]:
            data = {"plan": plan.told(), "changes_now": changes_of(now)}
            raise _outdated(plan, ["changes"], data=data)

        answers: list[Answer] = []

        async def still() -> None:
            """What was waited for may have taken long. What is begun is carried through."""
            if not answers:
                await self._check_time(plan, APPROVALS.get(decision, "none"))
            await self._check_parts(plan, steps, anew=False)
            if await self._decision(steps, call.caller) > decision:
                raise _outdated(plan, ["policy"])

        for prepared in steps:
            hosts, first = prepared.step.hosts, not answers
            granted = Granted(plan_id=plan.plan_id, hosts=hosts, closes=first, still=still)
            answers.append(await self._door.perform(prepared, granted, call))
            self._held.pop(plan.plan_id, None)
            if answers[-1].problem is not None:
                break
        return plan, answers

    async def _check_parts(self, plan: Plan, steps: Sequence[Prepared], *, anew: bool) -> None:
        """Raises PlanOutdated."""
        now = await self._door.parts(steps, anew=anew)
        outdated = [
            part
            for part in plan.parts
            if part != "changes" and plan.parts[part] != digest(dict(now.get(part, {})))
        ]
        if outdated:
            raise _outdated(plan, outdated, now)

    async def _decision(self, steps: Sequence[Prepared], caller: str) -> Decision:
        """What policy says of all steps together. Raises Denied."""
        return max([await self._door.decide(prepared, caller) for prepared in steps])

    async def _steps(self, plan: Plan) -> tuple[Prepared, ...]:
        """The plan's steps as they are to be carried out. Raises PlanUnusable."""
        closed = await asyncio.to_thread(closed_in, self._ledger, plan.plan_id)
        if closed is not None:
            raise PlanUnusable(f"{plan.plan_id} was {closed.outcome} already.")
        _check_expiry(plan)
        if not plan.held:
            return tuple(Prepared(step=step, arguments=step.arguments) for step in plan.steps)
        if plan.plan_id not in self._held:
            raise PlanUnusable(
                f"{plan.plan_id} has a secret that only the process knew which made it."
            )
        return self._held[plan.plan_id]

    async def _check_time(self, plan: Plan, needed: Approval) -> None:
        """Raises PlanUnusable when the plan, or all that it was approved by, has expired."""
        _check_expiry(plan)
        if not await self._is_granted(plan, needed):
            raise PlanUnusable(f"The approval of {plan.plan_id} has expired.")

    async def _is_granted(self, plan: Plan, needed: Approval) -> bool:
        if needed == "none":
            return True
        return any(
            _counts(grant, needed)
            for grant in await asyncio.to_thread(grants_in, self._ledger, plan)
        )

    async def _approved(self, call: Call, plan: Plan, needed: Approval) -> bool:
        """Returns when the plan has the approval that it needs, and whether the client had
        to be asked for it.
        """
        if await self._is_granted(plan, needed):
            return False
        if needed == "operator":
            raise ApprovalRequired(
                f"{plan.plan_id} has to be approved by the operator.", data={"plan": plan.told()}
            )
        await self._ask(call, plan)
        return True

    async def _ask(self, call: Call, plan: Plan) -> None:
        text = question(plan, self._door.kinds, most=MOST_ASKED)
        if text is None:
            raise ApprovalRequired(
                (
                    f"{plan.plan_id} is too long to be shown in a question, and nobody can "
                    "approve what is not shown."
                ),
                data={"plan": plan.told()},
            )
        asked = Question(
            plan_id=plan.plan_id,
            text=text,
            asked=await asyncio.to_thread(waits_in, self._ledger, plan),
        )
        said = await _answered(call, asked)
        if said is Said.CANNOT:
            raise ClientCannotBeAsked(
                "The client has to approve this, and it has no way to ask its user (elicitation).",
                data={"plan": plan.told()},
            )
        if said is Said.LATER:
            if not asked.asked:
                waits = answered(plan, how="client", answer=ASKED, by=call.caller)
                await self._door.write(call, waits)
            call.question = asked
            raise ApprovalRequired(
                f"{plan.plan_id} waits for the client's user.", data={"plan": plan.told()}
            )
        answer = {Said.APPROVED: "approved", Said.DECLINED: "declined"}.get(said, "unanswered")
        grant = answered(plan, how="client", answer=answer, by=call.caller)
        await self._door.write(call, grant)
        if said is not Said.APPROVED:
            raise ApprovalRefused(f"{plan.plan_id} is {answer} by the client's user.")


async def _answered(call: Call, asked: Question) -> Said:
    """What the client says. Raises Cancelled when the call is cancelled meanwhile; no
    answer in time is a no.
    """
    if call.ask is None:
        return Said.CANNOT
    asking = asyncio.ensure_future(call.ask(asked))
    stopping = asyncio.create_task(call.stop.wait())
    try:
        await asyncio.wait(
            {asking, stopping}, timeout=ASK_PATIENCE_S, return_when=asyncio.FIRST_COMPLETED
        )
        if call.stop.is_set():
            raise Cancelled("The call was cancelled before anything was changed.")
        return asking.result() if asking.done() else Said.SILENT
    finally:
        asking.cancel()
        stopping.cancel()


def answered(plan: Plan, *, how: str, answer: str, by: str) -> Answered:
    """The record of an approval: who said what about exactly this plan, until when that counts,
    and what it proves.

    A question that waits for its answer is such a record too, so that an answer without one
    is not taken for one.
    """
    return Answered(
        plan=plan.plan_id,
        hash=plan.hash,
        how=how,
        answer=answer,
        by=by,
        expires_at=expiry(datetime.now(UTC), GRANT_LIFETIME),
        proves=PROVES[how] if answer != ASKED else "a question was handed to the client",
    )


def plan_in(ledger: Ledger, plan_id: str) -> Plan:
    """Raises UnknownPlan, LedgerUnavailable."""
    for record in ledger.read(kinds=(PlanMade.KIND,), plan=plan_id):
        return Plan.of_entry(PlanMade.of_body(record["body"]))
    raise UnknownPlan(f"There is no plan {plan_id[:64]!r} of this caller.")


def closed_in(ledger: Ledger, plan_id: str) -> Closed | None:
    """How the plan was closed; None while it can be used."""
    records = ledger.read(kinds=(Closed.KIND,), plan=plan_id)
    return next((Closed.of_body(record["body"]) for record in records), None)


def state_in(ledger: Ledger, plan: Plan) -> str:
    """What became of the plan: open, expired, used, cancelled or rejected."""
    closed = closed_in(ledger, plan.plan_id)
    if closed is not None:
        return closed.outcome
    return "expired" if plan.has_expired(datetime.now(UTC)) else "open"


def plans_in(ledger: Ledger, caller: str | None = None, *, usable: bool = True) -> list[Plan]:
    """The newest MOST_LISTED plans first, of one caller or of all."""
    now, found = datetime.now(UTC), []
    for record in ledger.read(kinds=(PlanMade.KIND,), caller=caller, newest_first=True):
        plan = Plan.of_entry(PlanMade.of_body(record["body"]))
        if not usable or (not plan.has_expired(now) and closed_in(ledger, plan.plan_id) is None):
            found.append(plan)
        # Older ones have expired as well
        if len(found) == MOST_LISTED or (usable and plan.has_expired(now)):
            break
    return found


def grants_in(ledger: Ledger, plan: Plan) -> list[Answered]:
    """The approvals of exactly this plan that have not expired."""
    now = datetime.now(UTC)
    return [
        grant
        for grant in _answers_in(ledger, plan)
        if grant.answer == "approved"
        and grant.expires_at is not None
        and now < datetime.fromisoformat(grant.expires_at)
    ]


def waits_in(ledger: Ledger, plan: Plan) -> bool:
    """Whether the client was asked about exactly this plan, and the question has no answer
    yet.
    """
    of_client = [answer for answer in _answers_in(ledger, plan) if answer.how == "client"]
    return bool(of_client) and of_client[-1].answer == ASKED


def _answers_in(ledger: Ledger, plan: Plan) -> list[Answered]:
    """What was asked and answered about exactly this plan."""
    records = ledger.read(kinds=(Answered.KIND,), plan=plan.plan_id)
    answers = [Answered.of_body(record["body"]) for record in records]
    return [answer for answer in answers if answer.hash == plan.hash]


def _check_expiry(plan: Plan) -> None:
    if plan.has_expired(datetime.now(UTC)):
        raise PlanUnusable(f"{plan.plan_id} has expired at {plan.expires_at}.")


def _counts(grant: Answered, needed: Approval) -> bool:
    """An operator's word counts where the client's is enough, and not the other way round."""
    return grant.how in ("operator", needed)


def _outdated(
    plan: Plan,
    parts: Sequence[str],
    now: Mapping[str, Items] | None = None,
    *,
    data: Mapping[str, Any] | None = None,
) -> PlanOutdated:
    """Names what differs, and never what it holds."""
    told = []
    for part in parts:
        # Of other hosts every variable is another one
        named = part in plan.items and "hosts" not in parts
        items = list(differing(plan.items[part], (now or {}).get(part, {}))) if named else []
        more = f" and {len(items) - MOST_NAMED} more" if len(items) > MOST_NAMED else ""
        which = f" ({', '.join(map(in_one_line, items[:MOST_NAMED]))}{more})" if items else ""
        told.append(f"{IN_WORDS.get(part, part)}{which}")
    return PlanOutdated(
        f"{plan.plan_id} was made for something else: {', '.join(told)} differs now.", data=data
    )
