"""The hosts and groups of an inventory, and how a caller's words become host names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from playrail.errors import Problem, ServerMisconfigured, ServerRequired, UnknownServer
from playrail.settings.servers import shown
from playrail.settings.settings import Settings

TAGS = ("playrail_tags", "tags")
TAG = "tag:"  # before a tag, where a server is named

NAME_REMEDY = (
    "The operator has to give it another name in the inventory, and its address in ansible_host."
)
_LISTED = 100  # names in an error's data
_NAMED = 10  # names in an error's sentence
_CUT = 100  # characters of a caller's word that come back to them


@dataclass(frozen=True, kw_only=True)
class Host:
    """One host of the inventory. What a template decides at run time (an address, say) is
    None here.
    """

    name: str
    groups: tuple[str, ...]
    address: str | None = None
    port: int | None = None
    user: str | None = None
    connection: str = "ssh"
    tier: str | None = None
    """What the inventory says in `playrail_tier`, or else in `tier`; policy counts None as
    production.
    """
    tags: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    """The variables that say a tier or tags in a way that cannot be read: a template,
    something encrypted, tags that are no list of texts. Policy counts the host as
    production, or as one that may have any tag.
    """

    @property
    def tags_are_known(self) -> bool:
        return not {*TAGS}.intersection(self.unread)


@dataclass(frozen=True, kw_only=True)
class Hosts:
    """What one reading of the inventory found. A group holds the hosts of its children too."""

    hosts: Mapping[str, Host]
    groups: Mapping[str, tuple[str, ...]]
    refused: Mapping[str, str] = field(default_factory=dict)
    """Hosts that cannot be used, with the reason: their name is a pattern, or their
    variables cannot be read. Only the second are in `hosts` too, as far as they are known.
    """
    mends: Mapping[str, str] = field(default_factory=dict)
    """What the operator has to do about those of them whose reason has a remedy of its own.
    """
    tags_of_refused: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The tags of those that are not in `hosts`."""
    other_tags: tuple[str, ...] = ()
    """Hosts whose `tags` are not a list (a cloud's are a mapping) and that have no
    `playrail_tags`: they have none.
    """
    unread: Mapping[str, str] = field(default_factory=dict)
    """Files of the inventory that no plugin reads, with the reason."""

    def resolve(self, wanted: str | Sequence[str] | None, settings: Settings) -> tuple[str, ...]:
        """Return the hosts meant by a name, a group, a tag or a list of them; None means
        the default or the only host.

        Order is kept, nothing comes twice. A name that is both a host and a group is the
        host, as it is for Ansible. Hosts that cannot be used are left out when there are
        others: `unusable` tells them, and so has to whoever calls this. Raises
        UnknownServer, ServerMisconfigured, ServerRequired.
        """
        if wanted is None:
            return self._default(settings)
        words = [wanted] if isinstance(wanted, str) else list(dict.fromkeys(wanted))
        if not words:
            raise ServerRequired(
                f"The list of servers is empty; {self._there_are()}", data=self._names()
            )
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

    def unusable(
        self, wanted: str | Sequence[str] | None, settings: Settings
    ) -> dict[str, Problem]:
        """Of the hosts that the words mean, those that `resolve` leaves out, each with the
        reason.
        """
        words = (
            [wanted or settings.default_server or ""]
            if isinstance(wanted, str | None)
            else list(wanted)
        )
        members = self._members(words, settings)
        found = {
            name: flaw.problem
            for name in members
            if (flaw := self._flaw(name, settings)) is not None
        }
        return found if len(found) < len(members) else {}

    def _members(self, words: Sequence[str], settings: Settings) -> tuple[str, ...]:
        return tuple(
            dict.fromkeys(name for word in words for name in self._meant(word, settings) or ())
        )

    def _meant(self, word: str, settings: Settings) -> tuple[str, ...] | None:
        """The hosts that a word means, None when it means nothing. A group may be empty.

        A tag means servers that cannot be used as well: whoever chooses by it must know
        that they are missing.
        """
        if word in self.hosts or self._flaw(word, settings) is not None:
            return (word,)
        if word.startswith(TAG):
            usable = {name: host.tags for name, host in self.hosts.items()}
            tagged = {**usable, **self.tags_of_refused, **_tags_of_failed(settings)}
            return (
                tuple(name for name, tags in tagged.items() if word.removeprefix(TAG) in tags)
                or None
            )
        return self.groups.get(word)

    def _default(self, settings: Settings) -> tuple[str, ...]:
        default = settings.default_server
        if default is not None:
            try:
                return self.resolve(default, settings)
            except UnknownServer as error:
                raise ServerMisconfigured(
                    (
                        f"The default server {shown(default)} is neither in the settings nor "
                        "in the inventory"
                    ),
                    hint=(
                        "Pass `server` with one of the names listed in data.servers; the "
                        "operator has to mend the "
                        "default (MCP_DEFAULT_SERVER)."
                    ),
                    data=error.data,
                ) from error
        if len(self.hosts) == 1 and not self.refused:
            return tuple(self.hosts)
        raise ServerRequired(f"Which server? {self._there_are()}", data=self._names())

    def _flaw(self, word: str, settings: Settings) -> ServerMisconfigured | None:
        """Why a server cannot be used. A failed entry stays failed even if an inventory has
        a host of that name.
        """
        reason, hint = None, None
        if word in settings.failed_servers:
            reason = settings.failed_servers[word].reason
        elif word in self.refused:
            reason, hint = (
                self.refused[word],
                f"{self.mends.get(word, NAME_REMEDY)} Other servers are not affected.",
            )
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


def _quoted(words: Sequence[str]) -> str:
    more = f" and {len(words) - _NAMED} more" if len(words) > _NAMED else ""
    return ", ".join(map(shown, words[:_NAMED])) + more
