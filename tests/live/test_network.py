"""The network of real hosts: what is told is what the host's own programs say."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from .conftest import Wire, entry, on_host

pytestmark = [pytest.mark.lab, pytest.mark.over_ssh]
BOTH = pytest.mark.parametrize("host", ["deb12", "deb13"])


@BOTH
def test_a_port_that_is_listened_on(wire: Wire, host: str) -> None:
    found = wire.report("check_port", server=host, port=22)
    assert found["listening"] is True
    assert [one["address"] for one in found["sockets"]] == ["0.0.0.0", "::"]
    (pid,) = {one["process"]["pid"] for one in found["sockets"]}
    assert (
        on_host(host, "cat", f"/proc/{pid}/comm").strip()
        == found["sockets"][0]["process"]["name"]
        == "sshd"
    )
    assert found.get("processes_known", True)
    assert wire.report("check_port", server=host, port=9, protocol="udp")["listening"] is False


def test_a_port_that_a_container_publishes(wire: Wire) -> None:
    (one,) = wire.report("check_port", server="deb12", port=8080)["sockets"]
    assert one["process"]["name"] == "docker-proxy"


def test_whose_port_it_is_may_not_be_seen(
    hosts: Mapping[str, Any], wired: Callable[..., Wire]
) -> None:
    wire = wired({"deb13": entry(hosts, "deb13", sudo_password=None)})
    found = wire.report("check_port", server="deb13", port=22)
    assert (found["listening"], found["processes_known"]) == (True, False)
    assert {(one["user"], one.get("process")) for one in found["sockets"]} == {("root", None)}


@BOTH
def test_network(wire: Wire, hosts: Mapping[str, Any], host: str) -> None:
    found = wire.report("get_network_info", server=host)
    interfaces = {one["name"]: one for one in found["interfaces"]}
    assert set(interfaces) == set(on_host(host, "ls", "/sys/class/net").split())
    for name, one in interfaces.items():
        assert one["mtu"] == int(on_host(host, "cat", f"/sys/class/net/{name}/mtu"))
        assert (one.get("mac") or "00:00:00:00:00:00") == on_host(
            host, "cat", f"/sys/class/net/{name}/address"
        ).strip()
    addresses = [address for one in interfaces.values() for address in one.get("addresses", [])]
    assert f"{hosts['hosts'][host]['address']}/24" in addresses
    assert "127.0.0.1/8" in addresses
    lines = on_host(host, "cat", "/etc/resolv.conf").splitlines()
    assert found["dns_servers"] == [
        line.split()[1] for line in lines if line.startswith("nameserver ")
    ]
    assert {22} <= {one["port"] for one in found["listening"]}
    assert "truncated" not in found


def test_network_as_ip_tells_it(wire: Wire) -> None:
    found = wire.report("get_network_info", server="deb12")
    told = json.loads(on_host("deb12", "ip", "-json", "address"))
    assert {one["name"]: one.get("addresses", []) for one in found["interfaces"]} == {
        link["ifname"]: [f"{one['local']}/{one['prefixlen']}" for one in link["addr_info"]]
        for link in told
    }
    routes = json.loads(on_host("deb12", "ip", "-json", "route", "show", "default"))
    ipv4 = [one for one in found["default_routes"] if one["family"] == "ipv4"]
    assert [(one.get("gateway"), one["interface"]) for one in ipv4] == [
        (one["gateway"], one["dev"]) for one in routes
    ]
    listening = on_host("deb12", "ss", "-H", "-tuln").splitlines()
    assert sorted(one["port"] for one in found["listening"]) == sorted(
        int(line.split()[4].rpartition(":")[2]) for line in listening
    )


def test_what_listens_in_a_container_is_told_apart(wire: Wire) -> None:
    pid = int(on_host("deb12", "docker", "inspect", "-f", "{{.State.Pid}}", "hello"))
    listening = on_host("deb12", "nsenter", "-t", str(pid), "-n", "ss", "-H", "-tln").splitlines()
    ports = {int(line.split()[3].rpartition(":")[2]) for line in listening}
    assert ports
    found = wire.report("get_network_info", server="deb12")
    (inside,) = [one for one in found["other_networks"] if one["process"]["pid"] == pid]
    assert {f"tcp/{port}" for port in ports} <= set(inside["ports"])
    assert on_host("deb12", "docker", "inspect", "-f", "{{.Id}}", "hello").startswith(
        inside["container"]
    )
    for port in ports - {one["port"] for one in found["listening"]}:
        checked = wire.report("check_port", server="deb12", port=port)
        assert checked["listening"] is False
        assert pid in {one["process"]["pid"] for one in checked["other_networks"]}
