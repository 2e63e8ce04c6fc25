"""The inventory that is made from the servers in the settings."""

from __future__ import annotations

from playrail.ansible.content.unsafe_yaml import to_yaml
from playrail.settings.servers import GENERATED_GROUP
from playrail.settings.settings import Settings
from playrail.settings.target import Target, Unsafe


def generated_inventory(settings: Settings) -> str:
    """Return the inventory of all good servers, as YAML. It holds no secret, only where one
    comes from.
    """
    hosts = {
        name: host_variables(name, server, settings) for name, server in settings.servers.items()
    }
    return to_yaml({GENERATED_GROUP: {"hosts": hosts}})


def host_variables(name: str, server: Target, settings: Settings) -> dict[str, object]:
    """Return how Ansible reaches this server. Secrets are in it by reference to the
    variable `playrail_secrets`.
    """
    variables = dict(server.variables(name, settings))
    if server.tags:
        variables |= {"playrail_tags": [Unsafe(tag) for tag in server.tags]}
    return variables if server.tier is None else {**variables, "playrail_tier": Unsafe(server.tier)}
