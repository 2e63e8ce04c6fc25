"""VPSes of mikr.us, which its API leads to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field, SecretStr, model_validator

from playrail.settings.entry_fields import ApiUrl, Secret
from playrail.settings.ssh_server import SshServer
from playrail.settings.state import pace_directory
from playrail.settings.target import Entry, Unsafe, Warned, secret_reference

if TYPE_CHECKING:
    from playrail.settings.settings import Settings

API_URL = "https://api.mikr.us"
WAIT_S = 120.0  # for a turn, more than once: the API takes few requests per minute


class MikrusServer(Entry):
    """A VPS of mikr.us; `srv` is its name there. An entry that has an SSH server's fields
    as well is reached over SSH for all that is not a matter of the API.
    """

    kind: ClassVar[str] = "mikrus"
    title: ClassVar[str] = "mikr.us"
    way: ClassVar[str] = "the mikr.us API"
    own_connection: ClassVar[str | None] = "mikrus_exec"

    key: Secret
    srv: str = Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}\z")
    api_url: ApiUrl = API_URL
    ssh: SshServer | None = None

    @model_validator(mode="before")
    @classmethod
    def _with_ssh(cls, fields: dict[str, object]) -> dict[str, object]:
        if "ssh" in fields:
            raise ValueError("the fields of SSH stand beside key and srv, not in a field ssh")
        own = set(cls.model_fields)
        ssh = {
            name: value
            for name, value in fields.items()
            if name in SshServer.model_fields and name not in own
        }
        rest = {name: value for name, value in fields.items() if name not in ssh}
        return {**rest, "ssh": ssh} if ssh else rest

    @property
    def needs_playrail(self) -> bool:
        return self.ssh is None

    @property
    def connect_timeout_s(self) -> float:
        return WAIT_S if self.ssh is None else self.ssh.connect_timeout_s

    def turn_s(self, settings: Settings) -> float:
        return settings.mikrus_rate[1] if self.ssh is None else 0.0

    def secrets(self) -> Mapping[str, SecretStr]:
        return {"key": self.key, **({} if self.ssh is None else self.ssh.secrets())}

    def play_secrets(self) -> Mapping[str, SecretStr]:
        return self.secrets() if self.ssh is None else self.ssh.secrets()

    def warnings(self) -> Sequence[Warned]:
        return () if self.ssh is None else self.ssh.warnings()

    @classmethod
    def field_names(cls) -> Sequence[str]:
        return [*(name for name in cls.model_fields if name != "ssh"), "and those of type ssh"]

    def variables(self, name: str, settings: Settings) -> dict[str, object]:
        """What plugins/connection/mikrus_exec.py reads, where SSH does not lead to it.
        Commands run as root there.
        """
        if self.ssh is not None:
            return self.ssh.variables(name, settings)
        requests, window_s = settings.mikrus_rate
        return {
            "ansible_connection": self.own_connection,
            "ansible_mikrus_srv": Unsafe(self.srv),
            "ansible_mikrus_url": Unsafe(self.api_url),
            "ansible_mikrus_key": secret_reference(name, "key"),
            "ansible_mikrus_rate": f"{requests}/{window_s}",
            "ansible_mikrus_pace_dir": Unsafe(pace_directory(settings.state_dir)),
            # Ansible would look for one, with two requests of the few that there are.
            "ansible_python_interpreter": "/usr/bin/python3",
            "ansible_remote_tmp": "/root/.ansible/tmp",  # it would ask where the home directory is
            "ansible_become": False,
        }
