"""Servers that are reached over SSH."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Self

from pydantic import Field, SecretStr

from playrail.settings.entry_fields import (
    HostAddress,
    OptionalFile,
    OptionalSecret,
    PrivateKey,
    UserName,
)
from playrail.settings.target import Entry, Unsafe, Warned, secret_reference

if TYPE_CHECKING:
    from playrail.settings.settings import Settings


class SshServer(Entry):
    """A server that is reached over SSH. `become` left out means: with sudo when a sudo
    password is given.
    """

    kind: ClassVar[str] = "ssh"
    title: ClassVar[str] = "SSH"
    way: ClassVar[str] = "SSH"

    host: HostAddress
    port: int = Field(default=22, ge=1, le=65535)
    user: UserName = "root"
    ssh_key: PrivateKey = None
    ssh_cert: OptionalFile = None
    password: OptionalSecret = None
    sudo_password: OptionalSecret = None
    become: bool | None = None
    timeout: int = Field(default=30, ge=1, le=3600)  # seconds until a connection counts as failed
    verify_host_key: bool = True
    known_hosts_file: OptionalFile = None

    @property
    def becomes(self) -> bool | None:
        """Whether Ansible uses sudo on this server; None leaves it to the playbook."""
        return True if self.become is None and self.sudo_password else self.become

    @property
    def ssh(self) -> Self:
        return self

    @property
    def connect_timeout_s(self) -> float:
        return self.timeout

    def secrets(self) -> Mapping[str, SecretStr]:
        pair = {"password": self.password, "sudo_password": self.sudo_password}
        return {name: secret for name, secret in pair.items() if secret is not None}

    def warnings(self) -> Sequence[Warned]:
        if self.verify_host_key:
            return ()
        mend = (
            f"Run `ssh-keyscan -p {self.port} {self.host}`, compare with the server's own "
            "keys, keep them in known_hosts, and leave verify_host_key out."
        )
        return (Warned("its host key is not verified", mend),)

    def variables(self, name: str, settings: Settings) -> dict[str, object]:  # noqa: ARG002
        arguments = Unsafe(shlex.join(self._arguments()))
        # Ansible shares a connection between all hosts with the same address, port and user.
        # Two entries that differ in key or in host-key checking must not: the second would be
        # in with the credentials of the first.
        identity = hashlib.sha256(f"{name}\n{self!r}".encode()).hexdigest()[:12]
        variables: dict[str, object] = {
            "ansible_connection": "ssh",
            "ansible_host": Unsafe(self.host),
            "ansible_port": self.port,
            "ansible_user": Unsafe(self.user),
            "ansible_ssh_timeout": self.timeout,
            "ansible_host_key_checking": self.verify_host_key,
            "ansible_control_path": Unsafe(f"%(directory)s/{identity}"),
            # Not ansible_ssh_common_args: that is where people put their jump hosts, in
            # group_vars or ansible.cfg.
            "ansible_ssh_extra_args": arguments,
            "ansible_sftp_extra_args": arguments,
            "ansible_scp_extra_args": arguments,
        }
        if self.ssh_key:
            variables["ansible_ssh_private_key_file"] = Unsafe(self.ssh_key)
        if self.becomes is not None:
            variables["ansible_become"] = self.becomes
        if self.password:
            variables["ansible_password"] = secret_reference(name, "password")
        if self.sudo_password:
            variables["ansible_become_password"] = secret_reference(name, "sudo_password")
        return variables

    def _arguments(self) -> list[str]:
        """Options for ssh. Paths hold nothing that ssh would expand (entry_fields.py) and are
        quoted for spaces.
        """
        options = []
        if self.ssh_cert:
            options.append(f'CertificateFile="{self.ssh_cert}"')
        if self.ssh_key:
            options.append("IdentitiesOnly=yes")
        if not self.verify_host_key:
            options += [
                "UserKnownHostsFile=/dev/null",
                "GlobalKnownHostsFile=/dev/null",
                "LogLevel=ERROR",
            ]
        elif self.known_hosts_file:
            options.append(f'UserKnownHostsFile="{self.known_hosts_file}"')
        if not self.password:
            # ansible-runner gives ssh a terminal, and a question there waits for ever
            options.append("BatchMode=yes")
        elif self.ssh_key or self.ssh_cert:
            options.append("PreferredAuthentications=publickey,password,keyboard-interactive")
        else:
            options += [
                "PreferredAuthentications=password,keyboard-interactive",
                "PubkeyAuthentication=no",
            ]
        return [argument for option in options for argument in ("-o", option)]
