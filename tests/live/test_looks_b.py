"""Looks at disks, mounts, kernel settings and packages of real hosts, and at what differs
between two of them: with writes off, beside what the hosts say when asked past Playrail.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from .conftest import Wire, connected, entry, environment, on_host

pytestmark = pytest.mark.lab
MIB = 1 << 20
BOTH = pytest.mark.parametrize("host", ["deb12", "deb13"])
PLAIN = "plain"  # deb13 by a user who does not become root
MOST_BYTES = 4096

# A repository of one package, of which the older version is installed
REPOSITORY = """
mkdir -p /srv/own/repo && cd /srv/own
for version in 1.0 1.1; do
  mkdir -p made/DEBIAN made/opt/own-demo && echo $version >made/opt/own-demo/file
  printf 'Package: own-demo\\nVersion: %s\\nArchitecture: all\\nMaintainer: a <a@b>\\n' $version \
    >made/DEBIAN/control
  echo 'Description: demo' >>made/DEBIAN/control
  dpkg-deb --build made own-demo_$version.deb >&2
done
dpkg --install own-demo_1.0.deb >&2
cp own-demo_1.1.deb repo/
{ cat made/DEBIAN/control; echo Filename: ./own-demo_1.1.deb
  echo Size: $(stat -c %s repo/own-demo_1.1.deb)
  echo SHA256: $(sha256sum <repo/own-demo_1.1.deb | cut -d' ' -f1); } >repo/Packages
{ echo Origin: Own; echo Label: Own; echo Suite: own-security
  echo "Date: $(date -Ru | sed s/+0000/UTC/)"; echo SHA256:
  echo " $(sha256sum <repo/Packages | cut -d' ' -f1) $(stat -c %s repo/Packages) Packages"; } \
  >repo/Release
echo 'deb [trusted=yes] file:/srv/own/repo ./' >/etc/apt/sources.list.d/own.list
apt-get -qq update -o Dir::Etc::sourcelist=/etc/apt/sources.list.d/own.list \
  -o Dir::Etc::sourceparts=- -o APT::Get::List-Cleanup=0 >&2
"""


@pytest.fixture(scope="module")
def looking(hosts: Mapping[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    """A client of a server with writes off."""
    state = tmp_path_factory.mktemp("looks") / "state"
    state.mkdir(mode=0o700)
    servers = {name: entry(hosts, name) for name in ("deb12", "deb13", "nopython")}
    servers[PLAIN] = entry(hosts, "deb13", sudo_password=None)
    with connected(environment(state, servers, ENABLE_WRITE_OPERATIONS="0")) as wire:
        yield wire


def sh(host: str, script: str) -> str:
    return on_host(host, "sh", "-c", script)


def size(found: Mapping[str, Any]) -> int:
    return len(json.dumps(found, ensure_ascii=False, separators=(",", ":")).encode())


@contextlib.contextmanager
def mounted(host: str, place: str, options: str) -> Iterator[None]:
    sh(host, f"mkdir -p {place}; mount -t tmpfs -o {options} tmpfs {place}")
    try:
        yield
    finally:
        sh(host, f"umount --lazy {place}")


@BOTH
def test_every_file_system_is_told_with_what_no_directory_shows(looking: Wire, host: str) -> None:
    with mounted(host, "/srv", "size=100m"):
        pid = sh(
            host,
            "exec 7>/srv/big.log; head -c 90M /dev/zero >&7; rm /srv/big.log; "
            "sleep 600 >&7 2>&7 & echo $!",
        ).strip()
        found = looking.report("get_disk_usage", server=host)
        told = sh(host, "df --block-size=1 --output=size,avail,pcent /srv | tail -1").split()
        sh(host, f"kill {pid}")
    # Before it only what does not answer: of other tests on this host
    first = next(one for one in found["file_systems"] if "used_percent" in one)
    assert (first["mount_point"], first["used_percent"]) == ("/srv", 90.0)
    assert [str(first["size_bytes"]), str(first["available_bytes"]), "90%"] == told
    (big,) = [one for one in found["deleted_open"] if one["path"] == "/srv/big.log"]
    assert (str(big["pid"]), big["name"], big["bytes"]) == (pid, "sleep", 90 * MIB)
    kept = sh(host, "du -s --block-size=1 /var/log/journal /run/log/journal | cut -f1 || true")
    assert found.get("journal_bytes", 0) <= sum(map(int, kept.split()))
    assert size(found) < MOST_BYTES


def test_what_docker_takes(looking: Wire) -> None:
    found = looking.report("get_disk_usage", server="deb12")["docker"]
    used = json.loads(
        sh("deb12", "curl -s --unix-socket /run/docker.sock http://localhost/system/df")
    )
    assert found["path"] == "/var/lib/docker"
    assert found["images_bytes"] == used["LayersSize"]
    assert found["mount_point"] in ("/", "/var/lib/docker")


def test_fstab_beside_what_is_mounted(looking: Wire) -> None:
    lines = (
        "/dev/none-such /mnt/gone ext4 defaults 0 2\\ntmpfs /mnt/own tmpfs rw,noexec 0 0\\n"
        "nas:/x /mnt/nas nfs4 _netdev 0 0\\n/swapfile none swap sw 0 0\\n"
    )
    sh("deb12", f"cp /etc/fstab /etc/fstab.before; printf '{lines}' >>/etc/fstab")
    try:
        with mounted("deb12", "/mnt/own", "ro,size=10m"):
            found = looking.report("get_mounts", server="deb12")
            alone = looking.report("get_mounts", server="deb12", path="/mnt/own/below")
            points = sh("deb12", "findmnt --noheadings --raw --output TARGET").split()
    finally:
        sh("deb12", "mv /etc/fstab.before /etc/fstab")
    told = {one["mount_point"]: (one["problem"], one.get("now")) for one in found["fstab"]}
    assert told == {
        "/mnt/gone": ("device_missing", None),
        "/mnt/own": ("other_options", "exec,ro"),
        "/mnt/nas": ("not_mounted", None),
        "swap": ("device_missing", None),
    }
    (own,) = alone["mounts"]
    assert (own["mount_point"], own["fs_type"]) == ("/mnt/own", "tmpfs")
    assert own["options"].startswith("ro,")
    assert {one["mount_point"] for one in found["mounts"]} <= set(points)
    assert size(found) < MOST_BYTES


def test_settings_beside_the_files_that_set_them(looking: Wire) -> None:
    forward = sh("deb13", "cat /proc/sys/net/ipv4/ip_forward").strip()
    other = str(1 - int(forward))
    path = "/etc/sysctl.d/99-own.conf"
    sh("deb13", f"mkdir -p /etc/sysctl.d; echo net/ipv4/ip_forward={other} >{path}")
    try:
        found = looking.report("get_sysctl", server="deb13", name=["net.ipv4.ip_f", "vm"])
    finally:
        sh("deb13", f"rm {path}")
    names = {one["name"]: one["value"] for one in found["settings"]}
    assert names["vm.swappiness"] == sh("deb13", "cat /proc/sys/vm/swappiness").strip()
    assert found["differences"][0] == {
        "name": "net.ipv4.ip_forward",
        "value": forward,
        "configured": other,  # in a container whose /proc/sys is read-only
        "file": path,
    }
    whole = looking.report("get_sysctl", server="deb13")
    assert size(whole) < MOST_BYTES
    answer = looking.call("get_sysctl", server="deb13", name="no.such")
    assert answer["code"] == "setting_not_found"


@BOTH
def test_packages_by_the_lists_that_there_are(looking: Wire, host: str) -> None:
    sh(host, REPOSITORY)
    sh(host, "apt-mark hold own-demo")
    state = "find /var/cache/apt /var/lib/apt /var/lib/dpkg -printf '%p %T@\\n' | sort"
    try:
        before = sh(host, state)
        found = looking.report("list_packages", server=host, only="security")
        named = looking.report("list_packages", server=host, name="own-de")
        owner = looking.report("list_packages", server=host, owner_of="/opt/own-demo/file")
        assert sh(host, state) == before
    finally:
        sh(host, "apt-mark unhold own-demo; dpkg --purge own-demo; rm -rf /srv/own")
        sh(host, "rm -f /etc/apt/sources.list.d/own.list /var/lib/apt/lists/*own*")
    demo = {"name": "own-demo", "version": "1.0", "available": "1.1"}
    assert demo | {"security": True, "held": True} in found["packages"]
    assert (found["held_total"], named["total"]) == (1, 1)
    assert named["packages"] == [demo | {"security": True, "held": True}]
    assert owner["packages"][0]["name"] == "own-demo"
    count = sh(host, "dpkg-query --show --showformat='${db:Status-Status}\\n' | grep -cx installed")
    assert found["installed_total"] == int(count) + 1
    assert found["lists_from"].startswith("20")
    assert size(found) < MOST_BYTES


def test_what_a_plain_user_may_see(looking: Wire) -> None:
    """What it may not see is told so, and all else is the same."""
    found = looking.report("get_disk_usage", server=PLAIN)
    assert found["processes_known"] is False
    settings = looking.report("get_sysctl", server=PLAIN, name="fs")
    refused = sh("deb13", "find /proc/sys/fs -type f -perm /400 ! -perm /004 | wc -l")
    assert bool(settings.get("not_permitted")) is (int(refused) > 0)
    names = ("get_mounts", "list_packages")
    reports = [looking.report(name, server=host) for name in names for host in (PLAIN, "deb13")]
    assert reports[0]["total"] == reports[1]["total"]
    assert reports[2]["installed_total"] == reports[3]["installed_total"]


def test_what_differs_between_two_hosts(looking: Wire) -> None:
    for host, text in (("deb12", "one"), ("deb13", "two")):
        sh(host, f"mkdir -p /etc/own; echo {text} >/etc/own/file; echo same >/etc/own/same")
    sh("deb13", "chmod 600 /etc/own/same; touch /etc/own/alone")
    answer = looking.call("compare_hosts", server=["deb12", "deb13"], paths=["/etc/own"])
    for host in ("deb12", "deb13"):
        sh(host, "rm -r /etc/own")
    assert answer["success"], answer
    assert answer["data"].keys() == {"together"}
    assert size(answer) < MOST_BYTES
    areas = answer["data"]["together"]["areas"]
    files = areas["files"]
    assert (files["same"], files["different"], files["only_on"]) == (1, 2, {"deb13": 1})
    assert list(files["first"]) == ["/etc/own/file", "/etc/own/same", "/etc/own/alone"]
    assert files["first"]["/etc/own/same"]["deb13"].endswith(" 0600 root:root")
    assert areas["system"]["first"]["os"] == {
        host: f"Debian GNU/Linux {release}"
        for host, release in (("deb12", "12 (bookworm)"), ("deb13", "13 (trixie)"))
    }
    listed = {
        host: dict(
            line.split(" ")
            for line in sh(
                host, "dpkg-query --show --showformat='${Package} ${Version}\\n'"
            ).splitlines()
        )
        for host in ("deb12", "deb13")
    }
    one, other = listed.values()
    same = [name for name in one.keys() & other.keys() if one[name] == other[name]]
    assert areas["packages"]["same"] == len(same)
    assert areas["packages"]["only_on"]["deb12"] == len(one.keys() - other.keys())
    assert areas["units"]["same"] > 20
    assert areas["sysctl"]["same"] > 300


def test_two_hosts_that_are_one(looking: Wire) -> None:
    answer = looking.call("compare_hosts", server=["deb13", PLAIN], areas=["packages"])
    areas = answer["data"]["together"]["areas"]
    assert all(area.keys() == {"same"} for area in areas.values())


def test_one_of_two_hosts_fails(looking: Wire) -> None:
    answer = looking.call("compare_hosts", server=["deb12", "nopython"], areas=["packages"])
    assert answer["code"] == "some_hosts_failed"
    assert answer["data"]["failed"]["nopython"]["code"] == "no_python"
    assert answer["data"].keys() == {"failed"}
    alone = looking.call("compare_hosts", server=["deb12", "deb12"])
    assert alone["code"] == "invalid_argument"
