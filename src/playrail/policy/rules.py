"""Decides whether a call may run. Pure: what it needs to know is passed.

Without a policy reads run, sensitive ones too, and changes need the operator's switch. With
one, the first rule that matches decides, host by host; no rule denies; and of several hosts
the strictest decision counts. So does the strictest that may be meant where a host's tags
cannot be read. The switch holds then as well. How a policy is written: policy.example.yml.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, time, tzinfo
from enum import IntEnum
from types import MappingProxyType
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from playrail.errors import Denied, WritesDisabled
from playrail.hosts import TAG, Host
from playrail.tools.tool import AnyTool, ByField, DirectTool, Risk

# What a host counts as whose tier nobody told, or which is none of the policy's
PRODUCTION = "production"
TIERS = ("development", "staging", PRODUCTION)
CALLERS = ("local", "cli")  # who there is: whoever started `playrail serve`, and `playrail call`
EVERY_HOST = "group:all"
OTHERS = "*"  # in limits: each one that nothing before it means
TO_LOOK = "To look only, call a tool whose description begins without a mark such as [WRITE]."
TO_RUN = (
    "A program that only looks (such as df, ss, ps, journalctl, systemctl status) may run: by its "
    "name, without a shell, patterns and chdir."
)
_NAMED = 10  # hosts that one sentence lists

Count = Annotated[int, Field(ge=1)]


class Decision(IntEnum):
    """What policy says to a call, mildest first."""

    ALLOW = 0
    PREVIEW_FIRST = 1
    """A change runs as a plan only, which was looked at before."""
    CLIENT_APPROVAL = 2
    """And whoever sits at the client has to approve it."""
    OPERATOR_APPROVAL = 3
    """And the operator has to approve it."""
    DENY = 4

    @property
    def word(self) -> str:
        """As it is written in a policy."""
        return self.name.lower()

    @property
    def wants_plan(self) -> bool:
        return self in (
            Decision.PREVIEW_FIRST,
            Decision.CLIENT_APPROVAL,
            Decision.OPERATOR_APPROVAL,
        )


@dataclass(frozen=True, kw_only=True)
class Window:
    """Times of the week, by the clock of a time zone. One over midnight belongs to the day
    on which it begins.
    """

    name: str
    days: frozenset[int]
    """0 is Monday."""
    zone: tzinfo
    start: time = time.min
    end: time = time.min
    """The first minute outside; the same as `start` is a whole day."""

    def holds(self, now: datetime) -> bool:
        local = now.astimezone(self.zone)
        today, clock = local.weekday(), local.time()
        if self.start < self.end:
            return today in self.days and self.start <= clock < self.end
        began_today = today in self.days and clock >= self.start
        return began_today or ((today - 1) % 7 in self.days and clock < self.end)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a rule is asked about: a call on one host. `words` are those by which a policy
    can mean the host.
    """

    tool: AnyTool
    risk: Risk
    caller: str
    host: str
    words: frozenset[str]
    now: datetime
    any_tag: bool = False
    """Whether the host's tags cannot be read, so that it may have any."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One rule of a policy, from `line` of its file. What is empty means any."""

    name: str
    line: int
    then: Decision
    callers: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    risk: tuple[Risk, ...] = ()
    during: Window | None = None

    def mismatch(self, asked: Asked) -> str | None:
        """The first thing in which the call does not match, None when the rule decides it."""
        return next(self._mismatches(asked), None)

    def may_mean(self, asked: Asked) -> bool:
        """Whether it would decide the call if the host had the tags that the rule names,
        which is not known.
        """
        tags = {word for word in self.hosts if word.startswith(TAG)}
        return asked.any_tag and self.mismatch(replace(asked, words=asked.words | tags)) is None

    def _mismatches(self, asked: Asked) -> Iterator[str]:
        if self.callers and asked.caller not in self.callers:
            yield f"callers: {asked.caller} is none of {', '.join(self.callers)}"
        if self.hosts and asked.words.isdisjoint(self.hosts):
            yield f"hosts: {asked.host} is none of {', '.join(self.hosts)}"
        if not self.means(asked.tool):
            yield (
                f"tools: {asked.tool.name} of toolset:{asked.tool.toolset} is none of "
                f"{', '.join(self.tools)}"
            )
        if self.risk and asked.risk not in self.risk:
            yield f"risk: {asked.risk.name} is none of {', '.join(risk.name for risk in self.risk)}"
        if self.then.wants_plan and not asked.risk.changes:
            yield f"then: {self.then.word} is for changes, and this call only reads"
        if self.during is not None and not self.during.holds(asked.now):
            yield f"during: it is not {self.during.name}"

    def means(self, tool: AnyTool) -> bool:
        """Whether the rule is about this tool. What another does under another name is meant
        with that one.
        """
        names = {tool.name, tool.same_as, f"toolset:{tool.toolset}"}
        return not self.tools or not names.isdisjoint(self.tools)

    def can_decide(self, risk: Risk) -> bool:
        """Whether a call of this risk can match. What needs a plan passes reads by, for
        which there is none.
        """
        return (not self.risk or risk in self.risk) and (risk.changes or not self.then.wants_plan)


class LimitsOfHost(BaseModel):
    """How often one host may be called and changed, by all callers together. None: as often
    as they like.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    calls_per_minute: Count | None = None
    changes_per_hour: Count | None = None


class LimitsOfCaller(LimitsOfHost):
    """How often one caller may call and change, and on how many hosts at once."""

    hosts_per_call: Count | None = None


@dataclass(frozen=True, kw_only=True)
class Ruling:
    """What was decided for one host; no rule: none matched."""

    decision: Decision
    rule: Rule | None


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What a policy file says. `source` is its name, `digest` the hash of what it says,
    without comments.
    """

    source: str
    digest: str
    rules: tuple[Rule, ...]
    tiers: tuple[str, ...] = TIERS
    callers: Mapping[str, LimitsOfCaller] = field(default_factory=dict)
    """Limits by the caller's name; `*` is each other one."""
    hosts: Mapping[str, LimitsOfHost] = field(default_factory=dict)
    """Limits by what means a host; of several the first counts, and each host of a group
    has its own. `*` is each.
    """

    def words(self, host: Host) -> frozenset[str]:
        """The words by which this policy can mean a host."""
        groups = (f"group:{group}" for group in host.groups)
        tags = (f"tag:{tag}" for tag in host.tags)
        return frozenset((host.name, EVERY_HOST, f"tier:{self.tier(host)}", *groups, *tags))

    def tier(self, host: Host) -> str:
        return host.tier if host.tier in self.tiers else PRODUCTION

    def asked(self, tool: AnyTool, risk: Risk, host: Host, *, caller: str, now: datetime) -> Asked:
        """What its rules are asked about a call on this host."""
        return Asked(
            tool=tool,
            risk=risk,
            caller=caller,
            host=host.name,
            words=self.words(host),
            now=now,
            any_tag=not host.tags_are_known,
        )

    def ruling(self, asked: Asked) -> Ruling:
        """What the first rule that matches says.

        Of a host whose tags cannot be read any rule before that one may be the first, and
        the strictest counts: such a host has every tag for what a rule forbids or holds up,
        and none for what it allows.
        """
        may = [rule for rule, why in self.weighed(asked) if why is None]
        rulings = [Ruling(decision=rule.then, rule=rule) for rule in may]
        if not may or may[-1].mismatch(asked) is not None:
            rulings.append(Ruling(decision=Decision.DENY, rule=None))
        return max(rulings, key=lambda ruling: ruling.decision)

    def weighed(self, asked: Asked) -> Iterator[tuple[Rule, str | None]]:
        """The rules up to the one that matches, each with what does not match, or None
        where it may decide.
        """
        for rule in self.rules:
            why = rule.mismatch(asked)
            yield rule, None if rule.may_mean(asked) else why
            if why is None:
                return


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What was decided for a call: the strictest decision over its hosts. No rulings: there
    is no policy for it.
    """

    tool: str
    risk: Risk
    caller: str
    decision: Decision
    source: str = ""
    rulings: Mapping[str, Ruling] = field(default_factory=dict)
    """By host."""

    def strictest(self) -> list[str]:
        """The hosts on which the decision is the one that counts."""
        return [host for host, ruling in self.rulings.items() if ruling.decision is self.decision]

    def why(self) -> str:
        """One sentence that names the rules and hosts that the decision comes from."""
        if not self.rulings:
            return f"{self.tool} ({self.risk.name}) needs no rule of a policy."
        by_rule: dict[Rule | None, list[str]] = {}
        for host in self.strictest():
            by_rule.setdefault(self.rulings[host].rule, []).append(host)
        told = "; ".join(f"on {_some(hosts)} {self._says(rule)}" for rule, hosts in by_rule.items())
        return f"{self.tool} ({self.risk.name}) by {self.caller}: {told}."

    def _says(self, rule: Rule | None) -> str:
        if rule is None:
            return f"no rule of {self.source} matches, which means {self.decision.word}"
        return f"the rule {rule.name!r} ({self.source}:{rule.line}) says {rule.then.word}"


def decide(
    *,
    tool: AnyTool,
    risk: Risk,
    hosts: Sequence[Host],
    caller: str,
    policy: Policy | None,
    writes: bool,
    preview: bool,
    now: datetime,
) -> Verdict:
    """Decides about one call. Raises Denied, or WritesDisabled without the operator's
    switch `writes`.

    A `preview` changes nothing: it may run where the change is not denied, and the verdict
    tells what that would need. Tools of Playrail itself reach no host; what they lead to is
    decided when they call other tools.
    """
    verdict = Verdict(tool=tool.name, risk=risk, caller=caller, decision=Decision.ALLOW)
    if isinstance(tool, DirectTool):
        return verdict
    if policy is not None:
        verdict = _judge(policy, tool=tool, risk=risk, hosts=hosts, caller=caller, now=now)
        if verdict.decision is Decision.DENY:
            raise Denied(verdict.why(), data={"denied": verdict.strictest()})
    if risk.changes and not preview and not writes:
        told = (
            f"{tool.name} would make a change ({risk.name}), and write operations are disabled "
            "here."
        )
        raise WritesDisabled(told, hint=_instead(tool, risk))
    return verdict


def _instead(tool: AnyTool, risk: Risk) -> str | None:
    """The hint where writes are off; None: the code's own."""
    if risk < Risk.DANGEROUS:
        return None
    looks = isinstance(tool.risk, ByField) and tool.risk.looking is not None
    return f"{WritesDisabled.code.hint} {TO_RUN if looks else TO_LOOK}"


def _judge(
    policy: Policy, *, tool: AnyTool, risk: Risk, hosts: Sequence[Host], caller: str, now: datetime
) -> Verdict:
    rulings = {}
    for host in hosts:
        rulings[host.name] = policy.ruling(policy.asked(tool, risk, host, caller=caller, now=now))
    return Verdict(
        tool=tool.name,
        risk=risk,
        caller=caller,
        decision=max((ruling.decision for ruling in rulings.values()), default=Decision.DENY),
        source=policy.source,
        rulings=MappingProxyType(rulings),
    )


def _some(hosts: Sequence[str]) -> str:
    more = f" and {len(hosts) - _NAMED} more" if len(hosts) > _NAMED else ""
    return ", ".join(hosts[:_NAMED]) + more
