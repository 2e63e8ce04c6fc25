"""What a call is: its tool, its arguments, its hosts, and what is decided about it.

Nothing here has a side effect, so that `playrail policy explain` and a plan can ask the
same of a call as the door does before it carries one out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from playrail.ansible.inventory.inventory import Inventory
from playrail.calls.answers import Result, parse
from playrail.calls.call import Call
from playrail.calls.caller import Caller
from playrail.door.attempts import attempts
from playrail.engines.engine import Resolver
from playrail.engines.results import with_unusable
from playrail.errors import (
    Denied,
    InvalidArgument,
    NotOffered,
    PlanOutdated,
    PlayrailError,
    Problem,
    UnknownTool,
)
from playrail.hosts import Host
from playrail.ledger.ledger import Read
from playrail.policy.limits import check_hosts_per_call, check_limits
from playrail.policy.rules import Decision, Policy, decide
from playrail.safe_text.secrets import HIDDEN
from playrail.settings.settings import Settings
from playrail.tools.arguments import as_meant
from playrail.tools.offering import Absence
from playrail.tools.tool import AnyTool, Changing, Risk, ToolInput


@dataclass(frozen=True, kw_only=True)
class Parsed:
    """The tool that a call names, and its arguments."""

    tool: AnyTool
    arguments: Mapping[str, Any]
    """As the caller gave them, where these can be meant in one way only (tools/arguments.py)."""
    input: ToolInput

    @property
    def risk(self) -> Risk:
        return self.tool.risk_of(self.input)


@dataclass(frozen=True, kw_only=True)
class Understood(Parsed):
    """A call with its hosts, and with what is decided about it at the moment `now`."""

    caller: Caller
    hosts: tuple[str, ...]
    unusable: Mapping[str, Problem] = field(default_factory=dict)
    """Hosts that the call's words mean as well and that cannot be used. Nothing is done for
    them but to say so.
    """
    judged: Sequence[Host] = ()
    """The hosts as the policy sees them; none where there is no policy."""
    decision: Decision
    """Of a preview: what its change would need."""
    refusal: PlayrailError | None = None
    """Why the call may not go on."""
    check: bool
    """Whether nothing is to be changed: the call is a preview, or has to be one first."""
    resumes: bool = False
    """Whether it goes on with the plan that it made before its client was asked. The change
    itself is then a call that this one makes.
    """
    now: datetime

    @property
    def changes(self) -> bool:
        """Whether the call changes something on hosts."""
        return self.risk.changes and not self.check

    @property
    def previewed(self) -> bool:
        """Whether the call's result is that of its preview."""
        return self.check and not self.resumes

    @property
    def wants_preview(self) -> bool:
        """Whether its arguments ask for a preview."""
        return isinstance(self.input, Changing) and self.input.preview

    def whole(self, result: Result) -> Result:
        """The result with what could not be used."""
        return with_unusable(result, self.unusable, of=len(self.hosts))


class Understanding:
    """Understands calls by what one door goes by."""

    def __init__(
        self,
        settings: Settings,
        *,
        tools: Mapping[str, AnyTool],
        absent: Mapping[str, Absence],
        policy: Policy | None,
        inventory: Inventory,
        resolvers: Mapping[type[Any], Resolver],
        now: Callable[[], datetime],
    ) -> None:
        self.policy = policy
        self.tools = tools
        self.absent = absent
        self.offered = {name: tool for name, tool in tools.items() if name not in absent}
        self._settings = settings
        self._inventory = inventory
        self._resolvers = resolvers
        self._now = now

    def parse(self, name: str, arguments: Mapping[str, Any], *, inner: bool = False) -> Parsed:
        """Raises NotOffered, UnknownTool, InvalidArgument. An `inner` call is one that Playrail
        makes, to take something back: it may have a tool that is not offered where others of
        its toolset are.
        """
        absence = self.absent.get(name)
        if absence is not None and not (inner and self._is_of_what_is_offered(name)):
            raise NotOffered(f"{name} is not offered: {absence.why}.", hint=absence.hint)
        if name not in self.tools:
            raise UnknownTool.named(name, self.offered)
        tool = self.tools[name]
        arguments = as_meant(tool.input, arguments)
        context = {"looks_file": self._settings.looks_file}
        given = parse(tool, arguments, context=context)
        parsed = Parsed(tool=tool, arguments=arguments, input=given)
        if parsed.risk.changes:
            check_no_mark(parsed.input)
        return parsed

    def _is_of_what_is_offered(self, name: str) -> bool:
        toolset = self.tools[name].toolset if name in self.tools else None
        return any(tool.toolset == toolset for tool in self.offered.values())

    async def understand(self, parsed: Parsed, call: Call) -> Understood:
        """Raises what stands in the way of naming the hosts; what is decided about the call
        is told by the result, a refusal too.
        """
        hosts, unusable = await self.hosts(parsed)
        judged = await self._judged(hosts)
        now = self._now()
        asked = parsed.input.preview if isinstance(parsed.input, Changing) else None
        foreseeable = parsed.risk.changes and asked is not None
        preview = foreseeable and (call.check or bool(asked))
        decision, refusal = self._decided(parsed, call, hosts, judged, preview=preview, now=now)
        resumes = bool(call.resume) and asked is False
        unseen = foreseeable and call.granted is None and decision > Decision.ALLOW
        return Understood(
            **vars(parsed),
            caller=call.caller,
            hosts=tuple(hosts),
            unusable={} if call.granted else unusable,  # a plan says which hosts it is for
            judged=judged,
            decision=decision,
            refusal=refusal,
            check=preview or unseen or resumes,
            resumes=resumes,
            now=now,
        )

    def limits(
        self, call: Call, hosts: Sequence[Host], *, changes: bool
    ) -> Callable[[Read], None] | None:
        """What tells from the ledger whether one more such call is within the policy's
        limits. It raises LimitReached.
        """
        policy, now = self.policy, self._now()
        if policy is None or not _is_limited(call):
            return None

        def within(read: Read) -> None:
            check_limits(
                policy,
                caller=call.caller.name,
                hosts=hosts,
                changes=changes,
                now=now,
                attempts=partial(attempts, read),
                inner=call.parent is not None,
            )

        return within

    def _decided(
        self,
        parsed: Parsed,
        call: Call,
        hosts: Sequence[str],
        judged: Sequence[Host],
        *,
        preview: bool,
        now: datetime,
    ) -> tuple[Decision, PlayrailError | None]:
        try:
            verdict = decide(
                tool=parsed.tool,
                risk=parsed.risk,
                hosts=judged,
                caller=call.caller.name,
                policy=self.policy,
                writes=self._settings.enable_write_operations,
                preview=preview,
                now=now,
            )
            if self.policy is not None and _is_limited(call):
                check_hosts_per_call(self.policy, caller=call.caller.name, hosts=len(hosts))
            _check_plan(parsed, call, hosts, verdict.decision)
        except PlayrailError as error:
            return Decision.DENY, error
        return verdict.decision, None

    async def hosts(self, parsed: Parsed) -> tuple[Sequence[str], Mapping[str, Problem]]:
        """The hosts that the call is for, and those that its words mean as well and that
        cannot be used.
        """
        resolver = self._resolvers[type(parsed.tool)]
        meant = await resolver.resolve(parsed.tool, parsed.input)
        return meant.hosts, meant.unusable

    async def _judged(self, hosts: Sequence[str]) -> list[Host]:
        if self.policy is None or not hosts:
            return []
        listed = await self._inventory.hosts()
        return [listed.hosts[name] for name in hosts]


def check_no_mark(given: ToolInput) -> None:
    """Raises InvalidArgument where a change would write the mark that stands for a secret."""
    sent = given.model_dump(mode="json")
    marked = [name for name, value in sent.items() if HIDDEN in str(value)]
    if marked:
        raise InvalidArgument(
            f"{', '.join(marked)}: has {HIDDEN} in it, which stands in answers for a secret; "
            "what is on the server is not that.",
            hint=(
                "Change the other lines without this one, or ask the operator to make this change."
            ),
        )


def _is_limited(call: Call) -> bool:
    """A plan that is begun is carried through."""
    return call.granted is None or call.granted.closes


def _check_plan(parsed: Parsed, call: Call, hosts: Sequence[str], decision: Decision) -> None:
    """Raises Denied where a plan is wanted and none can be made, and PlanOutdated where the
    plan that the call carries out is for other hosts.
    """
    if decision.wants_plan and parsed.risk.changes and not isinstance(parsed.input, Changing):
        raise Denied(f"{call.name} has no preview, and the policy wants to see one first.")
    if call.granted is not None and call.granted.hosts != tuple(hosts):
        raise PlanOutdated(f"{call.granted.plan_id} was made for other hosts.")
