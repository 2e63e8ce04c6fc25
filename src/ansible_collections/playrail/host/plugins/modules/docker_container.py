#!/usr/bin/python
"""All about one container, asked of the engine over its socket."""

DOCUMENTATION = r"""
module: docker_container
short_description: Tell all about one Docker container
description:
  - Tells state, limits, health, mounts, networks, ports, image and log of a container, the names
    of its environment without their values, and its command without what looks secret. Changes
    nothing.
options:
  container:
    description: Its name or id.
    type: str
    required: true
  max_bytes:
    description: How long the answer may be at most, in bytes of JSON.
    type: int
    default: 24000
extends_documentation_fragment: playrail.host.docker
author: Playrail
"""

EXAMPLES = r"""
- name: See why a container restarts
  playrail.host.docker_container:
    container: web
"""

RETURN = r"""
container:
  description: What is told of it; what does not apply is left out.
  type: dict
  returned: success
truncated:
  description: Whether items of lists were left out.
  type: bool
  returned: success
left_out:
  description: Per list of which items were left out, how many.
  type: dict
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

import os

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.playrail.host.plugins.module_utils.docker import (
    SOCKETS,
    DockerFailed,
    Engine,
    fail,
)
from ansible_collections.playrail.host.plugins.module_utils.hidden_words import without_secrets
from ansible_collections.playrail.host.plugins.module_utils.room import beside, fitting

ID_CHARACTERS = 12  # as Docker shows them
NEVER = "0001-01-01"  # how the engine writes a time that has not been
LAST_CHECKS = 3
TEXT_CHARACTERS = 300
COMMAND_CHARACTERS = 500
COMPOSE = "com.docker.compose."
# From what is most told in the fewest bytes; the last one is cut first
LISTS = ("ports", "networks", "mounts", "environment")
UNLIMITED = (None, 0, -1)


def part(value, *keys):
    """What stands below these keys; an empty dictionary where nothing does."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def without_empty(found):
    return {key: value for key, value in found.items() if value not in (None, "", [], {}, False)}


def moment(text):
    """A time as the engine writes it, to the second; None for one that has not been."""
    text = str(text or NEVER)
    if text.startswith(NEVER):
        return None
    zone = text[-6:] if text[-6:-5] in ("+", "-") else "Z"
    return text[:19] + zone


def short(text, most=TEXT_CHARACTERS):
    text = str(text or "").strip()
    return text if len(text) <= most else text[: most - 1] + "\u2026"


def said(*words, most=TEXT_CHARACTERS):
    """The words in one text, without what looks secret."""
    return short(" ".join(without_secrets([str(one) for one in words if one])), most)


def state(about):
    """Whether it runs, and how it ended."""
    found = part(about, "State")
    ended = found.get("Status") in ("exited", "dead", "restarting", "stopped")
    told = without_empty(
        {
            "pid": found.get("Pid"),
            "out_of_memory": found.get("OOMKilled"),
            "error": short(found.get("Error")),
            "created": moment(about.get("Created")),
            "started": moment(found.get("StartedAt")),
            "finished": moment(found.get("FinishedAt")),
            "restarts": about.get("RestartCount"),
            "health": health(about, found),
        }
    )
    exit_code = {"exit_code": found.get("ExitCode")} if ended else {}
    return dict(told, state=found.get("Status") or "unknown", **exit_code)


def health(about, found):
    """What its health check says; None where it has none."""
    told = part(found, "Health") or part(found, "Healthcheck")  # Docker's word, Podman's word
    status = told.get("Status")
    if not status or status == "none":
        return None
    log = [one for one in told.get("Log") or () if isinstance(one, dict)][-LAST_CHECKS:]
    checks = [
        dict(
            without_empty({"ended": moment(one.get("End")), "output": said(one.get("Output"))}),
            exit_code=one.get("ExitCode"),
        )
        for one in reversed(log)
    ]
    test = part(about, "Config", "Healthcheck").get("Test") or ()
    return without_empty(
        {
            "status": status,
            "failing_streak": told.get("FailingStreak"),
            "test": said(*test),
            "checks": checks,
        }
    )


def restart_policy(host):
    policy = part(host, "RestartPolicy")
    most = policy.get("MaximumRetryCount")
    return "%s%s" % (policy.get("Name") or "no", ":%d" % most if most else "")


def limits(host):
    """Those that are set."""
    cpus = (host.get("NanoCpus") or 0) / 1e9
    if not cpus and (host.get("CpuQuota") or 0) > 0:
        cpus = host["CpuQuota"] / float(host.get("CpuPeriod") or 100000)
    told = {
        "memory_bytes": host.get("Memory"),
        "memory_and_swap_bytes": host.get("MemorySwap"),
        "memory_reservation_bytes": host.get("MemoryReservation"),
        "pids": host.get("PidsLimit"),
        "cpus": round(cpus, 3),
        "cpu_set": host.get("CpusetCpus"),
    }
    return {key: value for key, value in told.items() if value not in UNLIMITED and value != ""}


def ports(about, host):
    """Per port of the container where it is published; of one that does not run, where it
    will be.
    """
    found = part(about, "NetworkSettings", "Ports") or part(host, "PortBindings")
    told = []
    for name in sorted(found):
        private, _slash, protocol = str(name).partition("/")
        for one in found[name] or [{}]:
            public = str(one.get("HostPort") or "")
            told.append(
                without_empty(
                    {
                        "private": int(private) if private.isdigit() else None,
                        "protocol": protocol or "tcp",
                        "public": int(public) if public.isdigit() else None,
                        "ip": one.get("HostIp"),
                    }
                )
            )
    return told


def networks(about):
    found = part(about, "NetworkSettings", "Networks")
    return [
        without_empty(
            {
                "name": name,
                "address": part(found, name).get("IPAddress"),
                "address_ipv6": part(found, name).get("GlobalIPv6Address"),
                "gateway": part(found, name).get("Gateway"),
                "aliases": part(found, name).get("Aliases") or None,
            }
        )
        for name in sorted(found)
    ]


def mounts(about):
    told = []
    for one in about.get("Mounts") or ():
        volume = one.get("Type") == "volume"
        told.append(
            without_empty(
                {
                    "type": one.get("Type"),
                    "name": one.get("Name") if volume else None,
                    "source": None if volume else one.get("Source"),
                    "destination": one.get("Destination"),
                    "read_only": one.get("RW") is False,
                }
            )
        )
    return sorted(told, key=lambda one: str(one.get("destination")))


def log(about, host):
    """Where its log goes and how large that is. Of a file that may not be seen, no size."""
    config = part(host, "LogConfig")
    told = {"driver": config.get("Type"), "max_size": part(config, "Config").get("max-size")}
    told["max_files"] = part(config, "Config").get("max-file")
    path = about.get("LogPath")
    if path:
        try:
            told["size_bytes"] = os.stat(path).st_size
        except OSError:
            pass
    return without_empty(told)


def image(engine, about):
    """Its image, and whether the image's name means another one by now."""
    name, number = part(about, "Config").get("Image"), str(about.get("Image") or "")
    told = {"image": name or number, "image_id": number.partition(":")[2][:ID_CHARACTERS]}
    try:
        own = engine.ask_json("images", number, "json")
        told["image_digest"] = str((own.get("RepoDigests") or [""])[0]).partition("@")[2]
        told["image_created"] = moment(own.get("Created"))
        if name and not number.endswith(name) and "@" not in name:
            now = str(engine.ask_json("images", name, "json").get("Id") or number)
            told["image_outdated"] = now.partition(":")[2] != number.partition(":")[2]
    except DockerFailed:
        pass  # it was removed; the container lives on without its name
    return without_empty(told)


def command(about):
    words = [about.get("Path")] + list(about.get("Args") or ())
    return said(*words, most=COMMAND_CHARACTERS)


def environment(about):
    return sorted(str(one).partition("=")[0] for one in part(about, "Config").get("Env") or ())


def described(engine, about):
    """What is told of the container, and of its lists the whole."""
    host, config = part(about, "HostConfig"), part(about, "Config")
    labels = part(config, "Labels")
    mode = host.get("NetworkMode")
    told = {
        "id": str(about.get("Id"))[:ID_CHARACTERS],
        "name": str(about.get("Name") or "").lstrip("/"),
        "restart_policy": restart_policy(host),
        "project": labels.get(COMPOSE + "project"),
        "service": labels.get(COMPOSE + "service"),
        "compose_folder": labels.get(COMPOSE + "project.working_dir"),
        "limits": limits(host),
        "command": command(about),
        "user": config.get("User"),
        "privileged": host.get("Privileged"),
        "read_only": host.get("ReadonlyRootfs"),
        "capabilities_added": host.get("CapAdd"),
        "removed_at_end": host.get("AutoRemove"),
        "network_mode": mode if mode and str(mode).startswith(("host", "none", "container")) else 0,
        "log": log(about, host),
    }
    told["network_mode"] = told["network_mode"] or None
    lists = {
        "ports": ports(about, host),
        "networks": networks(about),
        "mounts": mounts(about),
        "environment": environment(about),
    }
    return dict(without_empty(told), **dict(state(about), **image(engine, about))), lists


def fitted(report, found, lists, max_bytes):
    """The report with as much of the lists as has room."""
    room = beside(dict(report, container=found), max_bytes)
    left_out = {}
    for name in LISTS:
        kept, room = fitting(lists[name], room - len(name) - 6)
        found.update({name: kept} if kept else {})
        if len(kept) < len(lists[name]):
            left_out[name] = len(lists[name]) - len(kept)
    return dict(report, container=found, truncated=bool(left_out), left_out=left_out or None)


def main():
    module = AnsibleModule(
        argument_spec={
            "container": {"type": "str", "required": True},
            "max_bytes": {"type": "int", "default": 24000},
            "engine": {"type": "str"},
            "sockets": SOCKETS,
        },
        supports_check_mode=True,
    )
    given = module.params
    try:
        engine = Engine(given["sockets"], given["engine"])
        about = engine.ask_json("containers", given["container"], "json")
        if not isinstance(about, dict):
            raise DockerFailed("docker_failed", "its answer is no container")
        found, lists = described(engine, about)
    except DockerFailed as failed:
        fail(module, failed)
    module.exit_json(changed=False, **fitted(engine.told(), found, lists, given["max_bytes"]))


if __name__ == "__main__":
    main()
