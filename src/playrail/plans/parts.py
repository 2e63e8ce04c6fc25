"""The parts that decide what a plan's steps do, each as hashes: a plan is carried out only while all are the same.

A part has items, so that the one that differs can be named. What variables hold is told by a hash
with a key of this state directory: from a short password's own hash it could be guessed.
"""

from __future__ import annotations

import contextlib
import hmac
import json
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from playrail.ansible.content.named_content import named_roles
from playrail.ansible.content.places import content_root
from playrail.ansible.inventory.inventory import Inventory
from playrail.ansible.inventory.listed_hosts import text_of
from playrail.ansible.project import VARIABLES
from playrail.ansible.reads.code import collections, dotted, dotted_in, libraries, playbooks_and_roles, plugins
from playrail.ansible.reads.files import files
from playrail.ansible.reads.places import Places
from playrail.ansible.reads.ssh import ssh_files
from playrail.ansible.reads.variables import bound_variables, used_in
from playrail.canonical import digest
from playrail.plans.plan import Step
from playrail.policy.rules import Policy
from playrail.settings.private_files import private_directory
from playrail.settings.project import read_config
from playrail.settings.protection import standing_variables
from playrail.settings.settings import Settings
from playrail.tools.tool import AnyTool, ApiTool, PlaybookTool

KEY = "plans.key"  # in the state directory
KEY_BYTES = 32
SSH_ARGUMENTS = ("ssh_args", "ssh_common_args", "ssh_extra_args")
SSH_PROGRAM = "ssh_executable"

Items = Mapping[str, str]
"""What a part consists of: each item's name and hash."""


def parts_of(
    steps: Sequence[Step],
    tools: Sequence[AnyTool],
    hosts: Sequence[Sequence[str]],
    *,
    inventory: Inventory,
    policy: Policy | None,
    settings: Settings,
    environment: Mapping[str, str],
) -> dict[str, Items]:
    """The parts of steps that call these tools on these hosts, as they are at this moment. Reads files.

    `environment` is that of Ansible's processes. Raises PlanUnusable for more files than a plan can be held to.
    """
    every_host = list(dict.fromkeys(host for some in hosts for host in some))
    requests = [tool.endpoint for tool in tools if isinstance(tool, ApiTool)]
    standing = [standing_variables(settings), settings.enable_write_operations]
    said = bound_variables(inventory.listing, every_host, _used(tools))
    return {
        "arguments": {"": digest([[step.tool, dict(step.arguments)] for step in steps])},
        "hosts": {"": digest([list(some) for some in hosts])},
        "inventory": {**_keyed(settings, said), **_sources(settings)},
        "configuration": {**_configuration(settings, environment), **_ssh(settings, environment, said)},
        **code_of(settings, environment, said),
        "requests": {"": digest(requests)},
        "policy": {"": digest([policy.digest if policy else None, standing])},
    }


def code_of(settings: Settings, environment: Mapping[str, str], said: Mapping[str, Any]) -> dict[str, Items]:
    """The code that plays run, of which a run that stays has loaded some. `said` are variables that may name more."""
    content, beside = content_root(), settings.playbook_dir
    config = read_config(settings.ansible_config)
    directory = settings.project or Path.cwd()
    places = Places(environment, config, file=settings.ansible_config, directory=directory)
    ours = playbooks_and_roles(content)
    values = [value for section in config.sections() for value in dict(config[section]).values() if value]
    named = dotted([*values, *environment.values(), json.dumps(said, default=str)])
    named = named.union(*(dotted_in(Path(root), state) for root, state in ours.items()))
    return {
        "playbook": ours,
        "plugins": plugins(places, beside),
        "collections": {**libraries(places), **collections(places, beside, named)},
    }


def _used(tools: Sequence[AnyTool]) -> frozenset[str]:
    """The names in the templates of the tools' playbooks, and of the roles that these play."""
    content = content_root()
    playbooks = {content / "playbooks" / tool.playbook for tool in tools if isinstance(tool, PlaybookTool)}
    roles = {content / "roles" / role for playbook in playbooks for role in named_roles(playbook)}
    roots = {*(playbook.parent for playbook in playbooks), *roles}
    return frozenset().union(*(used_in(root, files.digest(root)) for root in roots))


def _sources(settings: Settings) -> Items:
    """The files that the inventory is read from, and those beside them, encrypted ones as they are."""
    sources = list(settings.inventory) or [content_root() / "inventory"]
    beside = [path.parent / name for path in sources if not path.is_dir() for name in VARIABLES]
    beside += [settings.playbook_dir / name for name in VARIABLES if settings.playbook_dir is not None]
    return {str(path): files.digest(path) for path in dict.fromkeys([*sources, *beside])}


def _configuration(settings: Settings, environment: Mapping[str, str]) -> Items:
    """ansible.cfg, and Ansible's variables, but for those that name a place of this process."""
    own = str(settings.runtime_dir)
    variables = {name: value for name, value in environment.items() if name.startswith("ANSIBLE_") and own not in value}
    config = settings.ansible_config
    return {**_keyed(settings, variables), **({str(config): files.digest(config)} if config else {})}


def _ssh(settings: Settings, environment: Mapping[str, str], said: Mapping[str, Any]) -> Items:
    """The configuration of ssh, which says where a name leads to: the usual files, and those that are named."""
    config = read_config(settings.ansible_config)
    given = {key: config.get("ssh_connection", key, fallback="") for key in (*SSH_ARGUMENTS, SSH_PROGRAM)}
    given |= {name: value for name, value in environment.items() if name.startswith("ANSIBLE_SSH_")}
    for name, values in said.items():
        texts = filter(None, map(text_of, values.values()))
        given |= {f"{name} {number}": text for number, text in enumerate(texts)}
    programs = [value for name, value in given.items() if SSH_PROGRAM in name.lower()]
    named = ssh_files(given.values(), programs, base=settings.project or Path.cwd(), home=environment.get("HOME"))
    return {name: files.digest(path) for name, path in named.items()}


def _keyed(settings: Settings, values: Mapping[str, Any]) -> Items:
    key = _key(settings)

    def of(value: Any) -> str:
        return hmac.digest(key, digest(value).encode(), "sha256").hex()[:32]

    return {name: of(value) for name, value in values.items()}


def _key(settings: Settings) -> bytes:
    """The key of this state directory, made when it is first wanted."""
    path = private_directory(settings.state_dir) / KEY
    with contextlib.suppress(FileNotFoundError):
        if len(found := path.read_bytes()) == KEY_BYTES:
            return found
    unfinished = path.with_name(f".{KEY}-{secrets.token_hex(4)}")
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(secrets.token_bytes(KEY_BYTES))
    with contextlib.suppress(FileExistsError):
        path.hardlink_to(unfinished)  # another process may have been quicker, and then its key counts
    unfinished.unlink()
    return path.read_bytes()


def differing(was: Items, now: Items) -> Iterator[str]:
    """The names of the items that are not the same, with the files in them where these are known."""
    for name in sorted({*was, *now}):
        if name and was.get(name) != now.get(name):
            inside = files.differing(was.get(name, ""), now.get(name, ""))
            yield f"{name}{'/' + inside[0].removesuffix(' ->') if inside else ''}"
