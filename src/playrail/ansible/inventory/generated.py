"""The inventory that is made from the servers in the settings."""

from __future__ import annotations

import hashlib
import shlex

from playrail.ansible.content.unsafe_yaml import Unsafe, to_yaml
from playrail.settings.servers import GENERATED_GROUP, MikrusServer, Server, SshServer, ssh_of
from playrail.settings.settings import Settings
from playrail.settings.state import pace_directory


def generated_inventory(settings: Settings) -> str:
    """Return the inventory of all good servers, as YAML. It holds no secret, only where one
    comes from.
    """
    hosts = {
        name: host_variables(name, server, settings) for name, server in settings.servers.items()
    }
    return to_yaml({GENERATED_GROUP: {"hosts": hosts}})


def host_variables(name: str, server: Server, settings: Settings) -> dict[str, object]:
    """Return how Ansible reaches this server. Secrets are in it by reference to the
    variable `playrail_secrets`.
    """
    ssh = ssh_of(server)
    variables = _ssh_variables(name, ssh) if ssh is not None else {}
    if isinstance(server, MikrusServer) and ssh is None:
        variables = _mikrus_variables(name, server, settings)
    if server.tags:
        variables |= {"playrail_tags": [Unsafe(tag) for tag in server.tags]}
    return variables if server.tier is None else {**variables, "playrail_tier": Unsafe(server.tier)}


def _mikrus_variables(name: str, server: MikrusServer, settings: Settings) -> dict[str, object]:
    """What plugins/connection/mikrus_exec.py reads. Commands run as root there."""
    requests, window_s = settings.mikrus_rate
    return {
        "ansible_connection": "mikrus_exec",
        "ansible_mikrus_srv": Unsafe(server.srv),
        "ansible_mikrus_url": Unsafe(server.api_url),
        "ansible_mikrus_key": f"{{{{ playrail_secrets['{name}'].key }}}}",
        "ansible_mikrus_rate": f"{requests}/{window_s}",
        "ansible_mikrus_pace_dir": Unsafe(pace_directory(settings.state_dir)),
        # Ansible would look for one, with two requests of the few that there are.
        "ansible_python_interpreter": "/usr/bin/python3",
        "ansible_remote_tmp": "/root/.ansible/tmp",  # it would ask where the home directory is
        "ansible_become": False,
    }


def _ssh_variables(name: str, server: SshServer) -> dict[str, object]:
    arguments = Unsafe(shlex.join(_ssh_arguments(server)))
    # Ansible shares a connection between all hosts with the same address, port and user.
    # Two entries that differ in key or in host-key checking must not: the second would be
    # in with the credentials of the first.
    identity = hashlib.sha256(f"{name}\n{server!r}".encode()).hexdigest()[:12]
    variables: dict[str, object] = {
        "ansible_connection": "ssh",
        "ansible_host": Unsafe(server.host),
        "ansible_port": server.port,
        "ansible_user": Unsafe(server.user),
        "ansible_ssh_timeout": server.timeout,
        "ansible_host_key_checking": server.verify_host_key,
        "ansible_control_path": Unsafe(f"%(directory)s/{identity}"),
        # Not ansible_ssh_common_args: that is where people put their jump hosts, in
        # group_vars or ansible.cfg.
        "ansible_ssh_extra_args": arguments,
        "ansible_sftp_extra_args": arguments,
        "ansible_scp_extra_args": arguments,
    }
    if server.ssh_key:
        variables["ansible_ssh_private_key_file"] = Unsafe(server.ssh_key)
    if server.becomes is not None:
        variables["ansible_become"] = server.becomes
    # The name is safe between quotes: servers.py lets no other names through.
    if server.password:
        variables["ansible_password"] = f"{{{{ playrail_secrets['{name}'].password }}}}"
    if server.sudo_password:
        variables["ansible_become_password"] = f"{{{{ playrail_secrets['{name}'].sudo_password }}}}"
    return variables


def _ssh_arguments(server: SshServer) -> list[str]:
    """Options for ssh. Paths hold nothing that ssh would expand (servers.py) and are quoted
    for spaces.
    """
    options = []
    if server.ssh_cert:
        options.append(f'CertificateFile="{server.ssh_cert}"')
    if server.ssh_key:
        options.append("IdentitiesOnly=yes")
    if not server.verify_host_key:
        options += [
            "UserKnownHostsFile=/dev/null",
            "GlobalKnownHostsFile=/dev/null",
            "LogLevel=ERROR",
        ]
    elif server.known_hosts_file:
        options.append(f'UserKnownHostsFile="{server.known_hosts_file}"')
    if not server.password:
        # ansible-runner gives ssh a terminal, and a question there waits for ever
        options.append("BatchMode=yes")
    elif server.ssh_key or server.ssh_cert:
        options.append("PreferredAuthentications=publickey,password,keyboard-interactive")
    else:
        options += [
            "PreferredAuthentications=password,keyboard-interactive",
            "PubkeyAuthentication=no",
        ]
    return [argument for option in options for argument in ("-o", option)]
