"""The interpreter that is kept on hosts, as a process here: modules end as they do in an
interpreter of their own.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.basic import _PY_MIN

from playrail.ansible.kept.broker import _own_files
from playrail.ansible.kept.interpreter import PLACEHOLDER, READY, SIZES, START, frame
from playrail.ansible.kept.opening import OLDEST, program
from playrail.ansible.kept.payload import ARCHIVE
from worlds.kept_modules import ASKED, OWN, all_payloads, with_arguments

pytestmark = pytest.mark.slow
ENVIRONMENT = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "LC_ALL": "C.UTF-8"}
RANDOM = re.compile(rb"_payload_\w+")  # in the name of a payload's directory

SAME = [f"{name}-{number}" for number, (name, _) in enumerate(ASKED)] + [
    name for name in OWN if name not in {"looks", "meets", "daemon", "slow", "environ", "dies"}
]


def _pythons() -> Iterator[str]:
    """One interpreter of each version that modules may meet, as far as they are installed."""
    seen = set()
    found = sorted(Path.home().glob(".pyenv/versions/*/bin/python"))
    for program_file in (sys.executable, "/usr/bin/python3", *(str(path) for path in found)):
        if shutil.which(program_file):
            tell = [
                program_file,
                "-c",
                "import sys; print(sys.version_info[0] * 100 + sys.version_info[1])",
            ]
            version = int(subprocess.run(tell, capture_output=True, check=False).stdout or 0)
            if OLDEST <= divmod(version, 100) <= (3, 13) and version not in seen:
                seen.add(version)
                yield program_file


OURS, *OTHERS = _pythons()
TYPICAL = ("ping-0", "ping-1", "command-4", "setup-7", "raises", "warns", "leaves", "threads")


def test_the_oldest_python_is_the_oldest_that_ansibles_modules_take() -> None:
    assert OLDEST == _PY_MIN


@pytest.fixture(scope="module")
def payloads() -> Mapping[str, bytes]:
    return all_payloads()


class Kept:
    """A kept interpreter that runs here."""

    def __init__(self, python: str, directory: Path, **environment: str) -> None:
        self.process = subprocess.Popen(
            [python, "-c", START],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=directory,
            env={**ENVIRONMENT, "PLAYRAIL_RUN": PLACEHOLDER, **environment},
        )
        self.numbers = iter(range(1000))
        self.sent: set[str] = set()
        assert self.process.stdout is not None
        while self.process.stdout.readline().strip() != READY.encode():
            pass
        assert self.process.stdin is not None
        self.process.stdin.write(program())
        assert self.next()[0]["is"] == "hello"

    def next(self) -> tuple[dict[str, Any], bytes]:
        assert self.process.stdout is not None
        assert self.process.stdin is not None
        self.process.stdin.flush()
        header, data = SIZES.unpack(self.process.stdout.read(SIZES.size))
        return json.loads(self.process.stdout.read(header)), self.process.stdout.read(data)

    def send(self, order: dict[str, object], data: bytes = b"") -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(frame(order, data))

    def begin(self, payload: bytes, **variables: str) -> int:
        found = ARCHIVE.search(payload)
        assert found is not None
        archive = base64.b64decode(found[1])
        digest = hashlib.sha256(archive).hexdigest()
        if digest not in self.sent:
            self.send(
                {"do": "archive", "hash": digest, "own": _own_files(archive), "drop": []}, archive
            )
            assert self.next()[0] == {"is": "ready", "hash": digest}
            self.sent.add(digest)
        number = next(self.numbers)
        head, tail = payload[: found.start(1)], payload[found.end(1) :]
        self.send(
            {"do": "run", "id": number, "hash": digest, "env": variables, "head": len(head)},
            head + tail,
        )
        return number

    def run(self, payload: bytes, **variables: str) -> tuple[int, bytes, bytes]:
        return self.ends(self.begin(payload, **variables))[0]

    def ends(self, *numbers: int) -> list[tuple[int, bytes, bytes]]:
        output = {number: {1: b"", 2: b""} for number in numbers}
        status: dict[int, int] = {}
        while len(status) < len(numbers):
            told, data = self.next()
            if told["is"] == "out":
                output[told["id"]][told["stream"]] += data
            else:
                assert told["is"] == "end"
                status[told["id"]] = told["status"]
        return [(status[number], output[number][1], output[number][2]) for number in numbers]


@pytest.fixture
def keep(tmp_path: Path) -> Iterator[Callable[..., Kept]]:
    with contextlib.ExitStack() as stack:

        def make(python: str = sys.executable, **environment: str) -> Kept:
            kept = Kept(python, tmp_path, **environment)
            stack.enter_context(kept.process)
            stack.callback(kept.process.kill)
            return kept

        yield make


def afresh(
    python: str, payload: bytes, directory: Path, **variables: str
) -> tuple[int, bytes, bytes]:
    """What an interpreter of its own makes of the payload."""
    done = subprocess.run(
        [python],
        input=payload,
        capture_output=True,
        cwd=directory,
        env={**ENVIRONMENT, **variables},
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def plain(ended: tuple[int, bytes, bytes]) -> tuple[int, object, bytes]:
    """What must be the same, whenever it runs: without names by chance, times, and the
    order of what has none.
    """
    status, stdout, stderr = ended
    stdout, stderr = (RANDOM.sub(b"_payload_", text) for text in (stdout, stderr))
    stdout = re.sub(rb'"(start|end|delta)": "[^"]*"', rb'"\1": "then"', stdout)
    try:
        return status, json.loads(stdout), stderr
    except ValueError:
        return status, stdout, stderr


def answer(ended: tuple[int, bytes, bytes]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ended[1])
    return found


def differences(
    kept: Kept, python: str, payloads: Mapping[str, bytes], names: Sequence[str], place: Path
) -> object:
    different = {}
    for name in names:
        got = plain(kept.run(payloads[name], PLAYRAIL_RUN="a-run"))
        wanted = plain(afresh(python, payloads[name], place, PLAYRAIL_RUN="a-run"))
        if got != wanted:
            different[name] = (got, wanted)
    return different


def test_modules_end_as_in_an_interpreter_of_their_own(
    payloads: Mapping[str, bytes], keep: Callable[..., Kept], tmp_path: Path
) -> None:
    assert differences(keep(), OURS, payloads, [*SAME, "ping-0", "raises"], tmp_path) == {}


@pytest.mark.slow
@pytest.mark.parametrize("python", OTHERS)
def test_so_they_do_with_other_versions(
    python: str, payloads: Mapping[str, bytes], keep: Callable[..., Kept], tmp_path: Path
) -> None:
    assert differences(keep(python), python, payloads, TYPICAL, tmp_path) == {}


def test_variables_that_modules_may_heed_when_they_are_loaded_change_nothing_else(
    payloads: Mapping[str, bytes], keep: Callable[..., Kept], tmp_path: Path
) -> None:
    given = {"PLAYRAIL_RUN": "a-run", "UNIXCONFDIR": "/nowhere", "TZ": "Asia/Tokyo"}
    kept = keep()
    for name in ("ping-0", "setup-7", "setup-7"):
        assert plain(kept.run(payloads[name], **given)) == plain(
            afresh(OURS, payloads[name], tmp_path, **given)
        )


def test_a_module_that_dies_is_told_by_its_signal(
    payloads: Mapping[str, bytes], keep: Callable[..., Kept]
) -> None:
    assert keep().run(payloads["dies"]) == (-signal.SIGKILL, b"", b"")


def test_a_module_sees_nothing_of_the_one_before(
    payloads: Mapping[str, bytes], keep: Callable[..., Kept]
) -> None:
    kept = keep()
    first, second = (answer(kept.run(payloads["looks"]))["seen"] for _ in range(2))

    assert second == first
    assert first[0] is None
    assert first[3:] == [False, False, False, ["0", "1", "2", "3"], True, True]


def test_modules_run_beside_each_other(
    payloads: Mapping[str, bytes], keep: Callable[..., Kept], tmp_path: Path
) -> None:
    kept, one, two = keep(), tmp_path / "one", tmp_path / "two"
    numbers = [
        kept.begin(with_arguments(payloads["meets"], *paths)) for paths in ((one, two), (two, one))
    ]

    assert [answer(ended)["met"] for ended in kept.ends(*numbers)] == [True, True]


def test_a_process_that_stays_holds_nobody_up(
    payloads: Mapping[str, bytes], keep: Callable[..., Kept]
) -> None:
    process = answer(keep().run(payloads["daemon"]))["started"]

    os.kill(process, signal.SIGKILL)  # it lives


def test_when_the_input_ends_the_interpreter_does_and_modules_go_on(
    payloads: Mapping[str, bytes], keep: Callable[..., Kept], tmp_path: Path
) -> None:
    kept, done = keep(), tmp_path / "done"
    kept.begin(with_arguments(payloads["slow"], done))
    assert kept.process.stdin is not None
    kept.process.stdin.close()
    kept.process.wait(0.9)
    assert not done.exists()
    until = time.monotonic() + 5
    while not done.exists() and time.monotonic() < until:
        time.sleep(0.05)

    assert done.exists()


def test_a_run_is_named_where_end_run_looks(
    payloads: Mapping[str, bytes], keep: Callable[..., Kept]
) -> None:
    kept = keep()
    named = answer(
        kept.run(payloads["environ"], PLAYRAIL_RUN="20260101-000000-abcdef01-end", TZ="Asia/Tokyo")
    )
    too_long = answer(kept.run(payloads["environ"], PLAYRAIL_RUN="x" * 100))
    own = Path(f"/proc/{kept.process.pid}/environ").read_text().split("\0")

    assert "PLAYRAIL_RUN=20260101-000000-abcdef01-end" in named["own"].split("\0")
    assert (named["run"], named["zone"]) == ("20260101-000000-abcdef01-end", ["JST", "JST"])
    assert "PLAYRAIL_RUN=" + "x" * 100 in too_long["own"].split("\0")
    assert f"PLAYRAIL_RUN={PLACEHOLDER}" in own


def altered(payload: bytes, file: str, old: bytes, new: bytes) -> bytes:
    """The payload with another text in a file of its archive."""
    found = ARCHIVE.search(payload)
    assert found is not None
    made = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(base64.b64decode(found[1]))) as before,
        zipfile.ZipFile(made, "w") as after,
    ):
        for name in before.namelist():
            data = before.read(name)
            after.writestr(name, data.replace(old, new) if name == file else data)
        assert old in before.read(file)
    return payload[: found.start(1)] + base64.b64encode(made.getvalue()) + payload[found.end(1) :]


def test_a_file_is_used_only_for_payloads_that_bring_the_same(
    payloads: Mapping[str, bytes], keep: Callable[..., Kept], tmp_path: Path
) -> None:
    kept, ping = keep(), payloads["ping-0"]
    other = altered(
        ping, "ansible/module_utils/basic.py", b"kwargs['invocation']", b"kwargs['summons']"
    )
    broken = altered(
        ping, "ansible/module_utils/basic.py", b"class AnsibleModule(", b"class AnsibleModule(("
    )
    ended = [kept.run(payload) for payload in (ping, other, ping, broken, ping)]

    assert [sorted(answer(done)) for done in ended[:3]] == [
        ["invocation", "ping"],
        ["ping", "summons"],
        ["invocation", "ping"],
    ]
    wanted = afresh(OURS, broken, tmp_path)
    assert (ended[3][0], ended[3][2].splitlines()[-1]) == (wanted[0], wanted[2].splitlines()[-1])
    assert ended[4] == ended[0]


def test_an_interpreter_that_is_not_as_a_new_one_would_be_says_so(
    payloads: Mapping[str, bytes], keep: Callable[..., Kept], tmp_path: Path
) -> None:
    packages = tmp_path / "packages"
    packages.mkdir()
    kept = keep(PYTHONPATH=str(packages))
    assert kept.run(payloads["ping-0"])[0] == 0
    (packages / "installed.py").touch()
    number = kept.begin(payloads["ping-0"])

    assert kept.next()[0] == {"is": "stale", "id": number}


def test_a_module_that_cannot_be_begun_is_left_to_others(
    payloads: Mapping[str, bytes], keep: Callable[..., Kept], tmp_path: Path
) -> None:
    full = (
        "import os\ndef fork():\n    raise BlockingIOError('too many processes')\nos.fork = fork\n"
    )
    (tmp_path / "sitecustomize.py").write_text(full)
    kept = keep(PYTHONPATH=str(tmp_path))
    files = Path(f"/proc/{kept.process.pid}/fd")
    before = len(list(files.iterdir()))
    for _ in range(2):
        number = kept.begin(payloads["ping-0"])
        assert kept.next()[0] == {"is": "stale", "id": number}
    assert len(list(files.iterdir())) == before


def test_what_fails_around_a_module_is_told(
    payloads: Mapping[str, bytes], keep: Callable[..., Kept], tmp_path: Path
) -> None:
    bad = b"(\n" + payloads["ping-0"]
    got, wanted = keep().run(bad), afresh(OURS, bad, tmp_path)

    assert (got[0], got[1], got[2].splitlines()[-1]) == (
        wanted[0],
        wanted[1],
        wanted[2].splitlines()[-1],
    )


def test_it_answers_a_ping_and_leaves_nothing(
    payloads: Mapping[str, bytes], keep: Callable[..., Kept], tmp_path: Path
) -> None:
    kept = keep(TMPDIR=str(tmp_path))
    kept.run(payloads["ping-0"])
    kept.send({"do": "ping"})

    assert kept.next()[0] == {"is": "pong"}
    assert list(tmp_path.iterdir()) == []
