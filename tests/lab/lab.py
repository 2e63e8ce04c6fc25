"""Raise, end or look at the lab: real Debian hosts in containers, for the tests to work on.

    python3 tests/lab/lab.py up | down [--purge] | status

`up` may be run at any time: it takes a second when the lab is well and mends it when it is
not. Exit status 3 says that this machine lacks something the lab needs and may not install.
"""

from __future__ import annotations

import argparse
import fcntl
import shutil
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import lab_engine
import lab_hosts
import lab_images
import lab_keys
from lab_common import PREFIX, STATE, LabError, is_root, stage
from lab_engine import Docker
from lab_images import Recipe

Probes = dict[str, tuple[bool, str]]


def up() -> int:
    """Raise the lab, or find that it is up already."""
    started = time.monotonic()
    with locked():
        recipe = lab_images.read_recipe()
        if not is_well(recipe):
            raise_lab(recipe)
    print(f"lab: up after {time.monotonic() - started:.1f} s; see {lab_keys.LAB_JSON}")
    return status()


def is_well(recipe: Recipe) -> bool:
    """Tell whether every host is as the present recipe makes it and answers."""
    lab = lab_keys.read_lab_json()
    if lab is None or lab.get("recipe") != recipe.digest or shutil.which("ssh") is None:
        return False
    hosts_well = all(well for well, _ in lab_hosts.probe_all(lab["hosts"]).values())
    # Hosts outlive an engine that was killed, but tests that pause or cut off one need it.
    return hosts_well and lab_engine.answering() is not None


def raise_lab(recipe: Recipe) -> None:
    """Bring up what is down, from the engine to the hosts."""
    with stage("ssh client and Docker engine"):
        lab_engine.ensure_commands()
        docker = lab_engine.ensure_engine()
    with stage("images"):
        built = lab_images.build_missing(docker, recipe)
    if built:
        print(f"lab:   built {', '.join(built)}")
    with stage("keys and network"):
        lab_keys.make_keys()
        subnet = lab_hosts.ensure_network(docker)
        blackhole = lab_hosts.ensure_blackhole(subnet)
    with stage("hosts"):
        entries = lab_hosts.describe(subnet, blackhole=blackhole)
        lab_keys.write_ssh_config(entries)
        probes = raise_hosts(docker, subnet, entries)
    failed = [f"{name} ({word})" for name, (well, word) in probes.items() if not well]
    if failed:
        raise LabError("not as they should be: " + ", ".join(failed))
    lab_keys.write_lab_json(entries, recipe.digest)


def raise_hosts(docker: Docker, subnet: str, entries: dict[str, dict[str, Any]]) -> Probes:
    """Bring the hosts up side by side; one that then does not answer is made anew, once."""
    keys: dict[str, tuple[str, str]] = {}
    probes: Probes = {}
    for anew in (False, True):
        wanted = [host for host in lab_hosts.HOSTS if not probes.get(host.name, (False,))[0]]
        with ThreadPoolExecutor(len(lab_hosts.HOSTS)) as pool:
            jobs = [
                (host, pool.submit(lab_hosts.ensure_host, docker, host, subnet, anew=anew))
                for host in wanted
            ]
        for host, job in jobs:
            if job.result():
                keys[host.name] = (entries[host.name]["address"], job.result())
        lab_keys.write_known_hosts(keys)
        probes = lab_hosts.probe_all(entries)
        if all(well for well, _ in probes.values()):
            break
    return probes


def down(*, purge: bool) -> int:
    """Remove hosts and network and end the engine, if it is the lab's and nobody else uses
    it.
    """
    with locked():
        docker = lab_engine.answering()
        if docker is None and purge and is_root() and lab_engine.engine_program():
            docker = lab_engine.start_engine()
        if docker is not None:
            with stage("hosts and network removed"):
                remove_hosts(docker)
            if purge:
                with stage("images removed"):
                    lab_images.remove_all(docker)
        others = docker.asks("ps", "--quiet").split() if docker else []
        if others:
            print(f"lab: the Docker engine stays, {len(others)} other containers run on it")
        elif lab_engine.started_engine() is not None:
            with stage("Docker engine ended"):
                lab_engine.stop_engine()
        lab_keys.LAB_JSON.unlink(missing_ok=True)
    if purge and lab_engine.started_engine() is None:
        shutil.rmtree(STATE)
    print("lab: down")
    return 0


def remove_hosts(docker: Docker) -> None:
    """Remove every container the lab named or that a killed test left, then the network."""
    found: set[str] = set()
    for which in (f"name=^{PREFIX}-", f"network={PREFIX}"):
        found.update(docker.asks("ps", "--all", "--quiet", "--filter", which).split())
    if found:
        docker("rm", "--force", "--volumes", *found)
    docker.tries("network", "rm", PREFIX)


def status() -> int:
    """Print how every host is; exit status 0 only when all are well."""
    lab = lab_keys.read_lab_json()
    if lab is None:
        print("lab: not raised from here; run `python3 tests/lab/lab.py up`")
        return 1
    probes = lab_hosts.probe_all(lab["hosts"])
    print(f"{'host':<10} {'address':<15} {'user':<5} {'container':<22} state")
    for name, entry in lab["hosts"].items():
        well, word = probes.get(name, (True, "answers nobody"))
        container = entry.get("container", "-")
        state = word if well else f"NOT WELL: {word}"
        print(f"{name:<10} {entry['address']:<15} {entry['user']:<5} {container:<22} {state}")
    return 0 if all(well for well, _ in probes.values()) else 1


@contextmanager
def locked() -> Iterator[None]:
    """Let one process at a time change the lab; a second one waits for the first."""
    STATE.mkdir(mode=0o700, exist_ok=True)
    STATE.chmod(0o700)
    with (STATE / "lock").open("w", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("lab: waiting for another process that raises or ends it", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main() -> int:
    """Do what the command line asks and return the exit status."""
    parser = argparse.ArgumentParser(description="Raise, end or look at the lab of test hosts.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="raise the lab, or mend it")
    ending = commands.add_parser("down", help="remove the hosts; images are kept")
    ending.add_argument("--purge", action="store_true", help="remove images and keys too")
    commands.add_parser("status", help="print the hosts; exit status 0 when all are well")
    asked = parser.parse_args()
    try:
        if asked.command == "up":
            return up()
        return down(purge=asked.purge) if asked.command == "down" else status()
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return error.exit_status


if __name__ == "__main__":
    sys.exit(main())
