#!/usr/bin/python
"""A host's Docker containers, asked of the engine over its socket: no library and no
program is needed.
"""

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
  details:
    description: Whether to tell command, mounts and labels as well.
    type: bool
    default: false
  offset:
    description: How many of the newest to leave out.
    type: int
    default: 0
  max_bytes:
    description: How long the answer may be at most, in bytes of JSON.
    type: int
    default: 24000
extends_documentation_fragment: playrail.host.docker
author: Playrail
"""

EXAMPLES = r"""
- name: List the containers that run
  playrail.host.docker_containers:
    all: false
"""

RETURN = r"""
containers:
  description: Items of the engine's ContainerList, of each what the tool tells.
  type: list
  elements: dict
  returned: success
total:
  description: How many there are.
  type: int
  returned: success
next_offset:
  description: The offset of those that did not fit.
  type: int
  returned: success
engine:
  description: The engine's socket, where it is not Docker's usual one.
  type: str
  returned: success
other_engines:
  description: Per engine that was not asked, its socket, and why where it did not answer.
  type: list
  elements: dict
  returned: success
truncated:
  description: Whether containers or labels were left out.
  type: bool
  returned: success
docker:
  description: What Docker or the system said.
  type: str
  returned: failure
playrail_code:
  description: What kind of failure.
  type: str
  returned: failure
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.playrail.host.plugins.module_utils.docker import (
    SOCKETS,
    DockerFailed,
    Engine,
    fail,
    fitting_beside,
)

KEPT = ("Id", "Names", "Image", "Created", "State", "Status", "Ports")
DETAILS = ("Command", "Mounts", "Labels")
PROJECT = "com.docker.compose.project"
ID_CHARACTERS = 12  # as Docker shows them
MAX_LABELS = 50  # per container
MAX_LABEL_CHARACTERS = 500  # of a label's value


def short(labels):
    return {name: str(labels[name])[:MAX_LABEL_CHARACTERS] for name in sorted(labels)[:MAX_LABELS]}


def described(one, details):
    """What is told of a container, and whether that is cut."""
    labels = one.get("Labels") or {}
    told = {key: one[key] for key in KEPT + (DETAILS if details else ()) if one.get(key)}
    told["Id"] = one["Id"][:ID_CHARACTERS]
    if PROJECT in labels:
        told["Project"] = labels[PROJECT]
    if "Labels" in told:
        told["Labels"] = short(labels)
    return told, "Labels" in told and told["Labels"] != labels


def main():
    module = AnsibleModule(
        argument_spec={
            "all": {"type": "bool", "default": True},
            "details": {"type": "bool", "default": False},
            "offset": {"type": "int", "default": 0},
            "max_bytes": {"type": "int", "default": 24000},
            "engine": {"type": "str"},
            "sockets": SOCKETS,
        },
        supports_check_mode=True,
    )
    given = module.params
    try:
        engine = Engine(given["sockets"], given["engine"])
        found = engine.ask_json("containers", "json", all=1 if given["all"] else 0)
    except DockerFailed as failed:
        fail(module, failed)
    every = [described(one, given["details"]) for one in found[given["offset"] :]]
    report = dict(engine.told(), total=len(found), truncated=False, next_offset=len(found))
    kept = fitting_beside(report, [told for told, _cut in every], given["max_bytes"])
    reached = given["offset"] + len(kept)
    report["next_offset"] = reached if reached < len(found) else None
    report["truncated"] = reached < len(found) or any(cut for _told, cut in every[: len(kept)])
    module.exit_json(changed=False, containers=kept, **report)


if __name__ == "__main__":
    main()
