"""The ledger: what is written stays as it was written, or it shows."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from playrail.errors import LedgerUnavailable, LimitReached, PlanUnusable
from playrail.ledger.chain import FIRST
from playrail.ledger.ledger import Ledger, Read
from worlds.ledger_entries import a_plan, entry

WRITER = """
import sys
from pathlib import Path
from playrail.ledger.ledger import Entry, Ledger

path, writer, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
ledger = Ledger(path)
for number in range(count):
    call = f"{writer}-{number}"
    said = {"server": writer, "caller": "local", "tool": "t", "body": {"hosts": []}}
    ledger.append(Entry(kind="started", call=call, **said))
    print(call, flush=True)
"""


def three(ledger: Ledger) -> None:
    ledger.append(entry("a", hosts=["h"]), entry("b", hosts=["h"]))
    ledger.append(entry("a", "ended", outcome="ok"))
    ledger.close()


def test_what_is_appended_is_read_in_order(ledger: Ledger) -> None:
    three(ledger)

    rows = list(ledger.read())

    assert [(row["seq"], row["kind"], row["call"], row["body"]) for row in rows] == [
        (1, "started", "a", {"hosts": ["h"]}),
        (2, "started", "b", {"hosts": ["h"]}),
        (3, "ended", "a", {"outcome": "ok"}),
    ]
    assert {(row["server"], row["caller"], row["tool"]) for row in rows} == {
        ("s1", "local", "read_file")
    }
    assert [row["previous"] for row in rows] == [FIRST, rows[0]["hash"], rows[1]["hash"]]
    assert [row["seq"] for row in ledger.read(call="a")] == [1, 3]
    assert list(ledger.read(server="another")) == []
    assert [call.call for call in ledger.open_calls("s1")] == ["b"]
    assert ledger.verify().problem is None


def test_any_text_survives(ledger: Ledger) -> None:
    body: dict[str, Any] = {
        "text": "zażółć \U0001f680 \x00 \u2028 ' \" {{ 1 }}",
        "lone": "\udc80",
        "none": None,
        "deep": [{"a": [1.5]}],
    }

    ledger.append(entry("a", **body))

    assert next(ledger.read())["body"] == body
    assert ledger.verify().problem is None


def test_reading_what_is_wanted(ledger: Ledger) -> None:
    ledger.append(
        entry("a", run="r1", plan="p1"),
        entry("b", run="r2"),
        entry("b", "events", run="r2", tasks=[]),
    )
    ledger.append(
        entry("b", "ended", outcome="ok"), a_plan("p1"), entry("c", "refused", outcome="denied")
    )
    at = [row["at"] for row in ledger.read()]

    def found(**wanted: Any) -> list[int]:
        return [row["seq"] for row in ledger.read(**wanted)]

    assert found(kinds=("started", "ended")) == [1, 2, 4]
    assert found(kinds=("started", "ended"), newest_first=True, limit=2) == [4, 2]
    assert found(limit=2) == [1, 2]
    assert found(run="r2") == [2, 3]
    assert found(plan="p1") == [1, 5]
    assert found(plan="p1", kinds=("plan",)) == [5]
    assert found(caller="local", call="c") == [6]
    assert found(caller="nobody") == found(run="' OR 1=1 --") == []
    assert found(since=at[0]) == [1, 2, 3, 4, 5, 6]
    assert found(since="2999") == []
    head = ledger.head()
    assert head is not None
    assert (head.seq, head.at) == (6, at[-1])


def test_what_is_written_depends_on_what_is_read_with_it(ledger: Ledger) -> None:
    def at_most_two(read: Read) -> None:
        if len(list(read(kinds=("started",), caller="local"))) >= 2:
            raise LimitReached("Too many.")

    for call in ("a", "b"):
        ledger.append(entry(call), provided=at_most_two)
    with pytest.raises(LimitReached):
        ledger.append(entry("c"), provided=at_most_two)

    ledger.append(entry("d"))
    assert [row["call"] for row in ledger.read()] == ["a", "b", "d"]
    assert ledger.verify().problem is None


def test_a_plan_is_closed_once(ledger: Ledger) -> None:
    ledger.append(a_plan("p1"), a_plan("p2"))
    ledger.append(entry("a", "closed", plan="p1", outcome="used"))

    with pytest.raises(PlanUnusable, match="used, cancelled or rejected before"):
        ledger.append(entry("b"), entry("b", "closed", plan="p1", outcome="cancelled"))

    ledger.append(entry("c", "closed", plan="p2", outcome="cancelled"))
    assert [row["call"] for row in ledger.read(kinds=("closed", "started"))] == ["a", "c"]


def test_many_threads_read_within_a_read(ledger: Ledger) -> None:
    ledger.append(*(entry(str(number)) for number in range(20)))
    threads, together, found = 24, threading.Barrier(24), []

    def read() -> None:
        outer = ledger.read()
        next(outer)
        together.wait()
        found.append(sum(len(list(ledger.read(call=row["call"]))) for row in outer))

    readers = [threading.Thread(target=read) for _ in range(threads)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join(20)

    assert found == [19] * threads


def test_a_number_that_json_does_not_have(ledger: Ledger) -> None:
    ledger.append(entry("a", run="r", value=[float("nan"), float("-inf"), 1.5]))

    assert next(ledger.read(run="r"))["body"]["value"] == ["NaN", "-Infinity", 1.5]


def test_an_empty_ledger_holds(ledger: Ledger) -> None:
    assert list(ledger.read()) == []
    assert ledger.head() is None
    assert ledger.verify().problem is None


def test_only_its_owner_can_read_it(ledger: Ledger) -> None:
    three(ledger)

    assert ledger.path.stat().st_mode & 0o777 == 0o600
    assert ledger.path.parent.stat().st_mode & 0o777 == 0o700


def test_entries_of_one_append_are_all_written_or_none(ledger: Ledger) -> None:
    ledger.append(entry("a"))

    with pytest.raises(TypeError):
        ledger.append(entry("b"), entry("c", what=object()))

    assert [row["call"] for row in ledger.read()] == ["a"]


@pytest.mark.slow
def test_two_processes_at_once_keep_the_chain(ledger: Ledger) -> None:
    count = 40
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, ledger.path, name, str(count)], stdout=subprocess.DEVNULL
        )
        for name in ("one", "two")
    ]

    assert [writer.wait(60) for writer in writers] == [0, 0]

    calls = [row["call"] for row in ledger.read()]
    assert sorted(calls) == sorted(
        f"{name}-{number}" for name in ("one", "two") for number in range(count)
    )
    assert ledger.verify().problem is None


@pytest.mark.slow
def test_a_killed_process_loses_no_acknowledged_record(ledger: Ledger) -> None:
    command = [sys.executable, "-c", WRITER, str(ledger.path), "one", "100000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        acknowledged = [writer.stdout.readline().strip() for _ in range(25)]
        writer.send_signal(signal.SIGKILL)
        acknowledged += writer.stdout.read().splitlines()

    written = [row["call"] for row in ledger.read()]

    # The last one may have been written without its acknowledgement having got out.
    assert written[: len(acknowledged)] == acknowledged
    assert len(written) - len(acknowledged) <= 1
    assert ledger.verify().problem is None
    ledger.append(entry("after"))
    assert ledger.verify().problem is None


def _a_file(parent: Path) -> None:
    parent.write_text("")


def _a_link(parent: Path) -> None:
    (parent.parent / "elsewhere").mkdir(mode=0o700)
    parent.symlink_to(parent.parent / "elsewhere")


def _open_to_others(parent: Path) -> None:
    parent.mkdir()
    parent.chmod(0o755)


def _no_database(parent: Path) -> None:
    parent.mkdir(mode=0o700)
    (parent / "ledger.sqlite").write_bytes(b"This is no database. " * 200)


def _a_directory(parent: Path) -> None:
    (parent / "ledger.sqlite").mkdir(parents=True)
    parent.chmod(0o700)


@pytest.mark.parametrize("make", [_a_file, _a_link, _open_to_others, _no_database, _a_directory])
def test_where_it_cannot_be_written_it_says_so(
    ledger: Ledger, make: Callable[[Path], None]
) -> None:
    make(ledger.path.parent)

    with pytest.raises(LedgerUnavailable, match="cannot be written") as caught:
        ledger.append(entry("a"))

    assert caught.value.problem.code == "ledger_unavailable"
    with pytest.raises(LedgerUnavailable):
        list(ledger.read())
    with pytest.raises(LedgerUnavailable):
        ledger.verify()


def test_a_directory_that_cannot_be_made() -> None:
    with pytest.raises(LedgerUnavailable):
        Ledger(Path("/proc/playrail/ledger.sqlite")).append(entry("a"))


def test_a_mended_directory_is_used(ledger: Ledger) -> None:
    _a_file(ledger.path.parent)
    with pytest.raises(LedgerUnavailable):
        ledger.append(entry("a"))

    ledger.path.parent.unlink()
    ledger.append(entry("b"))

    assert [row["call"] for row in ledger.read()] == ["b"]


def test_a_ledger_that_vanishes_while_it_is_open(ledger: Ledger, tmp_path: Path) -> None:
    ledger.append(entry("a"))
    ledger.path.parent.rename(tmp_path / "moved")

    with pytest.raises(LedgerUnavailable):
        ledger.append(entry("b"))

    (tmp_path / "moved").rename(ledger.path.parent)
    ledger.append(entry("c"))
    assert [row["call"] for row in ledger.read()] == ["a", "c"]
    assert ledger.verify().problem is None


CAPABILITIES_OF_THIS_PROCESS = struct.pack("Ii", 0x20080522, 0)  # linux/capability.h


def in_another_process(
    work: Callable[[], str], *, capable: bool = True, most_bytes: int | None = None
) -> str:
    """What `work` returns in a fork, with a bound on how large its files may be, or, not
    `capable`, without what root may do beside others.
    """
    reader, writer = multiprocessing.Pipe(duplex=False)
    pid = os.fork()
    if pid == 0:
        try:
            if most_bytes is not None:
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))
            if not capable:
                assert ctypes.CDLL(None).capset(CAPABILITIES_OF_THIS_PROCESS, bytes(24)) == 0
            writer.send(work())
        finally:
            os._exit(0)
    writer.close()
    try:
        return str(reader.recv())
    finally:
        reader.close()
        os.waitpid(pid, 0)


def attempt(ledger: Ledger, count: int = 1) -> str:
    try:
        for number in range(count):
            ledger.append(entry(f"call-{number}", text="x" * 1000))
    except LedgerUnavailable as error:
        return str(error)
    return "written"


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_full_disk_refuses_and_leaves_the_chain_whole(ledger: Ledger) -> None:
    told = in_another_process(lambda: attempt(ledger, 1000), most_bytes=200_000)

    assert told.startswith("The ledger cannot be written: ")
    written = [row["call"] for row in ledger.read()]
    assert 0 < len(written) < 1000
    assert written == [f"call-{number}" for number in range(len(written))]
    assert ledger.verify().problem is None


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_read_only_directory_refuses() -> None:
    place = Path(tempfile.mkdtemp(prefix="playrail-test-"))
    try:
        ledger = Ledger(place / "ledger.sqlite")
        assert in_another_process(lambda: attempt(ledger), capable=False) == "written"

        for path in place.iterdir():
            path.unlink()
        place.chmod(0o500)

        assert in_another_process(lambda: attempt(ledger), capable=False).startswith(
            "The ledger cannot be written: "
        )
        assert list(place.iterdir()) == []
    finally:
        place.chmod(0o700)
        shutil.rmtree(place)
