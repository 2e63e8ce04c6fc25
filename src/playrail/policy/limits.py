"""How often a policy lets a caller call, and a host be called and changed. What was done is
read from the ledger.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from playrail.errors import LimitReached, TooManyHosts
from playrail.hosts import TAG, Host
from playrail.policy.rules import OTHERS, LimitsOfCaller, LimitsOfHost, Policy

CALLS, CHANGES = "calls_per_minute", "changes_per_hour"
OVER = (LimitReached.code, TooManyHosts.code)  # refusals that a limit made
LASTING: Mapping[str, timedelta] = {CALLS: timedelta(minutes=1), CHANGES: timedelta(hours=1)}

Limited = tuple[str, str]
"""What is counted: whose, as words for a sentence, and which of LASTING."""


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """A call that was begun, or refused. `inner`: it was part of another call."""

    call: str
    caller: str
    at: datetime
    hosts: Collection[str]
    changes: bool
    """Whether it was more than a read or a preview."""
    inner: bool
    refused: str | None
    """The code of why it was; None of one that was begun."""


Attempts = Callable[[datetime], Iterable[Attempt]]
"""What tells of all attempts since a time, in their order."""


def of_caller(policy: Policy, caller: str) -> LimitsOfCaller:
    return policy.callers.get(caller) or policy.callers.get(OTHERS) or LimitsOfCaller()


def of_host(policy: Policy, host: Host) -> LimitsOfHost:
    """The limits of the first word that means the host; where its tags are not known, the
    smallest that may.
    """
    words = {OTHERS, *policy.words(host)}
    may: list[LimitsOfHost] = []
    for word, limits in policy.hosts.items():
        if word in words or (word.startswith(TAG) and not host.tags_are_known):
            may.append(limits)
        if word in words:
            break
    if len(may) <= 1:
        return may[0] if may else LimitsOfHost()
    given = {
        what: [limit for one in may if (limit := getattr(one, what)) is not None]
        for what in LASTING
    }
    return LimitsOfHost(**{what: min(limits) for what, limits in given.items() if limits})


def check_hosts_per_call(policy: Policy, *, caller: str, hosts: int) -> None:
    """Raises TooManyHosts for a call that is for more hosts than the policy lets the caller
    call at once.
    """
    most = of_caller(policy, caller).hosts_per_call
    if most is not None and hosts > most:
        raise TooManyHosts(
            f"The call is for {hosts} hosts, and the policy lets {caller} call {most} at once."
        )


def check_limits(
    policy: Policy,
    *,
    caller: str,
    hosts: Sequence[Host],
    changes: bool,
    now: datetime,
    attempts: Attempts,
    inner: bool = False,
) -> None:
    """Raises LimitReached with the seconds after which the call would be within all limits.

    `changes`: the call is more than a read or a preview. `inner`: it is part of another
    call, which was counted. To be called with the `attempts` that the transaction reads
    which records the call's start: otherwise two calls at once could both be the last one.
    """
    limits = {
        (whose, what): limit
        for (whose, what), limit in _limits(policy, caller, hosts).items()
        if (changes or what != CHANGES)
        and not (inner and (whose, what) == (_the_caller(caller), CALLS))
    }
    if not limits:
        return
    since = now - max(LASTING[what] for _, what in limits)
    done = _done(attempts(since), caller=caller, hosts={host.name for host in hosts})
    over = []
    for (whose, what), limit in limits.items():
        times = sorted(at for at in done.get((whose, what), ()) if at > now - LASTING[what])
        if len(times) >= limit:
            over.append((times[-limit] + LASTING[what] - now, whose, what, limit))
    if over:
        wait, whose, what, limit = max(over)
        made, _, period = what.replace("_", " ").partition(" per ")
        raise LimitReached(
            f"The policy allows {limit} {made} per {period} for {whose}, and so many were made.",
            retry_after_s=max(1, math.ceil(wait.total_seconds())),
        )


def _limits(policy: Policy, caller: str, hosts: Sequence[Host]) -> dict[Limited, int]:
    """How many of what is counted there may be."""
    whose = [(_the_caller(caller), of_caller(policy, caller))]
    each: list[tuple[str, LimitsOfHost]] = [
        *whose,
        *((_the_host(host.name), of_host(policy, host)) for host in hosts),
    ]
    limits = {(who, what): getattr(limited, what) for who, limited in each for what in LASTING}
    return {key: limit for key, limit in limits.items() if limit is not None}


def _done(
    attempts: Iterable[Attempt], *, caller: str, hosts: Collection[str]
) -> Mapping[Limited, Sequence[datetime]]:
    """When this caller, and any caller on these hosts, did what is counted.

    A call that is part of another one reaches its hosts as any other, and is none of its
    caller's own. One that was refused is its caller's; one that was over a limit is not, so
    that who waits is let in again.
    """
    began: set[str] = set()
    done: dict[Limited, list[datetime]] = {}
    for attempt in attempts:
        own = attempt.caller == caller
        if attempt.refused is not None:
            counts = own and not attempt.inner and attempt.call not in began
            if counts and attempt.refused not in OVER:
                done.setdefault((_the_caller(caller), CALLS), []).append(attempt.at)
            continue
        began.add(attempt.call)
        reached = [host for host in attempt.hosts if host in hosts]
        counted = [(_the_host(host), CALLS) for host in reached]
        if attempt.changes and attempt.hosts:
            counted += [(_the_host(host), CHANGES) for host in reached]
            counted += [(_the_caller(caller), CHANGES)] if own else []
        if own and not attempt.inner:
            counted.append((_the_caller(caller), CALLS))
        for key in counted:
            done.setdefault(key, []).append(attempt.at)
    return done


def _the_caller(name: str) -> str:
    return f"the caller {name}"


def _the_host(name: str) -> str:
    return f"the host {name}"
