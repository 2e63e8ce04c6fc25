"""The host module of playbooks/journal, run for real with a journalctl that says what the
test wants.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from playrail.toolsets.journal import find_system_errors, get_journal_logs, search_journal_logs
from worlds.fake_journal import NOW_US, FakeJournal, entry, messages
from worlds.host_modules import SHARED, loaded


@pytest.fixture
def journal(tmp_path: Path) -> FakeJournal:
    return FakeJournal(tmp_path)


def test_newest_entries_and_where_to_go_on(journal: FakeJournal) -> None:
    journal.says([entry(NOW_US - number, MESSAGE=f"{number}") for number in range(5)])
    found = journal.run(unit="a", lines=3)
    assert messages(found) == ["0", "1", "2"]
    assert found["older"] == entry(NOW_US - 2)["__CURSOR"]
    assert (found["unit"], found["kept_since"]) == ("a.service", None)
    assert found["entries"][0] == {
        "time": "2027-01-15T08:00:00Z",
        "priority": "info",
        "pid": 7,
        "message": "0",
    }
    assert {"--reverse", "--unit=a.service", "--all", "--output=json"} <= journal.asked
    rest = journal.run(unit="a", lines=5)
    assert (len(rest["entries"]), rest["older"]) == (5, None)


def test_a_journal_without_end_is_not_read_to_it(journal: FakeJournal) -> None:
    line = json.dumps(entry(NOW_US))
    journal.says([], then=f"exec yes '{line}'")
    found = journal.run(lines=1000, count_lines=5000, max_bytes=200_000)
    assert (len(found["entries"]), found["counted"], found["complete"]) == (1000, 5000, True)
    assert found["counts"] == [{"unit": "a.service", "entries": 5000}]


def test_a_search_that_takes_too_long_says_so(journal: FakeJournal) -> None:
    journal.says([entry(NOW_US)], then="exec sleep 60")
    found = journal.run(term="hello", max_seconds=1)
    assert (messages(found), found["complete"]) == (["hello"], False)
    assert found["older"] == entry(NOW_US)["__CURSOR"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "tool", [get_journal_logs, find_system_errors, search_journal_logs], ids=lambda tool: tool.name
)
def test_time_that_was_over_is_told(journal: FakeJournal, tool: Any) -> None:
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


def size(answer: dict[str, Any]) -> int:
    told = {
        key: value
        for key, value in answer.items()
        if key not in ("changed", "invocation") and value is not None
    }
    return len(json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode())


@pytest.mark.parametrize("most", [1000, 24_000])
@pytest.mark.parametrize("letter", ["x", "ż", '"'])
def test_the_answer_fits_and_the_newest_are_kept(
    journal: FakeJournal, most: int, letter: str
) -> None:
    journal.says(
        [entry(NOW_US - number, MESSAGE=f"{number} {letter * 900}") for number in range(300)]
    )
    found = journal.run(lines=200, count_lines=5000, max_bytes=most)
    kept = len(found["entries"])
    assert 0 < kept < 200
    assert size(found) <= most
    assert messages(found)[0].startswith("0 ")  # type: ignore[union-attr]
    assert (found["truncated"], found["counted"]) == (True, 300)
    assert found["older"] == entry(NOW_US - kept + 1)["__CURSOR"]


def test_a_long_message_is_cut_and_says_how_long_it_is(journal: FakeJournal) -> None:
    text = f"begin {'y' * 6000} end"
    journal.says([entry(NOW_US, MESSAGE=text), entry(NOW_US - 1)])
    found = journal.run()
    assert messages(found) == [text[:500] + "\u2026", "hello"]
    assert [one.get("message_bytes") for one in found["entries"]] == [len(text), None]
    assert found["truncated"]
    whole = journal.run(message_characters=10_000)
    assert (messages(whole)[0], whole["truncated"]) == (text, False)
    (around, _) = messages(journal.run(term=" END"))
    assert around == f"\u2026{text[-500:]}"
    (at_the_beginning, _) = messages(journal.run(term="beg"))
    assert at_the_beginning == text[:500] + "\u2026"


def test_an_entry_that_is_too_long_to_be_read_is_still_told(journal: FakeJournal) -> None:
    journal.says([entry(NOW_US, MESSAGE="y" * 20_000_000), entry(NOW_US - 1)])
    long, other = messages(journal.run())
    assert long is not None
    assert long.endswith("bytes, too long to be read]")
    assert other == "hello"


def test_odd_fields(journal: FakeJournal) -> None:
    odd = {
        "MESSAGE": [98, 255, 99],
        "PRIORITY": ["3", "4"],
        "_SYSTEMD_UNIT": None,
        "UNIT": None,
        "_PID": "x",
    }
    journal.says(
        [entry(NOW_US, **odd, SYSLOG_IDENTIFIER=["a", "b"]), entry(NOW_US - 1, MESSAGE=None)]
    )
    found = journal.run()
    assert messages(found) == ["b\ufffdc", None]
    assert found["entries"][0] == {
        "time": "2027-01-15T08:00:00Z",
        "identifier": "a\nb",
        "message": "b\ufffdc",
    }
    assert not found["truncated"]


@pytest.mark.parametrize(
    "fields",
    [
        {
            "SYSLOG_IDENTIFIER": "ansible-ansible.legacy.read_journal",
            "MESSAGE": "Invoked with term=hello",
        },
        {"SYSLOG_IDENTIFIER": "ansible-search_text", "MESSAGE": "Invoked with pattern=hello"},
        {
            "SYSLOG_IDENTIFIER": "python3",
            "MESSAGE": "ansible-ansible.builtin.command Invoked with _raw_params=hello",
        },
    ],
)
def test_what_ansible_writes_of_its_modules_is_left_out_and_counted(
    journal: FakeJournal, fields: dict[str, Any]
) -> None:
    journal.says([entry(NOW_US, **fields), entry(NOW_US - 1)])
    found = journal.run(term="hello")
    assert (messages(found), found["by_ansible"]) == (["hello"], 1)


@pytest.mark.parametrize("name", ["ansible-pull", "ansible-pull.service", "ansible"])
def test_what_programs_of_such_names_write_is_shown(journal: FakeJournal, name: str) -> None:
    journal.says([entry(NOW_US, SYSLOG_IDENTIFIER=name, MESSAGE="failed=1")])
    found = journal.run()
    assert (messages(found), found["by_ansible"]) == (["failed=1"], 0)


def test_errors_are_counted_by_unit(journal: FakeJournal) -> None:
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


def test_what_is_too_old_ends_the_reading_after_a_cursor(journal: FakeJournal) -> None:
    """journalctl takes either a time or a cursor."""
    journal.says([entry(NOW_US), entry(NOW_US - 2_000_000)], then="exec sleep 1000")
    found = journal.run(unit="a", since="2027-01-15 08:00:00.0 UTC", before="s=1;i=2;t=3")
    assert (len(found["entries"]), found["older"]) == (1, None)
    assert "--after-cursor=s=1;i=2;t=3" in journal.asked
    assert not [word for word in journal.asked if word.startswith(("--since", "--until"))]


def test_nothing_is_told_from_after_the_time_that_is_asked_for(journal: FakeJournal) -> None:
    until = "2027-01-15 08:00:00.0 UTC"
    journal.says([entry(NOW_US - 1)])
    journal.run(until=until)
    assert "--until=2027-01-15 08:00:00.000000 UTC" in journal.asked
    journal.run(until=until, before="s=1;i=2;t=3")
    assert not [word for word in journal.asked if word.startswith("--until")]
    assert get_journal_logs.input(until="2027-01-15T09:00:00+01:00").until == (
        "2027-01-15 08:00:00.000000 UTC"
    )


def test_of_a_cursor_only_what_a_place_is_found_by_is_told(journal: FakeJournal) -> None:
    whole = f"s=a1;i=2;b=c3;m=4;t={NOW_US:x};x=d5"
    journal.says([entry(NOW_US, __CURSOR=whole), entry(NOW_US - 1)])
    found = journal.run(lines=1)
    assert found["older"] == f"s=a1;i=2;t={NOW_US:x}"
    assert messages(journal.run(term="x", before=whole)) == ["hello"]


def test_a_search_goes_on_from_the_time_of_its_cursor(journal: FakeJournal) -> None:
    same = [
        entry(NOW_US, MESSAGE=word, __CURSOR=f"s=1;i={at};t={NOW_US:x}")
        for at, word in enumerate("abc")
    ]
    journal.says([*same, entry(NOW_US - 1, MESSAGE="d")])
    found = journal.run(term="x", since="2027-01-15 07:00:00.5 UTC", before=f"s=1;i=1;t={NOW_US:x}")
    assert messages(found) == ["c", "d"]
    assert {
        "--since=2027-01-15 07:00:00.500000 UTC",
        "--until=2027-01-15 08:00:00.000000 UTC",
    } <= journal.asked
    assert not [word for word in journal.asked if "cursor" in word]


@pytest.mark.parametrize(
    "term", ["--flush", "a.b*", "\\Qx\\E", "$(id)", "{{ 7 * 7 }}", "-", "=", "(*UTF)", "ż"]
)
def test_a_term_is_text(journal: FakeJournal, term: str) -> None:
    journal.run(term=term, ignore_case=False)
    (pattern,) = [
        word.removeprefix("--grep=") for word in journal.asked if word.startswith("--grep=")
    ]
    assert re.fullmatch(pattern, term)
    assert "--case-sensitive=true" in journal.asked
    assert not re.search(r"(?<!\\)[^\w\\żŻ]", pattern)  # nothing that means something to PCRE


LITERAL = loaded(SHARED / "journal_question.py").literal


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
        (
            "<28>No journal files were opened due to insufficient permissions.",
            1,
            "permission_denied",
        ),
        (
            "<31>Failed to open journal file /var/log/journal/x/system.journal: Permission denied",
            0,
            "permission_denied",
        ),
        ("<27>Failed to iterate through journal: Bad message", 1, "task_failed"),
        ("<31>Journal filter: none", 2, "task_failed"),
    ],
)
def test_failures(journal: FakeJournal, errors: str, status: int, code: str) -> None:
    journal.says([], errors=errors, status=status)
    assert journal.run(term="hello")["playrail_code"] == code


def test_a_search_that_finds_nothing(journal: FakeJournal) -> None:
    """journalctl ends with status 1 then, as grep does; whether systemd runs decides what
    it means.
    """
    journal.says([], status=1)
    answer = journal.run(term="hello")
    if Path("/run/systemd/system").is_dir():
        assert (answer["entries"], answer["complete"]) == ([], True)
    else:
        assert answer["playrail_code"] == "no_journal"


def test_unreadable_files_beside_readable_ones(journal: FakeJournal) -> None:
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
def test_a_time_by_hand_that_is_none(journal: FakeJournal, since: str) -> None:
    assert journal.run(unit="a", since=since)["playrail_code"] == "invalid_argument"


def test_a_cursor_with_a_time_that_no_host_knows(journal: FakeJournal) -> None:
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
