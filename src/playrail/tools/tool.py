"""What a tool is.

A tool is one declaration: a `PlaybookTool` runs a playbook, an `ApiTool` asks the API of
those who provide servers, a `DirectTool` answers from Playrail itself. Everything that
others need to know about it (schemas, annotations, policy, documentation) is derived from
that declaration.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Generic, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, Field, field_validator

from playrail.errors import Problem
from playrail.hosts import Hosts
from playrail.safe_text.secrets import HIDDEN
from playrail.settings.content import content_root
from playrail.settings.settings import Settings
from playrail.tools.effects import Effect
from playrail.tools.lasting import Intent, Invocation

if TYPE_CHECKING:
    from playrail.tools.past import RunShort, RunsWanted, RunWhole
    from playrail.tools.planned import HostDrift, PlanShort, PlanView, StepDone
    from playrail.tools.together import Together

DEFAULT_TIMEOUT_S = 60.0
NO_VARIABLES = {"server", "preview"}  # fields that are not about what is done on a host
# For Ansible to start, and to bring back what the work left when its own time was over
OVERHEAD_S = 20.0


class Risk(IntEnum):
    """What a call may do, least to worst."""

    READ = 0
    SENSITIVE = 1
    """Reads what may be private: logs, credentials."""
    WRITE = 2
    DESTRUCTIVE = 3
    """May end what is running or lose data."""
    DANGEROUS = 4
    """Runs what the caller wrote: an arbitrary program."""
    SHELL = 5
    """Gives what the caller wrote to a shell."""

    @property
    def changes(self) -> bool:
        return self >= Risk.WRITE

    @classmethod
    def of(cls, name: str | None) -> Risk:
        """The risk of this name, as records have it; the worst for one that is not known."""
        return cls.__members__.get(name or "", cls.SHELL)


class ToolInput(BaseModel):
    """Arguments of a tool. Strict: no unknown field, no coercion, and errors never quote a
    value.

    What a client wrote otherwise, and can only be meant so, is put right before
    (arguments.py).
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)

    def secret_fields(self) -> Collection[str]:
        """The fields that hold a secret, which no record, plan or log may have."""
        return ()

    def recorded(self) -> dict[str, Any]:
        """The arguments as JSON data for records, in which no secret is."""
        told = self.model_dump(mode="json")  # a SecretStr dumps as asterisks
        return {**told, **dict.fromkeys(self.secret_fields(), HIDDEN)}


ServerName = Annotated[str, Field(min_length=1, max_length=253)]


class OnHosts(ToolInput):
    """Arguments of a tool that runs on hosts."""

    server: ServerName | Annotated[list[ServerName], Field(min_length=1, max_length=500)] | None = (
        Field(
            default=None,
            description="Server, group, tag:NAME; several by commas.",
            examples=["web1", ["web1", "db1"], "tag:web", "web1, db1"],
        )
    )

    @field_validator("server", mode="before")
    @classmethod
    def _several(cls, server: Any) -> Any:
        """No name has a comma."""
        if isinstance(server, str) and "," in server:
            return [name.strip() for name in server.split(",")]
        return server


class Changing(OnHosts):
    """Arguments of a tool that changes hosts."""

    preview: bool = Field(
        default=False,
        description="Only make a plan for apply_plan.",
        examples=[True],
    )


class Report(BaseModel):
    """What a play reports of one host: the result of the last task that ended there, or of the
    one that registers `playrail_report`. Of `debug` it is what that shows.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    def problem(self) -> Problem | None:
        """The failure that this report tells of, though Ansible counts the host as ok."""
        return None

    def effects(self) -> Sequence[Effect]:
        """What was changed; in check mode, what would be."""
        return ()

    def unforeseen(self) -> Sequence[str]:
        """In check mode: what only a real run would tell, each a sentence."""
        return ()

    @property
    def cut(self) -> bool:
        """Whether something was left out of this report."""
        return bool(getattr(self, "truncated", False))


@dataclass(frozen=True, kw_only=True)
class ByField:
    """A risk that depends on one field of the input."""

    field: str
    cases: Mapping[Any, Risk]
    otherwise: Risk
    meant: str | None = None
    """The property of the input that tells what the field comes to, where its value alone
    does not.
    """
    looking: Risk | None = None
    """Of calls that change nothing, whatever the field's value is: the input's property
    `only_looks` tells. None: there are none.
    """

    def of(self, given: ToolInput) -> Risk:
        if self.looking is not None and getattr(given, "only_looks", False):
            return self.looking
        return self.cases.get(getattr(given, self.meant or self.field), self.otherwise)

    @property
    def every(self) -> frozenset[Risk]:
        """What its calls may have."""
        looking = () if self.looking is None else (self.looking,)
        return frozenset((*self.cases.values(), self.otherwise, *looking))

    @property
    def least(self) -> Risk:
        """Of calls that are no mere looks."""
        return min(self.otherwise, *self.cases.values())

    @property
    def worst(self) -> Risk:
        return max(self.otherwise, *self.cases.values())


def by_field(
    field: str,
    cases: Mapping[Any, Risk],
    *,
    otherwise: Risk,
    meant: str | None = None,
    looking: Risk | None = None,
) -> ByField:
    return ByField(field=field, cases=cases, otherwise=otherwise, meant=meant, looking=looking)


InputT = TypeVar("InputT", bound=ToolInput)
ReportT = TypeVar("ReportT", bound=Report)


@dataclass(frozen=True, kw_only=True)
class Tool(Generic[InputT]):
    """What every tool has.

    `summary` is for the model that chooses: when to use it, in at most two sentences.
    `timeout_s` is the deadline of a call in seconds; a tool whose input has a field
    `timeout_s` lets the caller choose it.
    """

    name: str
    summary: str
    risk: Risk | ByField
    input: type[InputT]
    timeout_s: float = DEFAULT_TIMEOUT_S
    idempotent: bool = False
    """A second call with the same arguments changes nothing more. Reads are idempotent
    without saying so.
    """
    aliases: tuple[str, ...] = ()
    """Other names of the same tool, which are offered only when the operator wants them."""
    same_as: str | None = None
    """The tool that does all that this one does, which is for those who know it by its name:
    it is offered as an alias is.
    """
    unforeseeable: str | None = None
    """Why check mode cannot tell what a change would do, a sentence; a plan then only tells
    what would be run.
    """
    undo: Callable[[Effect], Invocation | str] | None = None
    """The call that takes one of its effects back, or why there is none. None: what it does
    cannot be taken back.
    """
    intents: Callable[[InputT], Sequence[Intent]] | None = None
    """What is to hold after a call: of two that set the same thing the later one counts.
    None: what a call sets is not known; `nothing_lasting` says that it is nothing.
    """

    @property
    def worst_risk(self) -> Risk:
        return self.risk.worst if isinstance(self.risk, ByField) else self.risk

    def risk_of(self, given: InputT) -> Risk:
        return self.risk.of(given) if isinstance(self.risk, ByField) else self.risk

    def deadline_s(self, given: InputT) -> float:
        """Seconds until the call is cut short on one host, without the time to connect.

        Where the caller chooses the time, the work on the host ends itself then, and the
        answer still has to come back.
        """
        chosen = getattr(given, "timeout_s", None)
        return float(self.timeout_s if chosen is None else chosen + OVERHEAD_S)


@dataclass(frozen=True, kw_only=True)
class PlaybookTool(Tool[InputT], Generic[InputT, ReportT]):
    """A tool that is a playbook. Its input's fields are the playbook's variables, each with
    the prefix `playrail_`.
    """

    playbook: str
    """Path below playbooks/: `<toolset>/<tool>.yml`."""
    report: type[ReportT]
    together: type[Together] | None = None
    """What the reports of the hosts come to, which is told in their place."""
    content: Path = field(default_factory=content_root)
    """The content folder of its toolset, which sets it."""
    interruptible: bool = True
    """Whether ending its processes half-way is better than letting them finish (a package
    manager should finish).
    """

    @property
    def toolset(self) -> str:
        return self.playbook.partition("/")[0]

    @property
    def path(self) -> Path:
        """Where its playbook lies."""
        return self.content / "playbooks" / self.playbook


@dataclass(frozen=True, kw_only=True)
class ApiTool(Tool[InputT], Generic[InputT, ReportT]):
    """A tool that is one request to the API of those who provide servers. Its input's
    fields but `server` are the request's form fields.
    """

    provider: str
    """The kind of the servers that the API knows, see settings/targets.py. Also the toolset."""
    endpoint: str
    """Path of the request, such as `/info`. A field in braces, as in `/logs/{id}`, stands
    there, not in the form.
    """
    report: type[ReportT]
    """Reads the body of the answer, which is a JSON object or array."""
    elsewhere: str | None = None
    """The tool, or tools, that tell the like of servers which this API does not know."""

    @property
    def toolset(self) -> str:
        return self.provider


class Context(Protocol):
    """What a `DirectTool` may look at."""

    @property
    def settings(self) -> Settings: ...
    @property
    def tools(self) -> Mapping[str, AnyTool]:
        """Every tool, also those that are not offered."""

    @property
    def absent(self) -> Mapping[str, str]:
        """Per tool that is not offered the reason, the end of a sentence."""

    async def hosts(self) -> Hosts:
        """What the inventory has."""

    async def durations_ms(self) -> Mapping[str, Sequence[int]]:
        """Per tool how long its latest calls took that went well."""

    async def plans(self) -> Sequence[PlanShort]:
        """The caller's plans that can still be applied, in short."""

    async def plan(self, plan_id: str) -> PlanView:
        """One of the caller's plans, with what became of it."""

    async def cancel_plan(self, plan_id: str) -> str:
        """Closes a plan for good."""

    async def apply_plan(self, plan_id: str) -> Sequence[tuple[StepDone, Problem | None]]:
        """Carries a plan out; what came of each step."""

    async def undo_run(self, run_id: str) -> PlanView:
        """The plan that takes a run back."""

    async def check_drift(self, server: str | Sequence[str] | None) -> Mapping[str, HostDrift]:
        """Per host what no longer holds of what Playrail set."""

    async def runs(self, wanted: RunsWanted) -> tuple[Sequence[RunShort], int | None]:
        """What the caller did before, newest first, an operator what all did, and the offset
        that goes on.
        """

    async def run(self, run_id: str, *, max_bytes: int) -> RunWhole:
        """One of these in full."""


@dataclass(frozen=True, kw_only=True)
class DirectTool(Tool[InputT], Generic[InputT, ReportT]):
    """A tool that Playrail answers itself, without a play."""

    toolset: str
    output: type[ReportT]
    run: Callable[[Context, InputT], Awaitable[ReportT]]
    remote_text: bool = False
    """Whether its answer holds text that servers wrote."""


AnyTool = PlaybookTool[Any, Any] | ApiTool[Any, Any] | DirectTool[Any, Any]


def nothing_lasting(_: ToolInput) -> Sequence[Intent]:
    """The intents of a tool after whose calls nothing has to hold."""
    return ()


def variables(given: ToolInput) -> dict[str, Any]:
    """The playbook's variables: each field but `server` and `preview`, prefixed.

    The prefix keeps a caller's value from shadowing a variable of the same name in the
    user's inventory, which extra variables would (`path`, `user`, `ansible_connection`,
    ...).
    """
    return {
        f"playrail_{name}": value for name, value in given.model_dump(exclude=NO_VARIABLES).items()
    }
