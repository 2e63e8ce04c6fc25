"""What a kind of server is: how an entry of it is read, and how its servers are reached.

A kind is a class that has all of `Target`, and a line in targets.py. Nothing else knows it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, NamedTuple, Protocol, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from playrail.settings.entry_fields import Tags

if TYPE_CHECKING:
    from playrail.settings.settings import Settings
    from playrail.settings.ssh_server import SshServer


class Unsafe(str):
    """A text that Ansible never takes for a template."""

    __slots__ = ()


class Warned(NamedTuple):
    """What is doubtful about a server, and how to mend it."""

    found: str
    mend: str


class Target(Protocol):
    """One server that the settings name."""

    kind: ClassVar[str]
    """What `type` of an entry says, and list_configured_servers."""
    title: ClassVar[str]
    """The kind for people: `mikr.us`."""
    way: ClassVar[str]
    """What leads to it, for people: `the mikr.us API`."""
    own_connection: ClassVar[str | None]
    """The connection plugin of Playrail's own that leads to servers of this kind. It needs no
    address, and says why it failed as `TITLE [code seconds]: sentence`.
    """

    @property
    def tags(self) -> tuple[str, ...]: ...
    @property
    def tier(self) -> str | None: ...
    @property
    def ssh(self) -> SshServer | None:
        """How it is reached over SSH; None when it is not."""

    @property
    def needs_playrail(self) -> bool:
        """Whether only a connection plugin of Playrail's own leads to it."""

    @property
    def connect_timeout_s(self) -> float:
        """Seconds after which a connection is given up."""

    def turn_s(self, settings: Settings) -> float:
        """Seconds that one request to it may have to wait until it may be made."""

    def variables(self, name: str, settings: Settings) -> Mapping[str, object]:
        """How Ansible reaches it, with `secret_reference` in place of secrets."""

    def secrets(self) -> Mapping[str, SecretStr]:
        """All its secrets: no record, log or answer may have them."""

    def play_secrets(self) -> Mapping[str, SecretStr]:
        """Those that its variables refer to."""

    def warnings(self) -> Sequence[Warned]:
        """What the log says of it at the start, and `playrail doctor`."""

    @classmethod
    def field_names(cls) -> Sequence[str]:
        """What an entry may hold, for people."""

    @classmethod
    def model_validate(cls, obj: object, *, context: Mapping[str, object] | None = None) -> Self:
        """Reads an entry without its type. `context`: `home`, and whether there is an `agent`.
        Raises pydantic's ValidationError.
        """


class Entry(BaseModel):
    """What entries of every kind have, and what holds of most kinds."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", hide_input_in_errors=True)

    tags: Tags = ()
    """Words by which a caller can choose servers: `tag:web`."""
    tier: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}\z")
    """What a policy may mean it by, such as staging; left out counts as production."""

    own_connection: ClassVar[str | None] = None

    @property
    def needs_playrail(self) -> bool:
        return False

    def turn_s(self, settings: Settings) -> float:  # noqa: ARG002  see Target
        return 0.0

    def play_secrets(self) -> Mapping[str, SecretStr]:
        return self.secrets()

    def secrets(self) -> Mapping[str, SecretStr]:
        return {}

    def warnings(self) -> Sequence[Warned]:
        return ()

    @classmethod
    def field_names(cls) -> Sequence[str]:
        return list(cls.model_fields)


def secret_reference(name: str, secret: str) -> str:
    """A template of a server's secret, which plays get in a variable of their own. The name
    is safe between quotes: servers.py lets no other names through.
    """
    return f"{{{{ playrail_secrets['{name}'].{secret} }}}}"
