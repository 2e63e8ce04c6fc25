"""What a policy says and the inventory does not bear out: told at every start, and by
`playrail policy check`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping

from playrail.hosts import TAG, Hosts
from playrail.policy.rules import OTHERS, PRODUCTION, Policy
from playrail.settings.servers import shown

GROUP = "group:"


def doubts(policy: Policy, known: Hosts) -> Iterator[str]:
    """A sentence for each word that means no host now, and for each host that it may mean
    and cannot tell.
    """
    yield from _without_host(policy, known)
    for host in known.hosts.values():
        for name in host.unread:
            counts = (
                "it counts as one that may have any tag"
                if "tags" in name
                else f"it counts as {PRODUCTION}"
            )
            yield f"the host {shown(host.name)}: {name} cannot be read, so {counts}"
        if host.tier is not None and host.tier not in policy.tiers:
            what = f"{shown(host.tier)} is no tier of the policy, so it counts as {PRODUCTION}"
            yield f"the host {shown(host.name)}: {what}{_nearest(host.tier, policy.tiers)}"


def _without_host(policy: Policy, known: Hosts) -> Iterator[str]:
    words = {word for host in known.hosts.values() for word in policy.words(host)}
    words |= {f"tier:{tier}" for tier in policy.tiers}
    listed: Mapping[str, tuple[str, ...]] = {
        **{f"the rule {rule.name!r} (line {rule.line})": rule.hosts for rule in policy.rules},
        "the limits of hosts": tuple(word for word in policy.hosts if word != OTHERS),
    }
    for where, meant in listed.items():
        for word in meant:
            if word not in words:
                mend = _mend(word, words, known)
                yield f"{where}: {word} means no host of the inventory now{mend}"


def _mend(word: str, words: set[str], known: Hosts) -> str:
    if word in known.groups:
        return f"; the group is {GROUP}{word}"
    if TAG + word in words:
        return f"; the tag is {TAG}{word}"
    return _nearest(word, words)


def _nearest(word: str, words: set[str] | tuple[str, ...]) -> str:
    other_case = [one for one in words if one.casefold() == word.casefold()]
    near = other_case or difflib.get_close_matches(word, sorted(words), n=1, cutoff=0.75)
    return f"; did you mean {near[0]}?" if near else ""
