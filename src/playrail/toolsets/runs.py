"""What was done before, by whom, and how to take it back."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from playrail.tools.arguments import More, Rare
from playrail.tools.brief import Brief
from playrail.tools.fields import Since
from playrail.tools.past import RunShort, RunsWanted, RunWhole
from playrail.tools.reading import MaxBytes
from playrail.tools.tool import Context, DirectTool, Report, Risk, ToolInput

USUAL_BYTES = 4_000
USUAL_RUNS = 20


class ChoiceOfRuns(ToolInput):
    server: str | None = Field(
        default=None,
        min_length=1,
        max_length=253,
        description="Only on this server or group.",
        examples=["web1"],
    )
    tool: str | None = Field(
        default=None,
        min_length=1,
        max_length=64,
        description="Only of this tool.",
        examples=["write_file"],
    )
    since: Since | None = None
    reads: Annotated[bool, Rare] = Field(
        default=False, description="Also what changed nothing.", examples=[True]
    )
    limit: Annotated[int, More] = Field(
        default=USUAL_RUNS, ge=1, le=200, description="Most runs.", examples=[USUAL_RUNS]
    )
    offset: Annotated[int, Rare] = Field(
        default=0, ge=0, le=100_000, description="`next_offset` of the last answer.", examples=[20]
    )


class OneRecordedRun(ToolInput):
    run_id: Annotated[
        str,
        Field(
            pattern=(
                "^(?:[0-9]{8}-[0-9]{6}-[0-9a-f]{8}|[0-9a-f]{16}|"
                "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$"
            ),
            description="A run_id that list_runs or _meta tells.",
            examples=["20260131-120000-0a1b2c3d"],
        ),
    ]
    max_bytes: MaxBytes = USUAL_BYTES


class Runs(Brief, Report):
    runs: list[RunShort] = Field(description="The newest first.")
    next_offset: int | None = Field(
        default=None, description="The `offset` that goes on; none when these are the last."
    )


class RunTold(Report):
    run: RunWhole

    @property
    def cut(self) -> bool:
        return self.run.truncated


async def _list_runs(context: Context, given: ChoiceOfRuns) -> Runs:
    asked = given.model_dump()
    most = USUAL_BYTES * max(1, given.limit // USUAL_RUNS)
    runs, following = await context.runs(RunsWanted(**asked, max_bytes=most))
    return Runs(runs=list(runs), next_offset=following)


async def _get_run(context: Context, given: OneRecordedRun) -> RunTold:
    return RunTold(run=await context.run(given.run_id, max_bytes=given.max_bytes))


list_runs = DirectTool(
    name="list_runs",
    summary=(
        "What was changed before, when and by whom? The history of changes, and what can be undone."
    ),
    risk=Risk.READ,
    input=ChoiceOfRuns,
    toolset="playrail",
    output=Runs,
    run=_list_runs,
    remote_text=True,
)
get_run = DirectTool(
    name="get_run",
    summary="What did a run do? Arguments, who asked, differences on each host, how to undo it.",
    risk=Risk.SENSITIVE,
    input=OneRecordedRun,
    toolset="playrail",
    output=RunTold,
    run=_get_run,
    remote_text=True,
)
