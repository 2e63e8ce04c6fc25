"""Disks of a real host: what takes their space, and what was not looked at."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from .own_host import Operator, OwnHost

pytestmark = [pytest.mark.lab]
MIB = 1 << 20


@contextlib.contextmanager
def mounted(
    host: OwnHost, place: str, options: str, source: str = "-t tmpfs tmpfs"
) -> Iterator[None]:
    host.sh(f"mkdir -p {place}; mount -o {options} {source} {place}")
    try:
        yield
    finally:
        host.sh(f"umount --lazy {place}")


def test_other_file_systems_below_are_told(host: OwnHost, living: Operator) -> None:
    with mounted(host, "/srv", "size=100m"), mounted(host, "/opt/deep/er", "size=10m,ro"):
        host.sh("head -c 57M /dev/zero >/srv/data")
        found = living.report("analyze_disk", path="/")
        below = {one["mount_point"]: one for one in found["mounts"]}
        assert below["/srv"]["used_percent"] == 57.0
        assert below["/opt/deep/er"]["read_only"] is True
        assert found["mounts"][0]["mount_point"] == "/srv"  # the fullest
        assert "/srv" not in {
            one["mount_point"] for one in living.report("analyze_disk", path="/var")["mounts"] or ()
        }


def test_a_file_system_without_inodes(host: OwnHost, living: Operator) -> None:
    with mounted(host, "/srv", "size=100m,nr_inodes=20"):
        host.sh("cd /srv; i=0; while touch $i 2>/dev/null; do i=$((i+1)); done")
        assert living.report("analyze_disk", path="/srv")["file_system"]["inodes_percent"] == 100.0
        below = {
            one["mount_point"]: one for one in living.report("analyze_disk", path="/")["mounts"]
        }
        assert below["/srv"]["inodes_percent"] == 100.0


def test_a_deleted_file_that_is_open(host: OwnHost, living: Operator) -> None:
    with mounted(host, "/srv", "size=200m"):
        pid = host.sh(
            "sh -c 'exec 7>/srv/big.log; head -c 90M /dev/zero >&7; rm /srv/big.log; sleep 600 "
            ">&7 2>&7 & echo $!'"
        )
        try:
            for path in ("/srv", "/"):
                found = living.report("analyze_disk", path=path)
                (big,) = [one for one in found["deleted_open"] if one["path"] == "/srv/big.log"]
                assert (big["pid"], big["name"], big["bytes"]) == (int(pid), "sleep", 90 * MIB)
            assert living.report("analyze_disk", path="/srv")["unaccounted_bytes"] == 90 * MIB
        finally:
            host.sh(f"kill {pid}")


def test_a_bind_mount_is_the_same_file_system(host: OwnHost, living: Operator) -> None:
    host.sh("mkdir -p /root/there; head -c 5M /dev/zero >/root/there/data; mkdir -p /root/here")
    with mounted(host, "/root/here", "bind", "/root/there"):
        found = living.report("analyze_disk", path="/root")
        assert "/root/here" not in {one["mount_point"] for one in found["mounts"] or ()}
        assert 5 * MIB <= found["total_bytes"] < 10 * MIB
