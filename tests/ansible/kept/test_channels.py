"""The broker of channels: with an ssh that runs commands here."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import socket
import sys
import threading
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from playrail.ansible.kept.interpreter import READY, frame
from playrail.ansible.plugins.connection.ssh import Unfit, ask
from worlds.channel_broker import Broker, broker_at_work
from worlds.kept_modules import all_payloads, with_arguments

pytestmark = pytest.mark.slow
NEVER_S = 1000.0  # longer than any test waits
PONG = b'\n{"ping": "pong", "invocation": {"module_args": {"data": "pong"}}}\n'


@pytest.fixture(scope="module")
def payloads() -> Mapping[str, bytes]:
    return all_payloads()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with broker_at_work(tmp_path) as broker:
        yield broker


def test_modules_share_a_channel(broker: Broker, payloads: Mapping[str, bytes]) -> None:
    answers: list[Any] = []
    workers = [
        threading.Thread(target=lambda: answers.append(broker.ask(payloads["ping-0"])))
        for _ in range(6)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    answers.append(broker.ask(payloads["leaves"]))

    assert answers[:6] == [({"is": "done", "status": 0, "stdout": len(PONG)}, PONG)] * 6
    assert answers[6] == ({"is": "done", "status": 7, "stdout": 2}, b"{}to stderr")
    assert broker.opened() == 1
    assert broker.socket.stat().st_mode & 0o777 == 0o600


def test_a_long_answer_comes_whole(broker: Broker, payloads: Mapping[str, bytes]) -> None:
    told, output = broker.ask(payloads["talks"])

    assert len(json.loads(output)["text"]) == 5_000_000
    assert told["stdout"] == len(output)


def test_a_channel_that_died_is_made_again(broker: Broker, payloads: Mapping[str, bytes]) -> None:
    broker.ask(payloads["ping-0"])
    kept = broker.kept()
    os.kill(kept, signal.SIGKILL)
    assert broker.has_only(broker.process.pid)
    time.sleep(0.2)  # a module that is sent before the end was seen is lost, and that is told

    assert broker.ask(payloads["ping-0"])[1] == PONG
    assert broker.opened() == 2


def test_a_connection_lost_in_mid_module_is_told(
    broker: Broker, payloads: Mapping[str, bytes], tmp_path: Path
) -> None:
    broker.ask(payloads["ping-0"])
    kept = broker.kept()
    threading.Timer(0.4, os.kill, [kept, signal.SIGKILL]).start()

    told, _ = broker.ask(with_arguments(payloads["slow"], tmp_path / "done"))

    assert told == {"is": "lost", "reason": "the connection was lost"}
    assert broker.opened() == 1


@dataclass(frozen=True, kw_only=True)
class Silent:
    """What came of a second module after the channel to each host had fallen silent."""

    output: Mapping[str, bytes]
    opened: Mapping[str, int]
    log: str
    below: Collection[str]


@pytest.fixture(scope="module")
def silent(
    tmp_path_factory: pytest.TempPathFactory, payloads: Mapping[str, bytes]
) -> Iterator[Silent]:
    ping, hosts = payloads["ping-0"], ("here", "hangs")
    with broker_at_work(tmp_path_factory.mktemp("silent")) as broker, contextlib.ExitStack() as end:
        for host in hosts:
            broker.ask(ping, host=host)
        for pid in broker.every_kept():
            os.kill(pid, signal.SIGSTOP)
            end.callback(end_one, pid)
        time.sleep(5.5)
        yield Silent(
            output={host: broker.ask(ping, host=host)[1] for host in hosts},
            opened={host: broker.opened(host) for host in hosts},
            log=broker.log.read_text(),
            below=broker.below().values(),
        )


def end_one(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("host", ["here", "hangs"])
def test_a_silent_channel_is_given_up(host: str, silent: Silent) -> None:
    assert silent.output[host] == PONG
    assert silent.opened[host] == 2
    assert f"-O stop {host}" in silent.log
    assert "sleep 61" not in silent.below


def test_a_worker_that_goes_away_leaves_the_module_at_work(
    broker: Broker,
    payloads: Mapping[str, bytes],
    tmp_path: Path,
) -> None:
    done = tmp_path / "done"
    broker.ask(payloads["ping-0"])
    with socket.socket(socket.AF_UNIX) as worker:
        worker.connect(str(broker.socket))
        worker.sendall(frame(broker.order(), with_arguments(payloads["slow"], done)))
        assert b"sent" in worker.recv(100)
        time.sleep(0.1)  # it is told right before

    assert broker.ask(payloads["ping-0"])[1] == PONG
    until = time.monotonic() + 5
    while not done.exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert done.exists()
    assert broker.opened() == 1


def test_what_cannot_be_opened_is_refused(broker: Broker, payloads: Mapping[str, bytes]) -> None:
    ping = payloads["ping-0"]
    refused = "ssh: connect to host unreachable port 22: Connection refused"
    unreachable = [broker.ask(ping, host="unreachable")[0] for _ in range(2)]
    without_python = [broker.ask(ping, python="/no/python")[0] for _ in range(2)]

    reason = f"ssh ended with status 255: {refused}"
    wanted = {
        "is": "refused",
        "reason": reason,
        "text": refused,
        "connected": False,
        "first": False,
    }
    assert unreachable == [wanted] * 2
    assert [(told["is"], told["first"]) for told in without_python] == [
        ("refused", True),
        ("refused", False),
    ]
    assert ["status 127" in told["reason"] for told in without_python] == [True, True]
    assert broker.opened() == 3  # a host that answered, and cannot do it, is left alone for a while


def test_what_is_no_module_is_refused(broker: Broker) -> None:
    assert broker.ask(b"print(1)")[0]["reason"] == "this is no module with an archive"
    assert broker.opened() == 0


def test_sudo_is_told_the_password_once(broker: Broker, payloads: Mapping[str, bytes]) -> None:
    prompt = "[sudo via ansible, key=abc] password:"
    command = (
        f"exec sudo -H -S -p '{prompt}' -u root "
        f"{broker.order()['opening']['command'].partition('exec ')[2]}"
    )
    right = {"command": command, "prompt": prompt, "password": "right", "connect_s": NEVER_S}

    wrong = [broker.ask(payloads["ping-0"], **{**right, "password": "wrong"})[0] for _ in range(2)]
    assert [told["is"] for told in wrong] == ["refused"] * 2
    assert ["Sorry, try again." in told["reason"] for told in wrong] == [True, True]
    assert "Sorry, try again." in wrong[0]["text"]
    assert wrong[1]["text"] == ""  # it was not asked again

    assert broker.ask(payloads["ping-0"], **right)[1] == PONG
    assert broker.ask(payloads["ping-0"], **right)[1] == PONG
    assert broker.opened() == 2
    assert "right" not in broker.log.read_text()


def test_who_cannot_be_told_the_password_is_refused_at_once(
    broker: Broker, payloads: Mapping[str, bytes]
) -> None:
    command = "printf 'password:' >&2; read password"
    told, _ = broker.ask(
        payloads["ping-0"], command=command, prompt="password:", password=1, connect_s=NEVER_S
    )

    assert (told["is"], told["text"]) == ("refused", "password:")


def test_a_host_that_talks_nonsense_is_a_lost_connection(
    broker: Broker, payloads: Mapping[str, bytes]
) -> None:
    hello, nonsense = (
        frame({"is": "hello", "python": "3.11.2"}).hex(),
        frame({"is": "out", "id": 7}).hex(),
    )
    told = (
        f"print({READY!r}, flush=True); input(); [put(bytes.fromhex(word)) for word in "
        f"({hello!r}, {nonsense!r})]"
    )
    program = (
        f"import os; put = lambda data: os.write(1, data); os.write(1, b'\\n'); {told}; input()"
    )
    command = shlex.join([sys.executable, "-c", program])
    answer, _ = broker.ask(payloads["ping-0"], command=command, connect_s=NEVER_S)

    assert answer["is"] == "refused"
    # As it was seen before or while it was used
    assert answer["reason"] in {"the connection was lost", "it has ended"}
    assert broker.has_only(broker.process.pid)


def test_reset_ends_the_channels_of_a_host(broker: Broker, payloads: Mapping[str, bytes]) -> None:
    broker.ask(payloads["ping-0"])
    first = broker.kept()
    order = broker.order()

    assert ask(str(broker.socket), {"do": "reset", "argv": order["argv"]}, b"") == (
        {"is": "reset"},
        b"",
    )
    assert broker.ask(payloads["ping-0"])[1] == PONG
    assert broker.kept() != first


def test_the_end_of_the_broker_is_that_of_everything(
    broker: Broker, payloads: Mapping[str, bytes]
) -> None:
    broker.ask(payloads["ping-0"])
    assert len(broker.below()) > 1
    broker.end()

    assert broker.has_only()


def test_what_a_killed_broker_leaves_ends_by_itself(
    tmp_path: Path, payloads: Mapping[str, bytes]
) -> None:
    broker = Broker(tmp_path)
    broker.ask(payloads["ping-0"])
    broker.process.kill()
    broker.end()

    assert broker.has_only()
    with pytest.raises(Unfit, match="does not answer"):
        broker.ask(payloads["ping-0"])
