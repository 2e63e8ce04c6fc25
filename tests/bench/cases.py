"""What every contender is asked to do: the same work, each in its own words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from playrail.settings.content import collections_root

from .place import ROOT

PLAYBOOKS = ROOT / "playbooks"
WRITTEN = "/tmp/playrail-bench"  # the start of the names of the files that are written on the host
SAME = "always the same\n" * 100
UPTIME = "execute_command uptime"
MEMORY = "get_memory_info"
READ = "read_file"
CONTAINERS = "list_docker_containers"
SERVICE = "manage_service status"
CHANGED = "write_file changed"
UNCHANGED = "write_file unchanged"


@dataclass(frozen=True, kw_only=True)
class Task:
    """One call. `stock` holds arguments of ansible_runner.run, `peer` a tool of
    linux-mcp-server and its arguments.
    """

    tool: str
    arguments: Mapping[str, Any]
    stock: Mapping[str, Any]
    shell: str | None = None
    stdin: str = ""
    peer: tuple[str, Mapping[str, Any]] | None = None
    changes: bool | None = None
    """Whether the host is changed by it, where that is looked at."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A call that is made many times. `task` makes the one of a number, which no other call
    of the bench has.
    """

    name: str
    task: Callable[[int], Task]
    one_module: bool = False
    """Whether its play is a single module that changes nothing."""


def _module(name: str, arguments: str) -> dict[str, Any]:
    return {"module": name, "module_args": arguments}


def _playbook(path: str, **variables: Any) -> dict[str, Any]:
    return {"playbook": str(PLAYBOOKS / path), "extravars": variables}


def _write(path: str, content: str, *, changes: bool) -> Task:
    return Task(
        tool="write_file",
        arguments={"path": path, "content": content},
        stock=_playbook("files/write_file.yml", playrail_path=path, playrail_content=content),
        # A plain command does not look first whether it must write
        shell=f"cat >{path}" if changes else None,
        stdin=content,
        changes=changes,
    )


_TASKS = {
    UPTIME: Task(
        tool="execute_command",
        arguments={"cmd": "uptime"},
        stock=_module("command", "uptime"),
        shell="uptime",
    ),
    MEMORY: Task(
        tool="get_memory_info",
        arguments={},
        stock=_module("slurp", "src=/proc/meminfo"),
        shell="cat /proc/meminfo",
        peer=("get_memory_information", {}),
    ),
    READ: Task(
        tool="read_file",
        arguments={"path": "/etc/os-release"},
        stock=_module("playrail.host.read_part", "path=/etc/os-release"),
        shell="cat /etc/os-release",
    ),
    CONTAINERS: Task(
        tool="list_docker_containers",
        arguments={},
        stock=_module("playrail.host.docker_containers", "all=true"),
        shell="docker ps --all --format json",
    ),
    SERVICE: Task(
        tool="manage_service",
        arguments={"name": "ssh", "action": "status"},
        stock=_playbook(
            "services/manage_service.yml", playrail_name="ssh", playrail_action="status"
        ),
        shell="systemctl show ssh.service",
        peer=("get_service_status", {"service_name": "ssh"}),
    ),
}


def _always(task: Task) -> Callable[[int], Task]:
    return lambda _number: task


CASES = (
    *(
        Case(name=name, task=_always(_TASKS[name]), one_module=True)
        for name in (UPTIME, MEMORY, READ, CONTAINERS)
    ),
    Case(name=SERVICE, task=_always(_TASKS[SERVICE])),
    Case(
        name=CHANGED,
        task=lambda number: _write(f"{WRITTEN}-changed", f"{number}\n" * 100, changes=True),
    ),
    Case(name=UNCHANGED, task=lambda _number: _write(f"{WRITTEN}-same", SAME, changes=False)),
)


# With which stock Ansible finds the collection of Playrail's own modules
WITH_COLLECTION = {"ANSIBLE_COLLECTIONS_PATH": str(collections_root())}
