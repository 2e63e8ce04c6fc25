"""The host modules of playbooks/network, run for real on sockets of this machine."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import socket
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from worlds.host_modules import MODULES, SHARED, loaded, module_answer

ME = os.getpid()


def run(module: str, **arguments: Any) -> dict[str, Any]:
    return module_answer([str(MODULES / f"{module}.py")], arguments, timeout_s=20)


def check(bound: socket.socket, protocol: str = "tcp") -> dict[str, Any]:
    return run("listening_port", port=bound.getsockname()[1], protocol=protocol)


@pytest.fixture(
    params=[(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")], ids=["ipv4", "ipv6"]
)
def place(request: pytest.FixtureRequest) -> tuple[int, str]:
    family, address = request.param
    try:
        socket.socket(family).close()
        with socket.socket(family) as trial:
            trial.bind((address, 0))
    except OSError:
        pytest.skip("this machine has no IPv6")
    return family, address


@pytest.fixture
def tcp(place: tuple[int, str]) -> Iterator[socket.socket]:
    with socket.socket(place[0], socket.SOCK_STREAM) as bound:
        bound.bind((place[1], 0))
        yield bound


@pytest.fixture
def udp(place: tuple[int, str]) -> Iterator[socket.socket]:
    with socket.socket(place[0], socket.SOCK_DGRAM) as bound:
        bound.bind((place[1], 0))
        yield bound


def test_a_socket_that_listens_and_who_holds_it(tcp: socket.socket, place: tuple[int, str]) -> None:
    assert check(tcp)["listening"] is False
    tcp.listen()
    found = check(tcp)
    (one,) = found["sockets"]
    assert (found["listening"], one["address"], one["port"]) == (
        True,
        place[1],
        tcp.getsockname()[1],
    )
    assert one["process"]["pid"] == ME
    assert one["user"] == pwd.getpwuid(os.getuid())[0]
    assert "user" not in one["process"]  # it is the socket's
    assert "processes" not in one  # it is but this
    assert found["reach"] == "this_server_only"
    assert check(tcp, "udp")["listening"] is False


def test_a_connection_is_no_listening_socket(tcp: socket.socket) -> None:
    tcp.listen()
    with socket.create_connection(tcp.getsockname()[:2]) as client:
        assert check(client)["listening"] is False


def test_udp(udp: socket.socket) -> None:
    assert check(udp, "udp")["sockets"][0]["process"]["pid"] == ME
    udp.connect(udp.getsockname())  # now it takes only what comes from there
    assert check(udp, "udp")["listening"] is False


def test_a_socket_that_several_hold(tcp: socket.socket) -> None:
    tcp.listen()
    child = os.fork()
    if not child:
        try:
            os.read(os.pipe()[0], 1)
        finally:
            os._exit(0)
    try:
        (one,) = check(tcp)["sockets"]
        assert (one["process"]["pid"], one["processes"]) == (ME, 2)
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)


def test_network(tcp: socket.socket) -> None:
    tcp.listen()
    found = run("network_info", limit=1000)
    interfaces = {one["name"]: one for one in found["interfaces"]}
    assert set(interfaces) == {path.name for path in Path("/sys/class/net").iterdir()} - {
        "bonding_masters"
    }
    assert "127.0.0.1/8" in interfaces["lo"]["addresses"]
    assert (interfaces["lo"]["state"], "mac" in interfaces["lo"]) == ("up", False)
    assert not any("rx_bytes" in one for one in interfaces.values())
    for name, one in interfaces.items():
        assert one["mtu"] == int(Path(f"/sys/class/net/{name}/mtu").read_text())
    lines = [line.split() for line in Path("/proc/net/route").read_text().splitlines()[1:]]
    gateways = [
        socket.inet_ntoa(struct.pack("=I", int(line[2], 16)))
        for line in lines
        if line[1] == line[7] == "0" * 8
    ]
    assert [
        one["gateway"] for one in found["default_routes"] if one["family"] == "ipv4"
    ] == gateways
    mine = [one for one in found["listening"] if one["port"] == tcp.getsockname()[1]]
    assert [one["process"]["pid"] for one in mine] == [ME]
    assert found["listening_total"] == len(found["listening"])
    assert found["truncated"] is False


def test_network_is_bounded_and_says_so(tcp: socket.socket) -> None:
    tcp.listen()
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        found = run("network_info", limit=1)
    assert (len(found["listening"]), len(found["interfaces"]), found["truncated"]) == (1, 1, True)
    assert found["listening_total"] > 1


def test_counters_are_details() -> None:
    (lo,) = [one for one in run("network_info", details=True)["interfaces"] if one["name"] == "lo"]
    assert lo["rx_bytes"] >= 0


@pytest.mark.parametrize("most", [1000, 24_000])
def test_of_many_sockets_the_answer_fits(most: int) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(500):
            bound = stack.enter_context(socket.socket())
            bound.bind(("127.0.0.1", 0))
            bound.listen()
        found = run("network_info", limit=1000, max_bytes=most)
    told = {
        key: value
        for key, value in found.items()
        if key not in ("changed", "invocation") and value is not None
    }
    assert len(json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()) <= most
    assert (found["truncated"], found["listening_total"] >= 500) == (True, True)
    assert found["interfaces"]


def test_sockets_that_are_alike_are_told_once() -> None:
    with socket.socket() as first, socket.socket() as second:
        for bound in (first, second):
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            bound.bind(("127.0.0.1", first.getsockname()[1] if bound is second else 0))
            bound.listen()
        (one,) = check(first)["sockets"]
    assert (one["process"]["pid"], one["sockets"]) == (ME, 2)


@pytest.mark.parametrize(
    ("addresses", "told"),
    [
        ([], None),
        (["127.0.0.1", "::1"], "this_server_only"),
        (["127.0.0.53", "::ffff:127.0.0.1"], "this_server_only"),
        (["127.0.0.1", "::"], "not_tried"),
        (["192.0.2.1"], "not_tried"),
    ],
)
def test_from_where_it_may_be_reached(addresses: list[str], told: str | None) -> None:
    assert shared("sockets").reach([{"address": address} for address in addresses]) == told


@pytest.mark.parametrize(
    ("group", "told"),
    [
        (f"0::/system.slice/docker-{'a' * 64}.scope", "a" * 12),
        (f"12:pids:/docker/{'b' * 64}", "b" * 12),
        (f"0::/machine.slice/libpod-{'c' * 64}.scope/container", "c" * 12),
        (f"0::/kubepods/besteffort/pod1-2-3/{'d' * 64}", "d" * 12),
        ("0::/system.slice/ssh.service", None),
    ],
)
def test_which_container_a_process_is_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, group: str, told: str | None
) -> None:
    sockets = shared("sockets")
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "cgroup").write_text(f"{group}\n")
    monkeypatch.setattr(sockets, "PROC", str(tmp_path))
    assert sockets.container(7) == told


def shared(name: str) -> ModuleType:
    return loaded(SHARED / f"{name}.py")


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("0100007F", "127.0.0.1"),
        ("00000000", "0.0.0.0"),
        ("00000000000000000000000000000000", "::"),
        ("00000000000000000000000001000000", "::1"),
        ("0000000000000000FFFF00000100007F", "::ffff:127.0.0.1"),
    ],
)
@pytest.mark.skipif(struct.pack("=H", 1) != b"\1\0", reason="as a little-endian kernel writes it")
def test_addresses_of_the_kernels_tables(text: str, address: str) -> None:
    assert shared("sockets").address(text) == address


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + b"\0" * (-len(value) % 4)


def test_a_default_route_with_several_ways() -> None:
    netlink = shared("netlink")
    first = attribute(netlink.RTA_GATEWAY, bytes((192, 0, 2, 1)))
    second = attribute(
        netlink.RTA_VIA,
        struct.pack("=H", socket.AF_INET6) + socket.inet_pton(socket.AF_INET6, "fe80::1"),
    )
    raw = b"".join(
        struct.pack("=HBBi", 8 + len(way), 0, 0, index) + way
        for index, way in ((2, first), (3, second))
    )
    assert [(index, netlink.gateway(way)) for index, way in netlink.hops(raw)] == [
        (2, "192.0.2.1"),
        (3, "fe80::1"),
    ]


def test_default_routes_of_what_the_kernel_says(monkeypatch: pytest.MonkeyPatch) -> None:
    netlink = shared("netlink")

    def route(family: int, *told: bytes, bits: int = 0, table: int = 254, kind: int = 1) -> bytes:
        return struct.pack("=8BI", family, bits, 0, 0, table, 3, 0, kind, 0) + b"".join(told)

    def word(kind: int, value: int) -> bytes:
        return attribute(kind, struct.pack("=I", value))

    def hop(index: int, last: int) -> bytes:
        way = attribute(netlink.RTA_GATEWAY, bytes((192, 0, 2, last)))
        return struct.pack("=HBBi", 8 + len(way), 0, 0, index) + way

    several = attribute(netlink.RTA_MULTIPATH, hop(2, 1) + hop(3, 2))
    bodies = [
        route(socket.AF_INET, word(netlink.RTA_PRIORITY, 100), several),
        route(socket.AF_INET, word(netlink.RTA_OIF, 4)),
        route(socket.AF_INET, word(netlink.RTA_OIF, 4), bits=24),
        route(socket.AF_INET, word(netlink.RTA_OIF, 4), table=255),
        route(socket.AF_INET, kind=7),  # unreachable
        route(socket.AF_INET6, word(netlink.RTA_OIF, 9)),
    ]
    monkeypatch.setattr(netlink, "dump", lambda _question, _answer: iter(bodies))
    found = netlink.default_routes({2: "eth0", 3: "eth1", 4: "tun0"})
    assert [
        tuple(one[key] for key in ("family", "gateway", "interface", "metric")) for one in found
    ] == [
        ("ipv4", None, "tun0", 0),
        ("ipv4", "192.0.2.1", "eth0", 100),
        ("ipv4", "192.0.2.2", "eth1", 100),
        ("ipv6", None, None, 0),
    ]


@pytest.fixture
def proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., ModuleType]:
    """The module on sockets with a /proc of the test's own: per process its name and start,
    and a socket.
    """

    def made(**processes: tuple[str, int]) -> ModuleType:
        for pid, (name, start) in processes.items():
            place = tmp_path / pid.removeprefix("p")
            (place / "fd").mkdir(parents=True)
            (place / "stat").write_text(
                f"{place.name} ({name}) S 0{' 0' * 17} {start}{' 0' * 30}\n"
            )
            (place / "fd" / "3").symlink_to("socket:[77]")
            (place / "fd" / "4").symlink_to("/dev/null")
        sockets = shared("sockets")
        monkeypatch.setattr(sockets, "PROC", str(tmp_path))
        return sockets

    return made


def test_who_holds_a_socket_by_what_the_kernel_says(proc: Callable[..., ModuleType]) -> None:
    sockets = proc(p1=("systemd", 1), p20=("late", 900), p30=("a) S (b", 100))
    held, known = sockets.holders({77, 78})
    assert ({inode: sorted(pids) for inode, pids in held.items()}, known) == (
        {77: [1, 20, 30], 78: []},
        True,
    )
    oldest = sockets.process([1, 20, 30])
    assert (oldest["pid"], oldest["name"]) == (30, "a) S (b")
    assert (sockets.process([1])["pid"], sockets.process([]), sockets.process([99])) == (
        1,
        None,
        None,
    )


def test_processes_that_are_hidden_are_not_known(proc: Callable[..., ModuleType]) -> None:
    held, known = proc(p20=("mine", 900)).holders({77})
    assert (held, known) == ({77: [20]}, False)


def test_states_and_macs() -> None:
    netlink = shared("netlink")
    assert [netlink.state(flags) for flags in (0, 0x1, 0x41, 0x40)] == [
        "down",
        "no_carrier",
        "up",
        "down",
    ]
    assert netlink.mac(bytes(6)) is None
    assert netlink.mac(bytes((192, 0, 2, 1))) is None
    assert netlink.mac(bytes.fromhex("0242acd56b80")) == "02:42:ac:d5:6b:80"
