"""The hosts and groups that `ansible-inventory --list` told of, and how a caller's words become host names."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from playrail.ansible.notes import notes_of
from playrail.errors import Problem, ServerMisconfigured, ServerRequired, UnknownServer
from playrail.settings.servers import shown
from playrail.settings.settings import Settings

_WITHOUT_ADDRESS = ("local", "mikrus_exec")
_TIER = ("playrail_tier", "tier")  # the first of these that a host has counts, whatever it says
_TAGS = ("playrail_tags", "tags")
TAG = "tag:"  # before a tag, where a server is named

_PATTERN = re.compile(r"^-|[:,*?\[\]!&~@{}%\s\x00-\x1f\x7f]")  # what Ansible's `hosts:` may take for a pattern
_TEMPLATE = re.compile(r"\{\{|\{%|\{#")
NAME_REMEDY = "The operator has to give it another name in the inventory, and its address in ansible_host."
_LISTED = 100  # names in an error's data
_NAMED = 10  # names in an error's sentence
_CUT = 100  # characters of a caller's word that come back to them

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Host:
    """One host of the inventory. What a template decides at run time (an address, say) is None here."""

    name: str
    groups: tuple[str, ...]
    address: str | None = None
    port: int | None = None
    user: str | None = None
    connection: str = "ssh"
    tier: str | None = None
    """What the inventory says in `playrail_tier`, or else in `tier`; policy counts None as production."""
    tags: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    """The variables that say a tier or tags in a way that cannot be read: a template, something encrypted, tags
    that are no list of texts. Policy counts the host as production, or as one that may have any tag."""

    @property
    def tags_are_known(self) -> bool:
        return not {*_TAGS}.intersection(self.unread)


@dataclass(frozen=True, kw_only=True)
class Hosts:
    """What one reading of the inventory found. A group holds the hosts of its children too."""

    hosts: Mapping[str, Host]
    groups: Mapping[str, tuple[str, ...]]
    refused: Mapping[str, str] = field(default_factory=dict)
    """Hosts that cannot be used, with the reason: their name is a pattern, or their variables cannot be read. Only the
    second are in `hosts` too, as far as they are known."""
    mends: Mapping[str, str] = field(default_factory=dict)
    """What the operator has to do about those of them whose reason has a remedy of its own."""
    tags_of_refused: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The tags of those that are not in `hosts`."""
    other_tags: tuple[str, ...] = ()
    """Hosts whose `tags` are not a list (a cloud's are a mapping) and that have no `playrail_tags`: they have none."""
    unread: Mapping[str, str] = field(default_factory=dict)
    """Files of the inventory that no plugin reads, with the reason."""

    def resolve(self, wanted: str | Sequence[str] | None, settings: Settings) -> tuple[str, ...]:
        """Return the hosts meant by a name, a group, a tag or a list of them; None means the default or the only host.

        Order is kept, nothing comes twice. A name that is both a host and a group is the host, as it is for Ansible.
        Hosts that cannot be used are left out when there are others: `unusable` tells them, and so has to whoever
        calls this. Raises UnknownServer, ServerMisconfigured, ServerRequired.
        """
        if wanted is None:
            return self._default(settings)
        words = [wanted] if isinstance(wanted, str) else list(dict.fromkeys(wanted))
        if not words:
            raise ServerRequired(f"The list of servers is empty; {self._there_are()}", data=self._names())
        unknown = [word for word in words if self._meant(word, settings) is None]
        if unknown:
            raise UnknownServer(
                f"No server, group or tag is named {_quoted(unknown)}; {self._there_are()}",
                data={"unknown": [word[:_CUT] for word in unknown[:_LISTED]], **self._names()},
            )
        for word in words:
            if not self._meant(word, settings):
                raise UnknownServer(
                    f"The group {shown(word)} has no hosts; {self._there_are()}",
                    data={"unknown": [word[:_CUT]], **self._names()},
                )
        members = self._members(words, settings)
        usable = tuple(name for name in members if self._flaw(name, settings) is None)
        if not usable and (flaw := self._flaw(members[0], settings)) is not None:
            raise flaw
        return usable

    def unusable(self, wanted: str | Sequence[str] | None, settings: Settings) -> dict[str, Problem]:
        """Of the hosts that the words mean, those that `resolve` leaves out, each with the reason."""
        words = [wanted or settings.default_server or ""] if isinstance(wanted, str | None) else list(wanted)
        members = self._members(words, settings)
        found = {name: flaw.problem for name in members if (flaw := self._flaw(name, settings)) is not None}
        return found if len(found) < len(members) else {}

    def _members(self, words: Sequence[str], settings: Settings) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for word in words for name in self._meant(word, settings) or ()))

    def _meant(self, word: str, settings: Settings) -> tuple[str, ...] | None:
        """The hosts that a word means, None when it means nothing. A group may be empty.

        A tag means servers that cannot be used as well: whoever chooses by it must know that they are missing.
        """
        if word in self.hosts or self._flaw(word, settings) is not None:
            return (word,)
        if word.startswith(TAG):
            usable = {name: host.tags for name, host in self.hosts.items()}
            tagged = {**usable, **self.tags_of_refused, **_tags_of_failed(settings)}
            return tuple(name for name, tags in tagged.items() if word.removeprefix(TAG) in tags) or None
        return self.groups.get(word)

    def _default(self, settings: Settings) -> tuple[str, ...]:
        default = settings.default_server
        if default is not None:
            try:
                return self.resolve(default, settings)
            except UnknownServer as error:
                raise ServerMisconfigured(
                    f"The default server {shown(default)} is neither in the settings nor in the inventory",
                    hint="Pass `server` with one of the names listed in data.servers; the operator has to mend the "
                    "default (MCP_DEFAULT_SERVER).",
                    data=error.data,
                ) from error
        if len(self.hosts) == 1 and not self.refused:
            return tuple(self.hosts)
        raise ServerRequired(f"Which server? {self._there_are()}", data=self._names())

    def _flaw(self, word: str, settings: Settings) -> ServerMisconfigured | None:
        """Why a server cannot be used. A failed entry stays failed even if an inventory has a host of that name."""
        reason, hint = None, None
        if word in settings.failed_servers:
            reason = settings.failed_servers[word].reason
        elif word in self.refused:
            reason, hint = self.refused[word], f"{self.mends.get(word, NAME_REMEDY)} Other servers are not affected."
        elif word not in self.hosts and word not in self.groups and word in settings.servers:
            reason = "It could not be found in the inventory that Playrail made."
        if reason is None:
            return None
        return ServerMisconfigured(f"The server {shown(word)} cannot be used: {reason}", hint=hint)

    def _there_are(self) -> str:
        names = [*self.hosts, *(group for group in self.groups if group not in self.hosts)]
        if not names:
            return "there are none"
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        return f"there are {', '.join(names[:_NAMED])}{more}"

    def _names(self) -> dict[str, list[str]]:
        tags = dict.fromkeys(tag for host in self.hosts.values() for tag in host.tags)
        return {
            "servers": list(self.hosts)[:_LISTED],
            "groups": list(self.groups)[:_LISTED],
            **({"tags": [f"{TAG}{tag}" for tag in tags][:_LISTED]} if tags else {}),
        }


def _tags_of_failed(settings: Settings) -> dict[str, tuple[str, ...]]:
    return {name: failed.tags for name, failed in settings.failed_servers.items()}


def read_listing(listing: Mapping[str, Any]) -> Hosts:
    """Read the hosts and groups in what `ansible-inventory --list` prints. Other variables of a host are not kept."""
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
        name: _host(name, variables.get(name, {}), tuple(group for group in belongs[name] if group != "all"))
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


def _collect(group: str, listing: Mapping[str, Any], groups: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Put `group` and the groups below it into `groups`; Ansible leaves empty groups out of its listing."""
    if group not in groups:
        groups[group] = ()  # keeps the order of the listing; also the end of a cycle, if Ansible ever let one through
        entry = listing.get(group, {})
        below = [name for child in entry.get("children", ()) for name in _collect(child, listing, groups)]
        groups[group] = tuple(dict.fromkeys([*entry.get("hosts", ()), *below]))
    return groups[group]


def _refusal(name: str) -> str | None:
    if not name or (_PATTERN.search(name) and not _is_ipv6(name)):
        return "Ansible reads its name as a pattern; give it an alias in the inventory and its address in ansible_host."
    return None


def _has_other_tags(variables: Mapping[str, Any]) -> bool:
    return "playrail_tags" not in variables and not isinstance(variables.get("tags"), list | None)


def _is_ipv6(name: str) -> bool:
    """Whether the name is an IPv6 address, which Ansible takes for a name and not for a pattern with colons."""
    try:
        return "%" not in name and bool(ipaddress.IPv6Address(name))
    except ValueError:
        return False


def _host(name: str, variables: Mapping[str, Any], groups: tuple[str, ...]) -> Host:
    def first(*keys: str) -> str | None:
        return next((text for key in keys if (text := _plain(variables.get(key))) is not None), None)

    connection = first("ansible_connection") or "ssh"
    port = first("ansible_port", "ansible_ssh_port")
    templated = any(_plain(variables[key]) is None for key in ("ansible_host", "ansible_ssh_host") if key in variables)
    nowhere = templated or connection in _WITHOUT_ADDRESS
    tier, unread_tier = _said(variables, _TIER, _word)
    tags, unread_tags = _said(variables, _TAGS, _words)
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
    """What the first of the variables that is there says, and its name if that cannot be read."""
    name = next((name for name in names if name in variables), None)
    if name is None:
        return None, ()
    found = read(variables[name])
    return found, (name,) if found is None else ()


def _word(value: object) -> str | None:
    """A tier or a tag: a text as it was written. Of a number or a truth value it is not known how that was."""
    text = None if isinstance(value, int) else _plain(value)
    return text if text and text == text.strip() else None


def _words(value: object) -> tuple[str, ...] | None:
    """The tags of a list, all or none."""
    found = [_word(item) for item in value] if isinstance(value, list) else [None]
    words = tuple(word for word in found if word is not None)
    return words if len(words) == len(found) else None


def _plain(value: object) -> str | None:
    """Return the text of a variable when it is one already: no template, nothing encrypted, no structure."""
    text = None if isinstance(value, bool) else text_of(value)
    is_template = text is not None and not isinstance(value, dict) and _TEMPLATE.search(text)
    return None if is_template else text


def text_of(value: object) -> str | None:
    """Return the text of a variable, a template as it is; None of a structure, or what is encrypted."""
    if isinstance(value, dict):  # how the listing marks a text that is never a template
        value = value.get("__ansible_unsafe")
    return str(value) if isinstance(value, str | int) else None


def _quoted(words: Sequence[str]) -> str:
    more = f" and {len(words) - _NAMED} more" if len(words) > _NAMED else ""
    return ", ".join(map(shown, words[:_NAMED])) + more
