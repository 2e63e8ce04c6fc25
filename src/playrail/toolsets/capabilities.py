"""Which tools there are, and all about one of them."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from statistics import median
from typing import Any, Literal

from pydantic import Field

from playrail.errors import UnknownTool
from playrail.tools.schemas import description, input_schema, output_schema
from playrail.tools.tool import (
    AnyTool,
    ByField,
    Changing,
    Context,
    DirectTool,
    PlaybookTool,
    Report,
    Risk,
    ToolInput,
)

SIDE_EFFECTS = {
    Risk.READ: "none",
    Risk.SENSITIVE: "discloses",
    Risk.WRITE: "writes",
    Risk.DESTRUCTIVE: "destroys",
    Risk.DANGEROUS: "anything",
    Risk.SHELL: "anything",
}


class Capable(ToolInput):
    tool: str | None = Field(
        default=None,
        min_length=1,
        max_length=64,
        description="A tool, to see all about it.",
        examples=["write_file"],
    )


class Capability(Report):
    name: str
    toolset: str
    risk: str = Field(
        description="The worst it can do: READ, SENSITIVE, WRITE, DESTRUCTIVE, DANGEROUS or SHELL."
    )
    risk_by: dict[str, dict[str, str]] = Field(
        description="Where the risk depends on an argument: field, value, risk."
    )
    allowed: bool = Field(
        description=(
            "Whether write operations are enabled here, or it only reads. A policy may still "
            "refuse a call."
        )
    )
    changes: bool
    side_effects: str = Field(
        description="The worst it does: none, discloses, writes, destroys or anything."
    )
    previewable: bool = Field(
        description=(
            "preview=true runs it in check mode; otherwise a preview tells only what would be run."
        )
    )
    reversible: bool = Field(
        description=(
            "Whether there is nothing to take back, or undo_run can, as far as what was before "
            "is known."
        )
    )
    typical_duration_ms: int | None = Field(
        description="Median of its latest calls here that went well; null before the first."
    )
    idempotent: bool = Field(
        description="A second call with the same arguments changes nothing more."
    )
    interruptible: bool = Field(description="Cancelling ends its work on the host too.")
    deadline_s: float = Field(
        description=(
            "Seconds until a call on one host is cut short, beside the time to connect. Many "
            "hosts have longer."
        )
    )
    longest_deadline_s: float = Field(
        description="The same where the caller chooses the greatest `timeout_s`."
    )
    playbook: str | None


class WholeTool(Capability):
    """All about one tool."""

    not_offered: str | None = Field(description="Why it is not offered here, where it is not.")
    description: str = Field(description="As the list of tools has it.")
    unforeseeable: str | None = Field(description="Why a preview cannot tell what it would do.")
    input_schema: dict[str, Any] = Field(description="JSON schema of its arguments, with examples.")
    output_schema: dict[str, Any] = Field(description="JSON schema of its answers.")


class Capabilities(Report):
    schema_version: Literal["1.0.0"] = "1.0.0"
    server: Literal["playrail"] = "playrail"
    version: str
    transports: tuple[str, ...] = ("stdio",)
    write_operations_enabled: bool
    tool_count: int
    tools: tuple[Capability, ...] | None = Field(
        default=None, description="In short, those that are offered."
    )
    tool: WholeTool | None = Field(default=None, description="The one that was asked about.")


async def _describe_capabilities(context: Context, given: Capable) -> Capabilities:
    writes = context.settings.enable_write_operations
    took = await context.durations_ms()
    offered = {name: tool for name, tool in context.tools.items() if name not in context.absent}

    def told(name: str, tool: AnyTool) -> dict[str, Any]:
        return _capability(name, tool, writes=writes, took_ms=took.get(name, ()))

    said = Capabilities(
        version=version("playrail"),
        write_operations_enabled=writes,
        tool_count=len(offered),
    )
    if given.tool is None:
        each = [Capability(**told(name, tool)) for name, tool in offered.items()]
        return said.model_copy(update={"tools": tuple(each)})
    tool = context.tools.get(given.tool)
    if tool is None:
        raise UnknownTool.named(given.tool, offered)
    whole = WholeTool(
        **told(given.tool, tool),
        not_offered=context.absent.get(given.tool),
        description=description(tool),
        unforeseeable=tool.unforeseeable,
        input_schema=input_schema(tool),
        output_schema=output_schema(tool),
    )
    return said.model_copy(update={"tool": whole})


def _capability(
    name: str, tool: AnyTool, *, writes: bool, took_ms: Sequence[int]
) -> dict[str, Any]:
    """The fields of a Capability."""
    return {
        "name": name,
        "toolset": tool.toolset,
        "risk": tool.worst_risk.name,
        "risk_by": _risk_by(tool.risk) if isinstance(tool.risk, ByField) else {},
        "allowed": writes or not tool.worst_risk.changes,
        "changes": tool.worst_risk.changes,
        "side_effects": SIDE_EFFECTS[tool.worst_risk],
        "previewable": issubclass(tool.input, Changing) and tool.unforeseeable is None,
        "reversible": tool.undo is not None or not tool.worst_risk.changes,
        "typical_duration_ms": round(median(took_ms)) if took_ms else None,
        "idempotent": tool.idempotent or not tool.worst_risk.changes,
        "interruptible": tool.interruptible
        if isinstance(tool, PlaybookTool)
        else not tool.worst_risk.changes,
        "deadline_s": tool.deadline_s(tool.input.model_construct()),
        "longest_deadline_s": _longest_deadline_s(tool),
        "playbook": tool.playbook if isinstance(tool, PlaybookTool) else None,
    }


def _longest_deadline_s(tool: AnyTool) -> float:
    chosen = tool.input.model_fields.get("timeout_s")
    limits = [limit.le for limit in (chosen.metadata if chosen else ()) if hasattr(limit, "le")]
    return tool.deadline_s(
        tool.input.model_construct(**({"timeout_s": min(limits)} if limits else {}))
    )


def _risk_by(risk: ByField) -> dict[str, dict[str, str]]:
    cases = {str(value).lower(): of.name for value, of in risk.cases.items()}
    looking = {} if risk.looking is None else {"only_looks": risk.looking.name}
    return {risk.field: {**cases, **looking, "otherwise": risk.otherwise.name}}


describe_capabilities = DirectTool(
    name="describe_capabilities",
    aliases=("describe_mikrus_capabilities",),
    summary="What tools may do here, and how long they take; with `tool` all about one.",
    risk=Risk.READ,
    input=Capable,
    toolset="playrail",
    output=Capabilities,
    run=_describe_capabilities,
)
