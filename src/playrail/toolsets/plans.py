"""Plans, undo and drift: what was previewed and approved is carried out, taken back, and
looked after.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from playrail.errors import Problem
from playrail.tools.planned import HostDrift, PlanShort, PlanView, StepDone
from playrail.tools.tool import Context, DirectTool, OnHosts, Report, Risk, ToolInput

HALF_A_DAY_S = 43_200.0  # the calls that these make have deadlines of their own

PlanId = Annotated[
    str,
    Field(
        pattern=r"^plan-[0-9a-f]{16}$",
        description="The plan_id that a preview, or undo_run, answered with.",
        examples=["plan-0123456789abcdef"],
    ),
]
RunId = Annotated[
    str, Field(pattern=r"^[0-9]{8}-[0-9]{6}-[0-9a-f]{8}$", examples=["20260131-120000-0a1b2c3d"])
]


class NoPlan(ToolInput):
    """Asked of all plans."""


class OnePlan(ToolInput):
    plan_id: PlanId = Field(description="Of a plan of yours.", examples=["plan-0123456789abcdef"])


class OneRun(ToolInput):
    run_id: RunId = Field(
        description="As list_runs, _meta or data.steps tell it.",
        examples=["20260131-120000-0a1b2c3d"],
    )


class Plans(Report):
    plans: list[PlanShort] = Field(description="The newest first.")


class PlanTold(Report):
    plan: PlanView = Field(
        description="What would change per host, what could not be previewed, and until when."
    )


class Cancelled(Report):
    cancelled: str


class Applied(Report):
    plan_id: str
    steps: list[StepDone] = Field(
        description=(
            "Per step its run_id (of a single one in _meta too), code and data, as the tool's own."
        )
    )

    failure: Problem | None = Field(exclude=True)

    def problem(self) -> Problem | None:
        return self.failure


class Drift(Report):
    hosts: dict[str, HostDrift] = Field(
        description=(
            "Per host how many things Playrail set, which of them drifted, and which could not "
            "be checked."
        )
    )


async def _list_plans(context: Context, _: NoPlan) -> Plans:
    return Plans(plans=list(await context.plans()))


async def _get_plan(context: Context, given: OnePlan) -> PlanTold:
    return PlanTold(plan=await context.plan(given.plan_id))


async def _cancel_plan(context: Context, given: OnePlan) -> Cancelled:
    return Cancelled(cancelled=await context.cancel_plan(given.plan_id))


async def _apply_plan(context: Context, given: OnePlan) -> Applied:
    steps = await context.apply_plan(given.plan_id)
    failure = next((problem for _, problem in steps if problem is not None), None)
    return Applied(plan_id=given.plan_id, steps=[step for step, _ in steps], failure=failure)


async def _undo_run(context: Context, given: OneRun) -> PlanTold:
    return PlanTold(plan=await context.undo_run(given.run_id))


async def _check_drift(context: Context, given: OnHosts) -> Drift:
    return Drift(hosts=dict(await context.check_drift(given.server)))


list_plans = DirectTool(
    name="list_plans",
    summary="Which of your plans wait to be applied.",
    risk=Risk.READ,
    input=NoPlan,
    toolset="playrail",
    output=Plans,
    run=_list_plans,
)
get_plan = DirectTool(
    name="get_plan",
    summary="See again what a plan would change, and whether it is approved.",
    risk=Risk.READ,
    input=OnePlan,
    toolset="playrail",
    output=PlanTold,
    run=_get_plan,
    remote_text=True,
)
cancel_plan = DirectTool(
    name="cancel_plan",
    summary="Throw a plan away, so that nobody can apply it.",
    risk=Risk.READ,
    input=OnePlan,
    toolset="playrail",
    output=Cancelled,
    run=_cancel_plan,
)
apply_plan = DirectTool(
    name="apply_plan",
    summary=(
        "Carry out a plan that a preview made: exactly that, once, unless what it rests on has "
        "changed."
    ),
    risk=Risk.DANGEROUS,
    idempotent=True,  # a plan is used once
    input=OnePlan,
    toolset="playrail",
    output=Applied,
    run=_apply_plan,
    remote_text=True,
    timeout_s=HALF_A_DAY_S,
)
undo_run = DirectTool(
    name="undo_run",
    summary=(
        "Undo a change, go back: makes the plan that takes back what a run did, for apply_plan."
    ),
    risk=Risk.READ,
    input=OneRun,
    toolset="playrail",
    output=PlanTold,
    run=_undo_run,
    remote_text=True,
    timeout_s=600,
)
check_drift = DirectTool(
    name="check_drift",
    summary=(
        "Has somebody changed what Playrail set? Compares its files, services and packages with "
        "the servers."
    ),
    risk=Risk.READ,
    input=OnHosts,
    toolset="playrail",
    output=Drift,
    run=_check_drift,
    remote_text=True,
    timeout_s=600,
)
