"""The ledger: what is written stays as it was written, or it shows."""

from __future__ import annotations

import multiprocessing
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from playrail.errors import LedgerUnavailable
from playrail.ledger.ledger import FIRST, Entry, Kind, Ledger

WRITER = """
import sys
from pathlib import Path
from playrail.ledger.ledger import Entry, Ledger

path, writer, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
ledger = Ledger(path)
for number in range(count):
    call = f"{writer}-{number}"
    ledger.append(Entry(kind="started", call=call, server=writer, caller="local", tool="t", body={"hosts": []}))
    print(call, flush=True)
"""


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = Ledger(tmp_path / "state" / "ledger.sqlite")
    yield made
    made.close()


def entry(call: str, kind: Kind = "started", **body: Any) -> Entry:
    return Entry(kind=kind, call=call, server="s1", caller="local", tool="read_file", body=body)


def three(ledger: Ledger) -> None:
    ledger.append(entry("a", hosts=["h"]), entry("b", hosts=["h"]))
    ledger.append(entry("a", "ended", outcome="ok"))
    ledger.close()


def tampered(ledger: Ledger, *statements: str) -> int | None:
    """What `verify` says after the triggers are dropped and `statements` were run past them."""
    connection = sqlite3.connect(ledger.path)
    try:
        for statement in ("DROP TRIGGER records_refuse_update", "DROP TRIGGER records_refuse_delete", *statements):
            connection.execute(statement)
        connection.commit()
    finally:
        connection.close()
    return ledger.verify()


def test_what_is_appended_is_read_in_order(ledger: Ledger) -> None:
    three(ledger)

    rows = list(ledger.read())

    assert [(row["seq"], row["kind"], row["call"], row["body"]) for row in rows] == [
        (1, "started", "a", {"hosts": ["h"]}),
        (2, "started", "b", {"hosts": ["h"]}),
        (3, "ended", "a", {"outcome": "ok"}),
    ]
    assert {(row["server"], row["caller"], row["tool"]) for row in rows} == {("s1", "local", "read_file")}
    assert [row["previous"] for row in rows] == [FIRST, rows[0]["hash"], rows[1]["hash"]]
    assert [row["seq"] for row in ledger.read(call="a")] == [1, 3]
    assert list(ledger.read(server="another")) == []
    assert [call.call for call in ledger.open_calls("s1")] == ["b"]
    assert ledger.verify() is None


def test_any_text_survives(ledger: Ledger) -> None:
    body: dict[str, Any] = {
        "text": "zażółć \U0001f680 \x00 \u2028 ' \" {{ 1 }}",
        "lone": "\udc80",
        "none": None,
        "deep": [{"a": [1.5]}],
    }

    ledger.append(entry("a", **body))

    assert next(ledger.read())["body"] == body
    assert ledger.verify() is None


def test_an_empty_ledger_holds(ledger: Ledger) -> None:
    assert list(ledger.read()) == []
    assert ledger.verify() is None


def test_only_its_owner_can_read_it(ledger: Ledger) -> None:
    three(ledger)

    assert ledger.path.stat().st_mode & 0o777 == 0o600
    assert ledger.path.parent.stat().st_mode & 0o777 == 0o700


def test_entries_of_one_append_are_all_written_or_none(ledger: Ledger) -> None:
    ledger.append(entry("a"))

    with pytest.raises(TypeError):
        ledger.append(entry("b"), entry("c", what=object()))

    assert [row["call"] for row in ledger.read()] == ["a"]


@pytest.mark.parametrize(
    "statement", ["UPDATE records SET caller = 'somebody else'", "DELETE FROM records WHERE seq = 3"]
)
def test_the_database_itself_refuses_to_alter_a_record(ledger: Ledger, statement: str) -> None:
    three(ledger)
    connection = sqlite3.connect(ledger.path)

    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        connection.execute(statement)

    connection.close()
    assert ledger.verify() is None


@pytest.mark.parametrize(
    ("statements", "found"),
    [
        (["UPDATE records SET body = '{\"hosts\":[]}' WHERE seq = 2"], 2),
        (["UPDATE records SET at = '2020-01-01T00:00:00.000+00:00' WHERE seq = 1"], 1),
        (["UPDATE records SET caller = 'somebody else' WHERE seq = 3"], 3),
        (["DELETE FROM records WHERE seq = 2"], 3),
        (["DELETE FROM records WHERE seq = 1"], 2),
        (["DELETE FROM records WHERE seq = 1", "UPDATE records SET seq = seq - 1"], 1),
        (
            [
                "UPDATE records SET seq = 99 WHERE seq = 1",
                "UPDATE records SET seq = 1 WHERE seq = 2",
                "UPDATE records SET seq = 2 WHERE seq = 99",
            ],
            1,
        ),
    ],
    ids=["body", "time", "caller", "removed", "first-removed", "renumbered", "swapped"],
)
def test_tampering_past_the_triggers_is_found(ledger: Ledger, statements: list[str], found: int) -> None:
    three(ledger)

    assert tampered(ledger, *statements) == found


def test_two_processes_at_once_keep_the_chain(ledger: Ledger) -> None:
    count = 40
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, ledger.path, name, str(count)], stdout=subprocess.DEVNULL)
        for name in ("one", "two")
    ]

    assert [writer.wait(60) for writer in writers] == [0, 0]

    calls = [row["call"] for row in ledger.read()]
    assert sorted(calls) == sorted(f"{name}-{number}" for name in ("one", "two") for number in range(count))
    assert ledger.verify() is None


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
    assert ledger.verify() is None
    ledger.append(entry("after"))
    assert ledger.verify() is None


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
def test_where_it_cannot_be_written_it_says_so(ledger: Ledger, make: Callable[[Path], None]) -> None:
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
    assert ledger.verify() is None


def in_another_process(work: Callable[[], str], *, uid: int | None = None, most_bytes: int | None = None) -> str:
    """What `work` returns in a fork, as another user or with a bound on how large its files may be."""
    reader, writer = multiprocessing.Pipe(duplex=False)
    pid = os.fork()
    if pid == 0:
        try:
            if most_bytes is not None:
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))
            if uid is not None:
                os.setuid(uid)
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
    assert ledger.verify() is None


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_read_only_directory_refuses() -> None:
    place = Path(tempfile.mkdtemp(prefix="playrail-test-"))
    uid = 65534 if os.geteuid() == 0 else os.geteuid()  # root could write all the same
    try:
        os.chown(place, uid, -1)
        ledger = Ledger(place / "ledger.sqlite")
        assert in_another_process(lambda: attempt(ledger), uid=uid) == "written"

        for path in place.iterdir():
            path.unlink()
        place.chmod(0o500)

        assert in_another_process(lambda: attempt(ledger), uid=uid).startswith("The ledger cannot be written: ")
        assert list(place.iterdir()) == []
    finally:
        place.chmod(0o700)
        shutil.rmtree(place)
