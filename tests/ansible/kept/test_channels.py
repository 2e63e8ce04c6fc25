"""The broker of channels, and the connection that brings it modules: with an ssh that runs
commands here.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from playrail.ansible.kept.interpreter import PLACEHOLDER, READY, START, frame
from playrail.ansible.plugins.connection.ssh import Unfit, _taken_apart, ask
from worlds.checkout import ROOT
from worlds.kept_modules import all_payloads, with_arguments
from worlds.local_plays import end_at_work
from worlds.ssh_stand_ins import SSH, SUDO

PLUGINS = ROOT / "src/playrail/ansible/plugins/connection"


class Broker:
    """A broker at work, and how to ask it."""

    def __init__(self, directory: Path) -> None:
        self.log = directory / "log"
        for name, text in (("ssh", SSH.format(log=self.log)), ("sudo", SUDO)):
            (directory / name).write_text(text)
            (directory / name).chmod(0o700)
        self.directory = directory
        self.socket = directory / "socket"
        self.environment = {
            **os.environ,
            "PATH": f"{directory}:{os.environ['PATH']}",
            "LC_ALL": "C.UTF-8",
        }
        command = [sys.executable, "-P", "-m", "playrail.ansible.kept.broker", str(self.socket)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, env=self.environment, start_new_session=True
        )
        until = time.monotonic() + 20
        while not self.answers() and time.monotonic() < until:
            time.sleep(0.02)

    def answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as connection:
            return connection.connect_ex(str(self.socket)) == 0

    def order(
        self, host: str = "here", python: str = sys.executable, **changes: Any
    ) -> dict[str, Any]:
        script = f"export PLAYRAIL_RUN={PLACEHOLDER}; exec {python} -c '{START}'"
        opening = {"command": script, "prompt": None, "password": None, "connect_s": 5.0}
        argv = [str(self.directory / "ssh"), "-o", "BatchMode=yes", host]
        return {
            "do": "run",
            "argv": argv,
            "identity": [python],
            "env": {},
            "opening": {**opening, **changes},
        }

    def ask(self, payload: bytes, **changes: Any) -> tuple[dict[str, Any], bytes]:
        return ask(str(self.socket), self.order(**changes), payload)

    def opened(self) -> int:
        """How often ssh was called for a channel."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return sum(" -O " not in line and line.strip() != "-V" for line in lines)

    def below(self) -> dict[int, str]:
        """Processes in the broker's session, which only fork."""
        told = subprocess.run(
            ["ps", "-o", "pid=,args=", "-s", str(self.process.pid)],
            capture_output=True,
            text=True,
            check=False,
        )
        rows = (line.split(None, 1) for line in told.stdout.splitlines())
        return {int(pid): args for pid, args in rows if "defunct" not in args}

    def has_only(self, *pids: int) -> bool:
        """Whether just these are left in the session, once what was ended there has had
        time to end.
        """
        until = time.monotonic() + 10
        while self.below().keys() != set(pids) and time.monotonic() < until:
            time.sleep(0.05)
        return self.below().keys() == set(pids)

    def kept(self) -> int:
        (pid,) = [
            pid
            for pid, args in self.below().items()
            if "sys.path[:]" in args and "/ssh " not in args
        ]
        return pid

    def end(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(5)


@pytest.fixture(scope="module")
def payloads() -> Mapping[str, bytes]:
    return all_payloads()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    made = Broker(tmp_path)
    yield made
    with contextlib.suppress(BrokenPipeError):
        made.end()
    assert not made.socket.exists()


pytestmark = pytest.mark.slow
NEVER_S = 1000.0  # longer than any test waits
PONG = b'\n{"ping": "pong", "invocation": {"module_args": {"data": "pong"}}}\n'


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


@pytest.mark.parametrize("host", ["here", "hangs"])
def test_a_silent_channel_is_given_up(
    host: str, broker: Broker, payloads: Mapping[str, bytes]
) -> None:
    broker.ask(payloads["ping-0"], host=host)
    kept = broker.kept()
    os.kill(kept, signal.SIGSTOP)
    time.sleep(5.5)

    assert broker.ask(payloads["ping-0"], host=host)[1] == PONG
    assert broker.opened() == 2
    assert f"-O stop {host}" in broker.log.read_text()
    assert "sleep 61" not in broker.below().values()
    with contextlib.suppress(ProcessLookupError):
        os.kill(kept, signal.SIGKILL)


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


def test_who_is_not_let_in_is_told_once(
    ansible: Callable[..., subprocess.CompletedProcess[str]], broker: Broker
) -> None:
    done = ansible("-m", "ping", ansible_host="denied")

    assert (
        "Failed to connect to the host via ssh: me@denied: Permission denied (publickey)."
        in done.stdout
    )
    assert broker.opened() == 1


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


@pytest.mark.parametrize(
    ("command", "wanted"),
    [
        ("/usr/bin/python3", ({}, "/usr/bin/python3")),
        ("A=1 B='x y' python3", ({"A": "1", "B": "x y"}, "python3")),
        ("A=''\"'\"'' python3", ({"A": "'"}, "python3")),
        ("PLAYRAIL_RUN=a=b /opt/bin/python3.12", ({"PLAYRAIL_RUN": "a=b"}, "/opt/bin/python3.12")),
    ],
)
def test_a_command_taken_apart(command: str, wanted: object) -> None:
    assert _taken_apart(command) == wanted


@pytest.mark.parametrize(
    "command", ["", "A=1", "python3 /tmp/module.py", "'/usr/bin/env python3'", "python3 'x"]
)
def test_a_command_that_is_another(command: str) -> None:
    with pytest.raises(Unfit):
        _taken_apart(command)


@pytest.fixture
def ansible(broker: Broker) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a module by Ansible, as a play of Playrail would."""

    def run(*words: str, **variables: object) -> subprocess.CompletedProcess[str]:
        told = {
            "ansible_python_interpreter": sys.executable,
            "ansible_ssh_executable": str(broker.directory / "ssh"),
        }
        environment = {
            **broker.environment,
            "ANSIBLE_PIPELINING": "True",
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_VERBOSITY": "2",
            "ANSIBLE_CONNECTION_PLUGINS": str(PLUGINS),
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(broker.directory / "cp"),
            "PLAYRAIL_CHANNELS": str(broker.socket),
            "HOME": str(broker.directory),
        }
        command = [
            "ansible",
            "-i",
            "here,",
            "here",
            "-e",
            json.dumps({**told, **variables}),
            *words,
        ]
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False, timeout=60
        )

    return run


FAST = "goes to the kept interpreter"


def test_ansible_brings_its_modules(
    ansible: Callable[..., subprocess.CompletedProcess[str]], broker: Broker
) -> None:
    done = ansible("-m", "command", "-a", "sh -c 'echo hello; exit 3'")

    assert FAST in done.stdout
    assert "rc=3 >>\nhello" in done.stdout
    assert broker.opened() == 1


@pytest.mark.parametrize(
    ("variables", "why", "pong"),
    [
        ({"playrail_fast": False}, None, True),
        ({"ansible_connection": "ansible.builtin.ssh"}, None, True),
        ({"ansible_shell_type": "csh"}, "the host's shell is not like sh", True),
        ({"ansible_python_interpreter": "/no/python"}, "ssh ended with status 127", False),
    ],
)
def test_the_stock_way_stays(
    variables: dict[str, object],
    why: str | None,
    pong: bool,
    ansible: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    told = ansible("-m", "ping", **variables)

    text = re.sub(r"\s+", " ", told.stdout + told.stderr)
    assert (f"here: a module goes by plain ssh: {why}" in text) is (why is not None)
    assert ('"ping": "pong"' in text) is pong


@pytest.mark.parametrize(
    ("password", "wanted"), [("right", '"ping": "pong"'), ("wrong", "Incorrect sudo password")]
)
def test_ansible_becomes_another_user(
    password: str,
    wanted: str,
    ansible: Callable[..., subprocess.CompletedProcess[str]],
    broker: Broker,
) -> None:
    done = ansible("-m", "ping", ansible_become=True, ansible_become_password=password)

    assert wanted in done.stdout
    assert broker.opened() == 1


def test_ansible_tells_of_a_module_that_may_have_run(
    ansible: Callable[..., subprocess.CompletedProcess[str]], broker: Broker
) -> None:
    ansible("-m", "ping")
    kept = broker.kept()
    threading.Thread(target=end_at_work, args=(kept, "8.0617"), daemon=True).start()
    done = ansible("-m", "command", "-a", "sleep 8.0617")

    assert "UNREACHABLE" in done.stdout
    assert "The connection was lost while a command was at work on the host" in done.stdout
