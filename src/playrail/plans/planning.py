"""Makes plans, and carries them out: exactly what was seen and approved, once, or nothing.

What `apply` looks at, in this order. Each look refuses where something is not as it was seen
and approved, and each is there because of something that may have happened meanwhile:

whose      the plan's caller             the id is another caller's, or made up
usable     how it was closed, its time,  it was used or cancelled, lay for too long, or another
           its secrets                   process has the secrets
basis      policy, switch and all that   the policy, the inventory, a playbook, a version .. is
           decides what the steps do,    another one than when the plan was made
           read anew
approval   the ledger; then the client   nobody has approved
basis      again, where the client was   the same, while the client's user thought
           asked
changes    a preview of each step        the hosts are not as they were
start      time, approval and basis,     the same, while the preview ran and the step waited for
           of each step once it runs     its turn; of later steps, while the earlier ones ran
close      the ledger, in one            the plan is applied twice at once
           transaction with the start
           of the first step
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from playrail.calls.answers import Answer
from playrail.calls.asking import Question, Said
from playrail.calls.bounds import Bounds
from playrail.calls.call import Call, Granted
from playrail.calls.caller import Caller
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
from playrail.ledger.entries import Closed
from playrail.ledger.ledger import Ledger
from playrail.plans.door import Door
from playrail.plans.parts import differing
from playrail.plans.plan import (
    Approval,
    Basis,
    Foreseen,
    Plan,
    Prepared,
    changes_of,
    expiry,
    new_plan_id,
)
from playrail.plans.recorded import (
    ASKED,
    answered,
    closed_in,
    grants_in,
    is_granted,
    plan_in,
    plans_in,
    state_in,
    waits_in,
)
from playrail.plans.words import question
from playrail.policy.rules import Decision
from playrail.safe_text.visible import in_one_line
from playrail.tools.planned import PlanView

APPROVALS: Mapping[Decision, Approval] = {
    Decision.CLIENT_APPROVAL: "client",
    Decision.OPERATOR_APPROVAL: "operator",
}
MOST_ASKED = 8000  # characters of a question
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


class Planning:
    """The plans of one door."""

    def __init__(self, door: Door, ledger: Ledger, bounds: Bounds) -> None:
        self._door = door
        self._ledger = ledger
        self._bounds = bounds
        self._held: dict[str, tuple[Prepared, ...]] = {}

    async def propose(
        self,
        call: Call,
        steps: Sequence[Prepared],
        foreseen: Foreseen,
        basis: Basis,
        *,
        undoes: str | None = None,
        not_undone: Sequence[str] = (),
    ) -> Plan:
        """Makes a plan and writes it down."""
        now = self._bounds.now()
        items = {
            **basis.parts,
            # Those that were looked at
            "hosts": {"": digest([list(prepared.step.hosts) for prepared in steps])},
            "changes": {"": foreseen.digest()},
        }
        plan = Plan(
            plan_id=new_plan_id(),
            caller=call.caller.name,
            made_at=now.isoformat(timespec="seconds"),
            expires_at=expiry(now),
            steps=tuple(prepared.step for prepared in steps),
            parts={part: digest(dict(of)) for part, of in items.items()},
            items={part: dict(of) for part, of in items.items() if "" not in of},
            changes=changes_of(foreseen),
            not_previewed=dict(foreseen.unforeseen),
            approval=APPROVALS.get(basis.decision, "none"),
            held=any(prepared.has_secrets for prepared in steps),
            undoes=undoes,
            not_undone=tuple(not_undone),
        )
        await self._door.write(call, plan.entry())
        if plan.held:
            self._held[plan.plan_id] = tuple(steps)
            while len(self._held) > self._bounds.plans_held:
                self._held.pop(next(iter(self._held)))
        return plan

    async def plans(self, caller: Caller) -> list[Plan]:
        """This caller's plans that can still be used, the newest first."""
        return await asyncio.to_thread(plans_in, self._ledger, caller.name, now=self._bounds.now())

    async def describe(self, plan: Plan) -> PlanView:
        """The plan with what became of it and who approved it."""
        now = self._bounds.now()
        state = await asyncio.to_thread(state_in, self._ledger, plan, now=now)
        grants = await asyncio.to_thread(grants_in, self._ledger, plan, now=now)
        return plan.view(state=state, approvals=[vars(grant) for grant in grants])

    async def plan(self, plan_id: str, caller: Caller) -> Plan:
        """Raises UnknownPlan; a plan of another caller is not told apart from none."""
        plan = await asyncio.to_thread(plan_in, self._ledger, plan_id)
        if plan.caller != caller.name:
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
        closed = Closed(plan=plan.plan_id, outcome="cancelled", by=call.caller.name)
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
        steps = await self._usable(plan)
        decision = await self._check_basis(call, plan, steps)
        needed = APPROVALS.get(decision, "none")
        if await self._approved(call, plan, needed):
            await self._check_basis(call, plan, steps, most=decision)
        await self._check_changes(call, plan, steps)
        answers: list[Answer] = []

        async def start() -> None:
            # What is begun is carried through
            if not answers:
                await self._check_time(plan, needed)
            await self._check_basis(call, plan, steps, most=decision, anew=False)

        for prepared in steps:
            granted = Granted(
                plan_id=plan.plan_id,
                hosts=prepared.step.hosts,
                closes=not answers,
                check_start=start,
            )
            answers.append(await self._door.perform(prepared, granted, call))
            self._held.pop(plan.plan_id, None)
            if answers[-1].problem is not None:
                break
        return plan, answers

    async def _usable(self, plan: Plan) -> tuple[Prepared, ...]:
        """The plan's steps as they are to be carried out. Raises PlanUnusable."""
        closed = await asyncio.to_thread(closed_in, self._ledger, plan.plan_id)
        if closed is not None:
            raise PlanUnusable(f"{plan.plan_id} was {closed.outcome} already.")
        self._check_expiry(plan)
        if not plan.held:
            return tuple(Prepared(step=step, arguments=step.arguments) for step in plan.steps)
        if plan.plan_id not in self._held:
            raise PlanUnusable(
                f"{plan.plan_id} has a secret that only the process knew which made it."
            )
        return self._held[plan.plan_id]

    async def _check_basis(
        self,
        call: Call,
        plan: Plan,
        steps: Sequence[Prepared],
        *,
        most: Decision | None = None,
        anew: bool = True,
    ) -> Decision:
        """What policy says of all steps together. Raises Denied, and PlanOutdated where a
        part is another one, or policy wants more than `most`.
        """
        now = await self._door.basis(steps, call.caller, anew=anew)
        differs = [
            part
            for part, was in plan.parts.items()
            if part != "changes" and was != digest(dict(now.parts.get(part, {})))
        ]
        if differs:
            raise _outdated(plan, differs, now.parts)
        if most is not None and now.decision > most:
            raise _outdated(plan, ["policy"])
        return now.decision

    async def _check_changes(self, call: Call, plan: Plan, steps: Sequence[Prepared]) -> None:
        """Raises PlanOutdated, and what a host has against being looked at."""
        now = Foreseen.of([await self._door.foresee(prepared, call) for prepared in steps])
        if digest({"": now.digest()}) != plan.parts["changes"]:
            data = {"plan": plan.told(), "changes_now": changes_of(now)}
            raise _outdated(plan, ["changes"], data=data)

    async def _check_time(self, plan: Plan, needed: Approval) -> None:
        """Raises PlanUnusable when the plan, or all that it was approved by, has expired."""
        self._check_expiry(plan)
        if not await self._is_granted(plan, needed):
            raise PlanUnusable(f"The approval of {plan.plan_id} has expired.")

    def _check_expiry(self, plan: Plan) -> None:
        if plan.has_expired(self._bounds.now()):
            raise PlanUnusable(f"{plan.plan_id} has expired at {plan.expires_at}.")

    async def _is_granted(self, plan: Plan, needed: Approval) -> bool:
        return await asyncio.to_thread(
            is_granted, self._ledger, plan, needed, now=self._bounds.now()
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
        said = await _answered(call, asked, patience_s=self._bounds.ask_patience_s)
        if said is Said.CANNOT:
            raise ClientCannotBeAsked(
                "The client has to approve this, and it has no way to ask its user (elicitation).",
                data={"plan": plan.told()},
            )
        if said is Said.LATER:
            if not asked.asked:
                await self._door.write(call, self._answer(call, plan, ASKED))
            call.trace.question = asked
            raise ApprovalRequired(
                f"{plan.plan_id} waits for the client's user.", data={"plan": plan.told()}
            )
        answer = {Said.APPROVED: "approved", Said.DECLINED: "declined"}.get(said, "unanswered")
        await self._door.write(call, self._answer(call, plan, answer))
        if said is not Said.APPROVED:
            raise ApprovalRefused(f"{plan.plan_id} is {answer} by the client's user.")

    def _answer(self, call: Call, plan: Plan, answer: str) -> Answered:
        return answered(
            plan, how="client", answer=answer, by=call.caller.name, now=self._bounds.now()
        )


async def _answered(call: Call, asked: Question, *, patience_s: float) -> Said:
    """What the client says. Raises Cancelled when the call is cancelled meanwhile; no
    answer in time is a no.
    """
    if call.ask is None:
        return Said.CANNOT
    asking = asyncio.ensure_future(call.ask(asked))
    stopping = asyncio.create_task(call.stop.wait())
    try:
        await asyncio.wait(
            {asking, stopping}, timeout=patience_s, return_when=asyncio.FIRST_COMPLETED
        )
        if call.stop.is_set():
            raise Cancelled("The call was cancelled before anything was changed.")
        return asking.result() if asking.done() else Said.SILENT
    finally:
        asking.cancel()
        stopping.cancel()


def _outdated(
    plan: Plan,
    parts: Sequence[str],
    now: Mapping[str, Mapping[str, str]] | None = None,
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
