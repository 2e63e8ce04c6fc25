"""The lab's hosts: containers that run a full systemd and an sshd on one Docker network.

Addresses are fixed, so that a host that was healed or made anew is found where it was.
"""

from __future__ import annotations

import ipaddress
import shlex
import socket
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lab_keys
from lab_common import HERE, PREFIX, LabError, is_root, run
from lab_engine import Docker

# `--privileged` asks for more than some machines have to give; this is enough for systemd
# and for a Docker engine inside.
_RUN = (
    *("--cap-add=SYS_ADMIN", "--cap-add=NET_ADMIN"),
    *("--security-opt=seccomp=unconfined", "--security-opt=apparmor=unconfined"),
    *("--tmpfs=/run", "--tmpfs=/run/lock", "--cgroupns=host"),
    *("--volume=/sys/fs/cgroup:/sys/fs/cgroup:rw", "--env=container=docker"),
    # systemd shuts down on this signal and not on the usual one.
    *("--stop-signal=SIGRTMIN+3", "--stop-timeout=5"),
)
_SUBNETS = tuple(f"172.{second}.77.0/24" for second in (28, 29, 30, 31, 27, 26, 25, 24))
_BLACKHOLE = 16
_BLACKHOLE_HARDWARE = "02:00:00:00:00:fe"


@dataclass(frozen=True)
class Host:
    """One container of the lab."""

    name: str
    image: str
    number: int
    user: str = "root"
    listens: bool = True
    probe: str = "true"

    @property
    def container(self) -> str:
        """Return the container's name."""
        return f"{PREFIX}-{self.name}"


HOSTS = (
    Host("deb12", "bookworm", 12, probe='test "$(docker ps -qf name=^hello$)"'),
    Host("deb13", "trixie", 13, user="ops"),
    Host("nopython", "nopython", 14, probe="! command -v python3"),
    Host("closed", "nopython", 15, listens=False),
)


def ensure_network(docker: Docker) -> str:
    """Make the network where it is missing and return its subnet."""
    form = "{{range .IPAM.Config}}{{.Subnet}}{{end}}"
    subnet = docker.asks("network", "inspect", "--format", form, PREFIX)
    if subnet:
        return subnet
    taken = _routed()
    for candidate in _SUBNETS:
        free = not any(ipaddress.IPv4Network(candidate).overlaps(other) for other in taken)
        bridge = f"com.docker.network.bridge.name={PREFIX}"
        words = ("network", "create", "--subnet", candidate, "--opt", bridge, PREFIX)
        if free and docker.tries(*words):
            return candidate
    raise LabError("no subnet is free for the lab: " + ", ".join(_SUBNETS))


def _routed() -> list[ipaddress.IPv4Network]:
    """Return the networks this machine has a route to, as the kernel lists them."""
    found: list[ipaddress.IPv4Network] = []
    for line in Path("/proc/net/route").read_text(encoding="ascii").splitlines()[1:]:
        fields = line.split()
        target, mask = (int(fields[column], 16).to_bytes(4, "little") for column in (1, 7))
        if any(mask):
            found.append(ipaddress.IPv4Network((target, str(ipaddress.IPv4Address(mask)))))
    return found


def address(subnet: str, number: int) -> str:
    """Return the fixed address of a host on the lab's network."""
    return str(ipaddress.ip_network(subnet)[number])


def ensure_host(docker: Docker, host: Host, subnet: str, *, anew: bool = False) -> str:
    """Bring one host up, by the gentlest means that works; return its host keys."""
    try:
        if not anew and _is_ours(docker, host, subnet):
            _revive(docker, host)
            return _set_up(docker, host)
    except LabError:
        pass  # broken beyond starting: a new one is quicker than a diagnosis
    docker.tries("rm", "--force", "--volumes", host.container)
    words = ["run", "--detach", "--name", host.container, "--hostname", host.name, *_RUN]
    words += ["--network", PREFIX, "--ip", address(subnet, host.number)]
    command = ["/lib/systemd/systemd"] if host.listens else ["sleep", "infinity"]
    docker(*words, f"{PREFIX}:{host.image}", *command)
    return _set_up(docker, host)


def _is_ours(docker: Docker, host: Host, subnet: str) -> bool:
    """Tell whether a container is here, of the present image and at its address."""
    network = f'(index .NetworkSettings.Networks "{PREFIX}")'
    form = f"{{{{.Image}}}} {{{{{network}.IPAMConfig.IPv4Address}}}}"
    found = docker.asks("inspect", "--type", "container", "--format", form, host.container)
    image = docker.asks("image", "inspect", "--format", "{{.Id}}", f"{PREFIX}:{host.image}")
    return bool(image) and found.split() == [image, address(subnet, host.number)]


def _revive(docker: Docker, host: Host) -> None:
    """Start a container that was stopped or killed, wake one that was paused."""
    form = "{{.State.Status}}"
    status = docker("inspect", "--type", "container", "--format", form, host.container)
    if status == "paused":
        docker("unpause", host.container)
    elif status != "running":
        docker("start", host.container)


def _set_up(docker: Docker, host: Host) -> str:
    """Wait for systemd, let the lab's keys in and return the host's public keys."""
    if not host.listens:
        return ""
    _wait_for_systemd(docker, host)
    values = {
        "name": host.name,
        "user": host.user,
        "client_key": lab_keys.public(lab_keys.CLIENT_KEY).read_text(encoding="ascii").strip(),
        "ca_key": lab_keys.public(lab_keys.CA_KEY).read_text(encoding="ascii").strip(),
        "password": lab_keys.password(),
    }
    script = "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())
    script += (HERE / "host.sh").read_text(encoding="utf-8")
    docker("exec", "--interactive", host.container, "sh", "-s", stdin=script)
    return docker("exec", host.container, "sh", "-c", "cat /etc/ssh/ssh_host_*_key.pub")


def _wait_for_systemd(docker: Docker, host: Host) -> None:
    """Wait until the host has booted; a host with failed units has booted too."""
    until = time.monotonic() + 60
    words = ("exec", host.container, "systemctl", "is-system-running", "--wait")
    while time.monotonic() < until:
        done = run([docker.client, *words], timeout=60, check=False)
        if done.stdout.strip() in {"running", "degraded"}:
            return
        time.sleep(0.2)
    raise LabError(f"systemd did not come up in {host.container}")


def ensure_blackhole(subnet: str) -> bool:
    """Make one address swallow what is sent to it; tell whether that could be done.

    Without this the kernel finds nobody at that address and says so after some seconds. A
    fixed neighbour that does not exist makes it a host that never answers at all.
    """
    if not is_root():
        return False
    target = address(subnet, _BLACKHOLE)
    words = ["ip", "neigh", "replace", target, "lladdr", _BLACKHOLE_HARDWARE]
    try:
        return run([*words, "dev", PREFIX, "nud", "permanent"], check=False).returncode == 0
    except LabError:
        return False


def describe(subnet: str, *, blackhole: bool) -> dict[str, dict[str, Any]]:
    """Return the hosts as lab.json lists them."""
    hosts: dict[str, dict[str, Any]] = {}
    for host in HOSTS:
        hosts[host.name] = _entry(address(subnet, host.number), host.user)
        hosts[host.name]["container"] = host.container
        if host.user != "root":
            hosts[host.name]["password"] = lab_keys.password()
            hosts[host.name]["sudo_password"] = lab_keys.password()
    if blackhole:
        hosts["blackhole"] = _entry(address(subnet, _BLACKHOLE), "root")
    return hosts


def _entry(where: str, user: str) -> dict[str, Any]:
    """Return what every host's entry in lab.json has."""
    return {"address": where, "port": 22, "user": user, "key": str(lab_keys.CLIENT_KEY)}


def probe_all(entries: Mapping[str, Mapping[str, Any]]) -> dict[str, tuple[bool, str]]:
    """Ask all hosts at once whether they are as they should be, with a word on each."""
    with ThreadPoolExecutor(len(HOSTS)) as pool:
        found = pool.map(lambda host: _probe(host, entries.get(host.name)), HOSTS)
        return {host.name: result for host, result in zip(HOSTS, found, strict=True)}


def _probe(host: Host, entry: Mapping[str, Any] | None) -> tuple[bool, str]:
    """Log in to one host, or see that the one that must refuse does refuse."""
    if entry is None:
        return False, "not in lab.json"
    if not host.listens:
        return _refuses(entry)
    started = time.monotonic()
    words = ["ssh", "-F", str(lab_keys.SSH_CONFIG), "-o", "BatchMode=yes", host.name, host.probe]
    done = run(words, timeout=15, check=False)
    if done.returncode != 0:
        return False, done.stderr.strip().replace("\n", "; ") or f"failed: {host.probe}"
    return True, f"ssh answers in {(time.monotonic() - started) * 1000:.0f} ms"


def _refuses(entry: Mapping[str, Any]) -> tuple[bool, str]:
    """Tell whether a connection is refused at once."""
    try:
        socket.create_connection((entry["address"], entry["port"]), timeout=3).close()
    except ConnectionRefusedError:
        return True, "refuses, as it should"
    except OSError as error:
        return False, str(error)
    return False, "something listens"
