#!/usr/bin/python
"""A host's Docker containers, asked of the engine over its socket: no library and no program is needed."""
from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: docker_containers
short_description: List Docker containers
description:
  - Lists containers as the Docker engine tells of them. Changes nothing.
options:
  all:
    description: Whether to list those that do not run as well.
    type: bool
    default: true
  limit:
    description: How many to return at most, the newest.
    type: int
    default: 500
  sockets:
    description: Where the engine may listen; the first that is there is asked.
    type: list
    elements: str
    default: [/run/docker.sock, /var/run/docker.sock, /run/podman/podman.sock]
author: Playrail
"""

EXAMPLES = r"""
- name: List the containers that run
  ansible.legacy.docker_containers:
    all: false
"""

RETURN = r"""
containers: {description: "Items of the engine's ContainerList, of each what the tool tells.", type: list, elements: dict, returned: success}
total: {description: "How many there are.", type: int, returned: success}
truncated: {description: "Whether containers or labels were left out.", type: bool, returned: success}
docker: {description: "What Docker or the system said.", type: str, returned: failure}
playrail_code: {description: "What kind of failure.", type: str, returned: failure}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.playrail_docker import SOCKETS, DockerFailed, Engine, fail

KEPT = ("Id", "Names", "Image", "Command", "Created", "State", "Status", "Ports", "Mounts", "Labels")
MAX_LABELS = 50  # per container
MAX_LABEL_CHARACTERS = 500  # of a label's value


def short(labels):
    return {name: str(labels[name])[:MAX_LABEL_CHARACTERS] for name in sorted(labels)[:MAX_LABELS]}


def main():
    module = AnsibleModule(
        argument_spec={
            "all": {"type": "bool", "default": True},
            "limit": {"type": "int", "default": 500},
            "sockets": SOCKETS,
        },
        supports_check_mode=True,
    )
    try:
        engine = Engine(module.params["sockets"])
        found = engine.ask_json("containers", "json", all=1 if module.params["all"] else 0)
    except DockerFailed as failed:
        fail(module, failed)
    kept = [{key: one[key] for key in KEPT if one.get(key) is not None} for one in found[:module.params["limit"]]]
    truncated = len(found) > len(kept)
    for one in kept:
        labels = one.get("Labels", {})
        one["Labels"] = short(labels)
        truncated = truncated or one["Labels"] != labels
    module.exit_json(changed=False, containers=kept, total=len(found), truncated=truncated)


if __name__ == "__main__":
    main()
