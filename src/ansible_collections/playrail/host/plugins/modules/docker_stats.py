#!/usr/bin/python
"""What the running containers take of the host, asked of the Docker engine over its socket,
of all at once.
"""

DOCUMENTATION = r"""
module: docker_stats
short_description: Tell what Docker containers take of the host
description:
  - Measures processor, memory, network and disk use of running containers, for a second or two.
    Changes nothing.
options:
  container:
    description: Name or id of the only container to look at.
    type: str
  max_bytes:
    description: How long the answer may be at most, in bytes of JSON.
    type: int
    default: 24000
extends_documentation_fragment: playrail.host.docker
author: Playrail
"""

EXAMPLES = r"""
- name: See what the containers take
  playrail.host.docker_stats:
"""

RETURN = r"""
containers:
  description: Per container its numbers, the one with the most memory first.
  type: list
  elements: dict
  returned: success
not_measured:
  description: Per container that could not be measured name and why.
  type: list
  elements: dict
  returned: success
total:
  description: How many containers run, or 1 when one is named.
  type: int
  returned: success
not_running:
  description: How many others there are, which were not looked at.
  type: int
  returned: success
truncated:
  description: Whether containers were left out.
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
engine:
  description: The engine's socket, where it is not Docker's usual one.
  type: str
  returned: success
other_engines:
  description: Per engine that was not asked, its socket, and why where it did not answer.
  type: list
  elements: dict
  returned: success
"""

from multiprocessing.pool import ThreadPool

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.playrail.host.plugins.module_utils.docker import (
    SOCKETS,
    DockerFailed,
    Engine,
    fail,
    fitting_beside,
)

ID_CHARACTERS = 12  # as Docker shows them
MOST = 200  # containers
AT_ONCE = 32  # the engine measures each for more than a second


def cpu_percent(stats):
    """As `docker stats` counts: 100 is one processor. Null when it began only now."""
    now, before = stats.get("cpu_stats") or {}, stats.get("precpu_stats") or {}
    try:
        used = now["cpu_usage"]["total_usage"] - before["cpu_usage"]["total_usage"]
        passed = now["system_cpu_usage"] - before["system_cpu_usage"]
    except (KeyError, TypeError):
        return None
    processors = now.get("online_cpus") or len(now["cpu_usage"].get("percpu_usage") or ()) or 1
    return round(100.0 * used / passed * processors, 2) if passed > 0 and used >= 0 else None


def memory_used(memory):
    """As `docker stats` counts: without files that were read and could be read again."""
    used, parts = memory.get("usage"), memory.get("stats") or {}
    if used is None:
        return None
    cached = parts.get("total_inactive_file", parts.get("inactive_file", 0))
    return used - cached if cached < used else used


def summed(networks, name):
    """Null when it has no network of its own."""
    return sum(one.get(name, 0) for one in networks.values()) if networks else None


def blocks(stats, kind):
    entries = (stats.get("blkio_stats") or {}).get("io_service_bytes_recursive") or ()
    return sum(one.get("value", 0) for one in entries if one.get("op", "").lower() == kind)


def numbers(stats):
    memory = stats.get("memory_stats") or {}
    used, limit = memory_used(memory), memory.get("limit")
    return {
        "cpu_percent": cpu_percent(stats),
        "memory_used_bytes": used,
        "memory_limit_bytes": limit,
        "memory_percent": round(100.0 * used / limit, 2) if used is not None and limit else None,
        "net_rx_bytes": summed(stats.get("networks"), "rx_bytes"),
        "net_tx_bytes": summed(stats.get("networks"), "tx_bytes"),
        "block_read_bytes": blocks(stats, "read"),
        "block_write_bytes": blocks(stats, "write"),
        "pids": (stats.get("pids_stats") or {}).get("current"),
    }


def measured(engine, one):
    """Name and numbers of a container, or why there are none."""
    number, name = one
    try:
        stats = engine.ask_json("containers", number, "stats", stream=0)
    except DockerFailed as failed:
        return {
            "name": name,
            "why": "gone" if failed.code == "container_not_found" else "no_answer",
        }
    if not (stats.get("pids_stats") or {}).get("current") and not (
        stats.get("memory_stats") or {}
    ).get("usage"):
        return {"name": name, "why": "not_running"}
    found = dict(numbers(stats), id=number[:ID_CHARACTERS], name=name)
    return {key: value for key, value in found.items() if value is not None}


def how_it_ended(state):
    """The state of a container that does not run, as the end of a sentence."""
    ended = state.get("Status") in ("exited", "dead")
    why = " with exit code %s" % state.get("ExitCode") if ended else ""
    memory = ", ended because memory ran out" if state.get("OOMKilled") else ""
    return "the container is %s%s%s" % (state.get("Status"), why, memory)


def chosen(engine, container):
    """The containers to look at, as id and name, and how many others do not run."""
    if container is not None:
        about = engine.ask_json("containers", container, "json")
        if not about["State"].get("Running"):
            raise DockerFailed("container_not_running", how_it_ended(about["State"]))
        return [(about["Id"], about["Name"].lstrip("/"))], 0
    listed = engine.ask_json("containers", "json", all=1)
    live = [
        one for one in listed if one.get("State", "running") in ("running", "paused", "restarting")
    ]
    named = [
        (one["Id"], (one.get("Names") or [one["Id"][:ID_CHARACTERS]])[0].lstrip("/"))
        for one in live
    ]
    return named, len(listed) - len(live)


def main():
    module = AnsibleModule(
        argument_spec={
            "container": {"type": "str"},
            "max_bytes": {"type": "int", "default": 24000},
            "engine": {"type": "str"},
            "sockets": SOCKETS,
        },
        supports_check_mode=True,
    )
    given = module.params
    try:
        engine = Engine(given["sockets"], given["engine"])
        found, not_running = chosen(engine, given["container"])
    except DockerFailed as failed:
        fail(module, failed)
    asked = found[:MOST]
    pool = ThreadPool(max(1, min(AT_ONCE, len(asked))))
    try:
        told = pool.map(lambda one: measured(engine, one), asked)
    finally:
        pool.terminate()
    containers = [one for one in told if "why" not in one]
    containers.sort(key=lambda one: (-one.get("memory_used_bytes", 0), one["name"]))
    report = dict(engine.told(), total=len(found), not_running=not_running, truncated=False)
    unmeasured = [one for one in told if "why" in one]
    report["not_measured"] = fitting_beside(report, unmeasured, given["max_bytes"] // 4)
    kept = fitting_beside(report, containers, given["max_bytes"])
    report["truncated"] = len(found) > len(kept) + len(report["not_measured"])
    module.exit_json(changed=False, containers=kept, **report)


if __name__ == "__main__":
    main()
