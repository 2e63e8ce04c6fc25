"""A lab for one process of tests: hosts that it may change, beside those that no test changes.

So processes of tests run beside each other. The hosts are as the lab's are: made from the
same images and set up by the same script.
"""

from __future__ import annotations

import contextlib
import json
import re
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .own_host import OwnHost, docker, own_host

SET_UP = Path(__file__).parents[1] / "lab" / "host.sh"
IMAGES = {"deb12": "playrail-lab:bookworm", "deb13": "playrail-lab:trixie"}
ADDRESS = re.compile(r"\d+(?:\.\d+){3}")
FILES = ("known_hosts", "known_hosts_changed", "ssh_config")


@contextlib.contextmanager
def own_lab(lab: Mapping[str, Any], place: Path) -> Iterator[dict[str, Any]]:
    """What the lab's file tells, with hosts of its own for some. Its text is `lab.json`, its
    files are below `place`.
    """
    with contextlib.ExitStack() as stack:
        hosts = {
            name: stack.enter_context(own_host(lab, place, image=image, name=name))
            for name, image in IMAGES.items()
        }
        for name, host in hosts.items():
            _set_up(lab, name, host)
        told = _told(lab, hosts, place)
        (place / "lab.json").write_text(json.dumps(told))
        yield told


def _set_up(lab: Mapping[str, Any], name: str, host: OwnHost) -> None:
    entry = lab["hosts"][name]
    values = {
        "name": name,
        "user": entry["user"],
        "client_key": Path(f"{host.key}.pub").read_text().strip(),
        "ca_key": Path(f"{lab['ca_key']}.pub").read_text().strip(),
        "password": entry.get("password", ""),
    }
    script = "".join(f"{key}={shlex.quote(value)}\n" for key, value in values.items())
    command = ["docker", "exec", "--interactive", host.container, "sh", "-s"]
    text = script + SET_UP.read_text()
    subprocess.run(command, input=text, text=True, check=True, capture_output=True, timeout=60)


def _told(lab: Mapping[str, Any], hosts: Mapping[str, OwnHost], place: Path) -> dict[str, Any]:
    files = {name: Path(lab[name]).read_text() for name in FILES}
    lines = files["known_hosts"].splitlines()
    files["known_hosts"] = "".join(
        f"{line}\n" for line in lines if line.partition(",")[0] not in hosts
    )
    theirs = {lab["hosts"][name]["address"]: host.address for name, host in hosts.items()}
    for file in ("known_hosts_changed", "ssh_config"):
        # Whole addresses, all at once: one may begin with another, or be another's new one
        files[file] = ADDRESS.sub(lambda found: theirs.get(found[0], found[0]), files[file])
    for name, host in hosts.items():
        keys = docker("exec", host.container, "sh", "-c", "cat /etc/ssh/ssh_host_*_key.pub")
        files["known_hosts"] += "".join(
            f"{name},{host.address} {key}\n" for key in keys.splitlines()
        )
    files["ssh_config"] = files["ssh_config"].replace(
        lab["known_hosts"], str(place / "known_hosts")
    )
    for file, text in files.items():
        (place / file).write_text(text)
    own = {
        name: {**lab["hosts"][name], "address": host.address, "container": host.container}
        for name, host in hosts.items()
    }
    return {
        **lab,
        "hosts": {**lab["hosts"], **own},
        **{file: str(place / file) for file in FILES},
    }
