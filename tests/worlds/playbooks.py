"""The playbooks of tools, read as YAML: their tasks, and which of these only look."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from worlds.checkout import PLAYBOOKS

TASK_WORDS = {
    *(
        "name",
        "register",
        "when",
        "vars",
        "changed_when",
        "failed_when",
        "check_mode",
        "ignore_errors",
        "no_log",
    ),
    *(
        "loop",
        "loop_control",
        "until",
        "retries",
        "delay",
        "environment",
        "diff",
        "notify",
        "any_errors_fatal",
    ),
}
BLOCK_WORDS = {"block", "rescue", "always"}
LOOKING = {
    *(
        "ansible.builtin.setup",
        "ansible.builtin.stat",
        "ansible.builtin.slurp",
        "ansible.builtin.find",
    ),
    *(
        "ansible.builtin.debug",
        "ansible.builtin.set_fact",
        "ansible.builtin.fail",
        "ansible.builtin.assert",
    ),
    *("ansible.builtin.service_facts", "ansible.builtin.package_facts", "ansible.builtin.getent"),
    *(
        f"playrail.host.{name}"
        for name in (
            *("disk_usage", "list_directory", "read_part", "search_text", "read_journal"),
            *("package_state", "unit_state", "process_tree", "listening_port", "network_info"),
            *("list_units", "list_schedules", "triage"),
            *("file_systems", "mount_points", "package_list"),
            *("kernel_parameters", "host_state"),
            *("logins", "firewall", "certificate", "name_lookup", "http_request"),
            *("memory_info", "docker_container", "docker_containers", "docker_logs"),
            *("docker_stats", "process_details"),
        )
    ),
}
LOOKING_PROGRAMS = {"journalctl", "df", "uptime"}
LOOKING_SYSTEMD = {"name", "daemon_reload", "scope"}
OURS = "playrail.host."


def plays(path: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load((PLAYBOOKS / path).read_text(encoding="utf-8")))


def flat(tasks: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Every task, those in blocks too, and the blocks themselves."""
    for task in tasks:
        yield task
        for word in BLOCK_WORDS & task.keys():
            yield from flat(task[word])


def tasks_of(path: str) -> list[dict[str, Any]]:
    """Every task that runs a module."""
    return [task for play in plays(path) for task in flat(play["tasks"]) if "block" not in task]


def module_of(task: Mapping[str, Any]) -> str:
    (module,) = task.keys() - TASK_WORDS
    return str(module)


def program_of(task: Mapping[str, Any]) -> str | None:
    """The program of a command task; of a list put together, its first part's first word."""
    argv = (task[module_of(task)] or {}).get("argv")
    if isinstance(argv, str) and (first := re.match(r"\{\{ (\w+) \+", argv)):
        argv = task.get("vars", {}).get(first[1])
    return argv[0] if isinstance(argv, list) else None


def only_looks(task: Mapping[str, Any]) -> bool:
    module, given = module_of(task), task[module_of(task)] or {}
    if module == "ansible.builtin.command":
        return program_of(task) in LOOKING_PROGRAMS
    if module == "ansible.builtin.systemd_service":
        return given.keys() <= LOOKING_SYSTEMD and given.get("daemon_reload") is False
    return module in LOOKING
