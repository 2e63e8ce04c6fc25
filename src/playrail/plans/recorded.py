"""What the ledger tells of plans and their approvals, and what is written there of these."""

from __future__ import annotations

from datetime import datetime

from playrail.errors import UnknownPlan
from playrail.ledger.entries import Approval as Answered
from playrail.ledger.entries import Closed, PlanMade
from playrail.ledger.ledger import Ledger
from playrail.plans.plan import GRANT_LIFETIME, PROVES, Approval, Plan, expiry

ASKED = "asked"  # in place of an answer
MOST_LISTED = 100


def answered(plan: Plan, *, how: str, answer: str, by: str, now: datetime) -> Answered:
    """The record of an approval: who said what about exactly this plan, until when that
    counts, and what it proves.

    A question that waits for its answer is such a record too, so that an answer without one
    is not taken for one.
    """
    return Answered(
        plan=plan.plan_id,
        hash=plan.hash,
        how=how,
        answer=answer,
        by=by,
        expires_at=expiry(now, GRANT_LIFETIME),
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


def state_in(ledger: Ledger, plan: Plan, *, now: datetime) -> str:
    """What became of the plan: open, expired, used, cancelled or rejected."""
    closed = closed_in(ledger, plan.plan_id)
    if closed is not None:
        return closed.outcome
    return "expired" if plan.has_expired(now) else "open"


def plans_in(
    ledger: Ledger, caller: str | None = None, *, now: datetime, usable: bool = True
) -> list[Plan]:
    """The newest first, at most MOST_LISTED, of one caller or of all; `usable`: only those
    that can still be applied.
    """
    plans: list[Plan] = []
    for record in ledger.read(kinds=(PlanMade.KIND,), caller=caller, newest_first=True):
        plan = Plan.of_entry(PlanMade.of_body(record["body"]))
        if not usable or state_in(ledger, plan, now=now) == "open":
            plans.append(plan)
        # Older ones have expired as well
        if len(plans) == MOST_LISTED or (usable and plan.has_expired(now)):
            break
    return plans


def grants_in(ledger: Ledger, plan: Plan, *, now: datetime) -> list[Answered]:
    """The approvals of exactly this plan that have not expired."""
    return [
        grant
        for grant in _answers(ledger, plan)
        if grant.answer == "approved"
        and grant.expires_at is not None
        and now < datetime.fromisoformat(grant.expires_at)
    ]


def is_granted(ledger: Ledger, plan: Plan, needed: Approval, *, now: datetime) -> bool:
    """Whether the plan has the approval that it needs. An operator's word counts where the
    client's is enough, and not the other way round.
    """
    if needed == "none":
        return True
    return any(grant.how in ("operator", needed) for grant in grants_in(ledger, plan, now=now))


def waits_in(ledger: Ledger, plan: Plan) -> bool:
    """Whether the client was asked about exactly this plan, and the question has no answer
    yet.
    """
    of_client = [answer for answer in _answers(ledger, plan) if answer.how == "client"]
    return bool(of_client) and of_client[-1].answer == ASKED


def _answers(ledger: Ledger, plan: Plan) -> list[Answered]:
    """What was asked and answered about exactly this plan."""
    records = ledger.read(kinds=(Answered.KIND,), plan=plan.plan_id)
    answers = [Answered.of_body(record["body"]) for record in records]
    return [answer for answer in answers if answer.hash == plan.hash]
