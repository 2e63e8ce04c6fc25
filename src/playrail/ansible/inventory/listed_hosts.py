"""The hosts and groups that `ansible-inventory --list` told of."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from playrail.ansible.inventory.notes import notes_of
from playrail.ansible.reads.variables import text_of
from playrail.hosts import TAGS, Host, Hosts
from playrail.settings.targets import own_connections

_TIER = ("playrail_tier", "tier")  # the first of these that a host has counts, whatever it says
# What Ansible's `hosts:` may take for a pattern
_PATTERN = re.compile(r"^-|[:,*?\[\]!&~@{}%\s\x00-\x1f\x7f]")
_TEMPLATE = re.compile(r"\{\{|\{%|\{#")

T = TypeVar("T")


def read_listing(listing: Mapping[str, Any]) -> Hosts:
    """Read the hosts and groups in what `ansible-inventory --list` prints. Other variables
    of a host are not kept.
    """
    groups: dict[str, tuple[str, ...]] = {}
    _collect("all", listing, groups)
    variables = listing.get("_meta", {}).get("hostvars", {})
    names = dict.fromkeys([*groups["all"], *variables])
    groups["all"] = tuple(names)
    notes = notes_of(listing)
    patterns = {name: reason for name in names if (reason := _refusal(name)) is not None}
    belongs: dict[str, list[str]] = {name: [] for name in names}
    for group, members in groups.items():
        for member in members:
            belongs[member].append(group)
    every = {
        name: _host(
            name, variables.get(name, {}), tuple(group for group in belongs[name] if group != "all")
        )
        for name in names
    }
    hosts = {name: host for name, host in every.items() if name not in patterns}
    return Hosts(
        hosts=hosts,
        groups=groups,
        refused={**notes.broken, **patterns},
        mends={name: mend for name, mend in notes.mends.items() if name not in patterns},
        tags_of_refused={name: every[name].tags for name in patterns if every[name].tags},
        other_tags=tuple(name for name in names if _has_other_tags(variables.get(name, {}))),
        unread=notes.unread,
    )


def _collect(
    group: str, listing: Mapping[str, Any], groups: dict[str, tuple[str, ...]]
) -> tuple[str, ...]:
    """Put `group` and the groups below it into `groups`; Ansible leaves empty groups out of
    its listing.
    """
    if group not in groups:
        # Keeps the order of the listing; also the end of a cycle, if Ansible ever let one
        # through
        groups[group] = ()
        entry = listing.get(group, {})
        below = [
            name for child in entry.get("children", ()) for name in _collect(child, listing, groups)
        ]
        groups[group] = tuple(dict.fromkeys([*entry.get("hosts", ()), *below]))
    return groups[group]


def _refusal(name: str) -> str | None:
    if not name or (_PATTERN.search(name) and not _is_ipv6(name)):
        return (
            "Ansible reads its name as a pattern; give it an alias in the inventory and its "
            "address in ansible_host."
        )
    return None


def _has_other_tags(variables: Mapping[str, Any]) -> bool:
    return "playrail_tags" not in variables and not isinstance(variables.get("tags"), list | None)


def _is_ipv6(name: str) -> bool:
    """Whether the name is an IPv6 address, which Ansible takes for a name and not for a
    pattern with colons.
    """
    try:
        return "%" not in name and bool(ipaddress.IPv6Address(name))
    except ValueError:
        return False


def _host(name: str, variables: Mapping[str, Any], groups: tuple[str, ...]) -> Host:
    def first(*keys: str) -> str | None:
        return next(
            (text for key in keys if (text := _plain(variables.get(key))) is not None), None
        )

    connection = first("ansible_connection") or "ssh"
    port = first("ansible_port", "ansible_ssh_port")
    templated = any(
        _plain(variables[key]) is None
        for key in ("ansible_host", "ansible_ssh_host")
        if key in variables
    )
    nowhere = templated or connection == "local" or connection in own_connections()
    tier, unread_tier = _said(variables, _TIER, _word)
    tags, unread_tags = _said(variables, TAGS, _words)
    return Host(
        name=name,
        groups=groups,
        address=None if nowhere else first("ansible_host", "ansible_ssh_host") or name,
        port=int(port) if port and port.isascii() and port.isdigit() else None,
        user=first("ansible_user", "ansible_ssh_user"),
        connection=connection,
        tier=tier,
        tags=tags or (),
        unread=(*unread_tier, *unread_tags),
    )


def _said(
    variables: Mapping[str, Any], names: Sequence[str], read: Callable[[object], T | None]
) -> tuple[T | None, tuple[str, ...]]:
    """What the first of the variables that is there says, and its name if that cannot be
    read.
    """
    name = next((name for name in names if name in variables), None)
    if name is None:
        return None, ()
    found = read(variables[name])
    return found, (name,) if found is None else ()


def _word(value: object) -> str | None:
    """A tier or a tag: a text as it was written. Of a number or a truth value it is not
    known how that was.
    """
    text = None if isinstance(value, int) else _plain(value)
    return text if text and text == text.strip() else None


def _words(value: object) -> tuple[str, ...] | None:
    """The tags of a list, all or none."""
    found = [_word(item) for item in value] if isinstance(value, list) else [None]
    words = tuple(word for word in found if word is not None)
    return words if len(words) == len(found) else None


def _plain(value: object) -> str | None:
    """Return the text of a variable when it is one already: no template, nothing encrypted,
    no structure.
    """
    text = None if isinstance(value, bool) else text_of(value)
    is_template = text is not None and not isinstance(value, dict) and _TEMPLATE.search(text)
    return None if is_template else text
