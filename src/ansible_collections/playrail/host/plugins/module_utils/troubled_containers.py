"""Containers that do not do well, as the engine's list of them tells."""

import re

from ansible_collections.playrail.host.plugins.module_utils.docker import SOCKETS, Engine

UNHEALTHY = "(unhealthy)"
# `Exited (137) 5 minutes ago`; what ended days ago is no news
ENDED = re.compile(r"Exited \((\d+)\) (?!.*\b(?:days?|weeks?|months?|years?)\b)")
ORDER = ("restarting", "unhealthy", "dead", "exited")


def trouble_of(one):
    """The word of ORDER for what is wrong with a container; None when nothing is."""
    status = one.get("Status", "")
    if one.get("State") in ("restarting", "dead"):
        return one["State"]
    if UNHEALTHY in status:
        return "unhealthy"
    ended = ENDED.match(status)
    return "exited" if ended and ended.group(1) != "0" else None


def in_trouble(listed):
    """Of the engine's list those in trouble, the worst first."""
    found = [(trouble_of(one), one) for one in listed]
    found = [(word, one) for word, one in found if word]
    found.sort(key=lambda pair: ORDER.index(pair[0]))
    return [
        {
            "container": (one.get("Names") or [one.get("Id", "")[:12]])[0].lstrip("/"),
            "state": word,
            "status": one.get("Status", "")[:60],
        }
        for word, one in found
    ]


def troubled_containers():
    """Raises DockerFailed."""
    return in_trouble(Engine(SOCKETS["default"]).ask_json("containers", "json", all=1))
