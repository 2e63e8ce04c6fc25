"""What name servers answer, and what is made of it."""

from __future__ import annotations

import socket
import struct
import threading
from types import ModuleType
from typing import Any

import pytest

from worlds.host_modules import MODULES, SHARED, loaded, module_answer


def run(module: str, **arguments: Any) -> dict[str, Any]:
    return module_answer([str(MODULES / f"{module}.py")], arguments, timeout_s=60)


def shared(name: str) -> ModuleType:
    return loaded(SHARED / f"{name}.py")


def packet(number: int, name: bytes, *records: bytes, status: int = 0, flags: int = 0) -> bytes:
    head = struct.pack("!6H", number, 0x8180 | status | flags, 1, len(records), 0, 0)
    return head + name + struct.pack("!2H", 1, 1) + b"".join(records)


def record(kind: int, data: bytes, life: int = 60) -> bytes:
    return b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, life, len(data)) + data


NAME = b"\3www\3lab\4test\0"


@pytest.mark.parametrize(
    ("kind", "data", "text"),
    [
        (1, b"\xc0\0\2\1", "192.0.2.1"),
        (15, b"\0\x0a" + b"\4mail\xc0\x0c", "10 mail.www.lab.test"),
        (16, b"\5v=spf\3 -a", "v=spf -a"),
        (5, b"\xc0\x0c", "www.lab.test"),
        (257, b"\0\5issueca.test", "0 issue ca.test"),
        (99, b"\1\2", "0102"),
    ],
)
def test_records(kind: int, data: bytes, text: str) -> None:
    message = shared("dns_questions").Message(packet(7, NAME, record(kind, data)), 7)
    assert [one[1:] for one in message.records()] == [(60, text)]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        packet(8, NAME),
        packet(7, b"\xc0\x0c", record(1, b"")),
        packet(7, NAME, record(1, b"\1")),
        packet(7, NAME, b"\xc0"),
        packet(7, b"\1a" * 129 + b"\0", record(1, b"\xc0\0\2\1")),
        struct.pack("!6H", 7, 0x8180, 65535, 0, 0, 0) + NAME,
    ],
)
def test_answers_that_are_none(raw: bytes) -> None:
    questions = shared("dns_questions")
    with pytest.raises(questions.Malformed):
        list(questions.Message(raw, 7).records())


def test_a_server_is_asked_again_by_tcp_where_the_answer_is_cut() -> None:
    questions = shared("dns_questions")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        port = udp.getsockname()[1]
        with socket.create_server(("127.0.0.1", port)) as tcp:

            def answer() -> None:
                raw, asker = udp.recvfrom(512)
                udp.sendto(packet(int.from_bytes(raw[:2], "big"), NAME, flags=0x200), asker)
                one, _ = tcp.accept()
                with one:
                    raw = one.recv(512)[2:]
                    told = packet(int.from_bytes(raw[:2], "big"), NAME, record(1, b"\xc0\0\2\1"))
                    one.sendall(struct.pack("!H", len(told)) + told)

            threading.Thread(target=answer, daemon=True).start()
            found = questions.ask("127.0.0.1", "www.lab.test", "A", port=port)
    assert (found["status"], found["answers"], found["tcp"]) == ("NOERROR", ["192.0.2.1"], True)


def test_servers_that_say_different_things() -> None:
    differ = loaded(MODULES / "name_lookup.py").differ
    first = {"type": "A", "status": "NOERROR", "answers": ["192.0.2.1"]}
    assert differ([first, {**first, "answers": ["192.0.2.2"]}])
    assert not differ([first, first, {"type": "A", "status": "timed_out"}])


def test_a_name_of_this_machine() -> None:
    found = run("name_lookup", name="localhost")
    assert "127.0.0.1" in found["resolver"]["addresses"] + found["hosts_file"]
    assert run("name_lookup", name="a..b")["playrail_code"] == "invalid_argument"
    assert run("name_lookup", name="127.0.0.1")["asked"] == "1.0.0.127.in-addr.arpa"


def test_an_address_has_names_alone() -> None:
    assert run("name_lookup", name="127.0.0.1", type="PTR")["asked"] == "1.0.0.127.in-addr.arpa"
    found = run("name_lookup", name="127.0.0.1", type="MX")
    assert found["playrail_code"] == "invalid_argument"


@pytest.fixture
def lookup(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module on a host with two domains, in the second of which there is `db`."""
    found = loaded(MODULES / "name_lookup.py")
    monkeypatch.setattr(found, "configured", lambda: (["192.0.2.53"], ["a.test", "b.test."]))
    monkeypatch.setattr(found, "by_resolver", lambda *_: {})
    addresses = [f"192.0.2.{number}" for number in range(30)]

    def answers(_servers: list[str], name: str, kinds: list[str]) -> list[dict[str, Any]]:
        known = name == "db.b.test"
        said = {"status": "NOERROR", "answers": addresses} if known else {"status": "NXDOMAIN"}
        return [{"server": "192.0.2.53", "type": kind, "answers": [], **said} for kind in kinds]

    monkeypatch.setattr(found, "asked_all", answers)
    return found


def asked(lookup: ModuleType, name: str) -> Any:
    return lookup.looked({"name": name, "nameserver": None, "type": "A", "max_bytes": 4000})


def test_each_domain_is_asked_for_a_short_name(lookup: ModuleType) -> None:
    found = asked(lookup, "db")
    assert found["asked"] == "db.b.test"
    (server,) = found["servers"]
    assert (len(server["answers"]), server["answers_total"]) == (20, 30)
    assert asked(lookup, "none")["asked"] == "none.a.test"
    assert "asked" not in asked(lookup, "db.c.test")


def test_the_same_answers_in_another_order_do_not_differ() -> None:
    questions, differ = shared("dns_questions"), loaded(MODULES / "name_lookup.py").differ
    records = [record(1, bytes((192, 0, 2, number))) for number in range(30)]
    said = []
    for turned in (records, records[11:] + records[:11]):
        message = questions.Message(packet(7, NAME, *turned), 7)
        texts = [text for _kind, _life, text in message.records()]
        said.append({"type": "A", "status": "NOERROR", "answers": sorted(texts)})
    assert not differ(said)
