"""Whether the host itself is a container."""

import os

NOTE = "/run/systemd/container"  # systemd writes there of what kind it is; so does Podman
OTHERS = ("/.dockerenv", "/run/.containerenv", "/dev/lxd", "/dev/.lxc")
FIRST = "/proc/1/environ"


def is_container():
    """By the marks that container managers leave; systemd's CONTAINER_INTERFACE, and
    systemd-detect-virt(1). A plain user on LXC without systemd sees none of them.
    """
    if any(os.path.exists(path) for path in (NOTE, *OTHERS)):
        return True
    try:
        with open(FIRST, "rb") as file:
            return any(one.startswith(b"container=") for one in file.read(65536).split(b"\0"))
    except OSError:
        return False
