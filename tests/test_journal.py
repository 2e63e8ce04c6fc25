"""The host module of playbooks/journal, run for real with a journalctl that says what the test wants."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from host_modules import module_answer
from playrail.toolsets.journal import find_system_errors, get_journal_logs, search_journal_logs

MODULE = Path(__file__).parent.parent / "playbooks" / "journal" / "library" / "read_journal.py"
WITH_PATH = (
    "import os, runpy, sys; os.environ['PATH'] = sys.argv[1] + os.pathsep + os.environ['PATH'];"
    "del sys.argv[:2]; runpy.run_path(sys.argv[0], run_name='__main__')"
)
NOW_US = 1_800_000_000_000_000
DEBUG = "<31>Journal filter: none"

Run = Callable[..., dict[str, Any]]


def entry(time_us: int, **fields: Any) -> dict[str, Any]:
    place = {"__REALTIME_TIMESTAMP": str(time_us), "__CURSOR": f"s=1;i={time_us % 1000:x};t={time_us:x}"}
    return {"MESSAGE": "hello", "PRIORITY": "6", "_SYSTEMD_UNIT": "a.service", "_PID": "7", **place, **fields}


class Fake:
    """A journalctl; `asked` are its last arguments."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.script("systemctl", "echo LoadState=loaded")
        self.says([])

    def script(self, name: str, text: str) -> None:
        path = self.folder / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def says(self, entries: list[dict[str, Any]], *, errors: str = DEBUG, status: int = 0, then: str = "") -> None:
        """It prints these entries and errors, does what the shell says `then`, and ends."""
        (self.folder / "entries").write_text("".join(json.dumps(one) + "\n" for one in entries))
        (self.folder / "errors").write_text(errors + "\n")
        lines = [
            f'for word; do printf "%s\\n" "$word"; done >{self.folder}/asked',
            f"cat {self.folder}/errors >&2; cat {self.folder}/entries",
            f"{then}\nexit {status}",
        ]
        self.script("journalctl", "\n".join(lines))

    @property
    def asked(self) -> set[str]:
        return set((self.folder / "asked").read_text().splitlines())

    def run(self, **arguments: Any) -> dict[str, Any]:
        return module_answer(["-c", WITH_PATH, str(self.folder), str(MODULE)], arguments, timeout_s=30)


@pytest.fixture
def journal(tmp_path: Path) -> Fake:
    return Fake(tmp_path)


def messages(answer: dict[str, Any]) -> list[str | None]:
    return [one["message"] for one in answer["entries"]]


def test_newest_entries_and_where_to_go_on(journal: Fake) -> None:
    journal.says([entry(NOW_US - number, MESSAGE=f"{number}") for number in range(5)])
    found = journal.run(unit="a", lines=3)
    assert messages(found) == ["0", "1", "2"]
    assert found["older"] == found["entries"][-1]["cursor"]
    assert found["entries"][0].items() >= {"time_us": NOW_US, "priority": 6, "unit": "a.service", "pid": 7}.items()
    assert {"--reverse", "--unit=a", "--output=json"} <= journal.asked
    rest = journal.run(unit="a", lines=5)
    assert (len(rest["entries"]), rest["older"]) == (5, None)


def test_a_journal_without_end_is_not_read_to_it(journal: Fake) -> None:
    line = json.dumps(entry(NOW_US))
    journal.says([], then=f"exec yes '{line}'")
    found = journal.run(lines=1000, count_lines=5000)
    assert (len(found["entries"]), found["counted"], found["complete"]) == (1000, 5000, True)
    assert found["counts"] == [{"unit": "a.service", "entries": 5000}]


def test_a_search_that_takes_too_long_says_so(journal: Fake) -> None:
    journal.says([entry(NOW_US)], then="exec sleep 60")
    found = journal.run(term="hello", max_seconds=1)
    assert (messages(found), found["complete"]) == (["hello"], False)
    assert found["older"] == found["entries"][-1]["cursor"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "tool", [get_journal_logs, find_system_errors, search_journal_logs], ids=lambda tool: tool.name
)
def test_time_that_was_over_is_told(journal: Fake, tool: Any) -> None:
    journal.says([], then="exec sleep 60")
    nothing = tool.report.model_validate(journal.run(unit="a", max_seconds=1))
    assert (nothing.entries, nothing.complete, nothing.cut) == ([], False, True)
    problem = nothing.problem()
    assert (problem.code, problem.retryable) == ("journal_timed_out", True)
    journal.says([entry(NOW_US)], then="exec sleep 60")
    part = tool.report.model_validate(journal.run(unit="a", max_seconds=1))
    assert (len(part.entries), part.complete, part.cut, part.problem()) == (1, False, True, None)
    journal.says([entry(NOW_US)])
    whole = tool.report.model_validate(journal.run(unit="a"))
    assert (whole.complete, whole.cut, whole.older) == (True, False, None)


def test_messages_that_are_too_much_are_left_out(journal: Fake) -> None:
    journal.says([entry(NOW_US - number, MESSAGE="x" * 100) for number in range(5)])
    found = journal.run(lines=5, max_bytes=250)
    assert (len(found["entries"]), found["truncated"], found["counted"]) == (2, True, 5)
    assert found["older"] == found["entries"][-1]["cursor"]


def test_odd_fields(journal: Fake) -> None:
    odd = {"MESSAGE": [98, 255, 99], "PRIORITY": ["3", "4"], "_SYSTEMD_UNIT": None, "UNIT": None, "_PID": "x"}
    journal.says([entry(NOW_US, **odd, SYSLOG_IDENTIFIER=["a", "b"]), entry(NOW_US - 1, MESSAGE=None)])
    found = journal.run()
    assert messages(found) == ["b\ufffdc", None]
    assert (found["entries"][0]["priority"], found["entries"][0]["pid"]) == (None, None)
    assert found["entries"][0]["identifier"] == "a\nb"
    assert found["truncated"]


def test_what_ansible_writes_of_the_reading_is_left_out(journal: Fake) -> None:
    own = "ansible-ansible.legacy.read_journal"
    journal.says([entry(NOW_US, SYSLOG_IDENTIFIER=own, MESSAGE="Invoked with term=hello"), entry(NOW_US - 1)])
    assert messages(journal.run(term="hello")) == ["hello"]


def test_errors_are_counted_by_unit(journal: Fake) -> None:
    units: list[dict[str, Any]] = [
        {"_SYSTEMD_UNIT": "a.service"},
        {"UNIT": "b.service"},
        {"_SYSTEMD_UNIT": None, "SYSLOG_IDENTIFIER": "kernel"},
    ]
    journal.says([entry(NOW_US - number, **units[number % 3]) for number in range(7)])
    found = journal.run(priority="err", hours=1, lines=1, count_lines=100)
    assert found["counts"] == [
        {"unit": "a.service", "entries": 3},
        {"unit": "b.service", "entries": 2},
        {"unit": "kernel", "entries": 2},
    ]
    assert (found["counted"], len(found["entries"])) == (7, 1)
    assert "--priority=err" in journal.asked


def test_what_is_too_old_ends_the_reading_after_a_cursor(journal: Fake) -> None:
    """journalctl takes either a time or a cursor."""
    journal.says([entry(NOW_US), entry(NOW_US - 2_000_000)], then="exec sleep 1000")
    found = journal.run(unit="a", since="2027-01-15 08:00:00.0 UTC", before="s=1;i=2;t=3")
    assert (len(found["entries"]), found["older"]) == (1, None)
    assert "--after-cursor=s=1;i=2;t=3" in journal.asked
    assert not [word for word in journal.asked if word.startswith(("--since", "--until"))]


def test_a_search_goes_on_from_the_time_of_its_cursor(journal: Fake) -> None:
    same = [entry(NOW_US, MESSAGE=word, __CURSOR=f"s=1;i={at};t={NOW_US:x}") for at, word in enumerate("abc")]
    journal.says([*same, entry(NOW_US - 1, MESSAGE="d")])
    found = journal.run(term="x", since="2027-01-15 07:00:00.5 UTC", before=f"s=1;i=1;t={NOW_US:x}")
    assert messages(found) == ["c", "d"]
    assert {"--since=2027-01-15 07:00:00.500000 UTC", "--until=2027-01-15 08:00:00.000000 UTC"} <= journal.asked
    assert not [word for word in journal.asked if "cursor" in word]


@pytest.mark.parametrize("term", ["--flush", "a.b*", "\\Qx\\E", "$(id)", "{{ 7 * 7 }}", "-", "=", "(*UTF)", "ż"])
def test_a_term_is_text(journal: Fake, term: str) -> None:
    journal.run(term=term, ignore_case=False)
    (pattern,) = [word.removeprefix("--grep=") for word in journal.asked if word.startswith("--grep=")]
    assert re.fullmatch(pattern, term)
    assert "--case-sensitive=true" in journal.asked
    assert not re.search(r"(?<!\\)[^\w\\żŻ]", pattern)  # nothing that means something to PCRE


def module() -> Any:
    spec = importlib.util.spec_from_file_location("read_journal", MODULE)
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


LITERAL = module().literal


@given(st.text(min_size=1, max_size=20), st.text(min_size=1, max_size=20))
def test_a_pattern_means_its_text_alone(term: str, other: str) -> None:
    assert re.fullmatch(LITERAL(term, ignore_case=False), term)
    assert bool(re.fullmatch(LITERAL(term, ignore_case=False), other)) is (term == other)


def test_case_of_letters_that_pcre_does_not_know() -> None:
    pattern = re.compile(LITERAL("Żółw a", ignore_case=True))
    assert pattern.fullmatch("żÓŁw a")  # of ASCII, --case-sensitive=false sees to it


@pytest.mark.parametrize(
    ("errors", "status", "code"),
    [
        ("Compiled without pattern matching support", 1, "search_unsupported"),
        ("<27>PCRE2 support is not installed.", 1, "search_unsupported"),
        ("journalctl: unrecognized option '--grep=hello'", 1, "search_unsupported"),
        ("<27>Failed to seek to cursor: Invalid argument\n<31>more", 1, "invalid_argument"),
        ("<28>No journal files were opened due to insufficient permissions.", 1, "permission_denied"),
        (
            "<31>Failed to open journal file /var/log/journal/x/system.journal: Permission denied",
            0,
            "permission_denied",
        ),
        ("<27>Failed to iterate through journal: Bad message", 1, "task_failed"),
        ("<31>Journal filter: none", 2, "task_failed"),
    ],
)
def test_failures(journal: Fake, errors: str, status: int, code: str) -> None:
    journal.says([], errors=errors, status=status)
    assert journal.run(term="hello")["playrail_code"] == code


def test_a_search_that_finds_nothing(journal: Fake) -> None:
    """journalctl ends with status 1 then, as grep does; whether systemd runs decides what it means."""
    journal.says([], status=1)
    answer = journal.run(term="hello")
    if Path("/run/systemd/system").is_dir():
        assert (answer["entries"], answer["complete"]) == ([], True)
    else:
        assert answer["playrail_code"] == "no_journal"


def test_unreadable_files_beside_readable_ones(journal: Fake) -> None:
    errors = "<31>Failed to open journal file /var/log/journal/x/system.journal: Permission denied"
    journal.says([entry(NOW_US)], errors=errors)
    assert journal.run()["incomplete"] is True


@pytest.mark.parametrize(
    ("since", "told"),
    [
        ("1970-01-01", "1970-01-01 00:00:00.000000 UTC"),
        ("2026-01-31T12:00:00.5+01:00", "2026-01-31 11:00:00.500000 UTC"),
        ("2200-12-31T23:59:59", "2200-12-31 23:59:59.000000 UTC"),
    ],
)
def test_since_as_every_journalctl_reads_it(since: str, told: str) -> None:
    assert get_journal_logs.input(unit="ssh", since=since).since == told


@pytest.mark.parametrize("since", ["0999-01-01", "yesterday", "2026-01-31 12:00:00.x UTC"])
def test_a_time_by_hand_that_is_none(journal: Fake, since: str) -> None:
    assert journal.run(unit="a", since=since)["playrail_code"] == "invalid_argument"


def test_a_cursor_with_a_time_that_no_host_knows(journal: Fake) -> None:
    journal.says([], errors="<27>Failed to seek to cursor: Invalid argument", status=1)
    assert journal.run(term="x", before=f"s=1;t={'f' * 40}")["playrail_code"] == "invalid_argument"


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        (get_journal_logs, {"unit": "--flush"}),
        (get_journal_logs, {"unit": "ssh", "before": "--flush"}),
        (get_journal_logs, {"unit": "ssh", "since": "yesterday"}),
        (get_journal_logs, {"unit": "ssh", "since": "0001-01-01T00:00+01:00"}),
        (get_journal_logs, {"unit": "ssh", "since": "0999-01-01"}),
        (get_journal_logs, {"unit": "ssh", "since": "1970-01-01T00:00+00:01"}),
        (get_journal_logs, {"unit": "ssh", "since": "2200-12-31T23:59-00:01"}),
        (get_journal_logs, {"unit": "ssh", "since": "9999-12-31T23:59-01:00"}),
        (get_journal_logs, {"unit": "ssh", "lines": 1001}),
        (search_journal_logs, {"term": ""}),
        (search_journal_logs, {"term": "a\nb"}),
        (search_journal_logs, {"term": "a\0b"}),
        (search_journal_logs, {"term": "x" * 201}),
        (search_journal_logs, {"term": "x", "hours": 721}),
    ],
)
def test_arguments_that_are_refused(tool: Any, arguments: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        tool.input(**arguments)
