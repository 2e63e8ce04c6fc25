"""How the texts of the mikr.us API are read, and that nothing it may answer is too much for
the reports.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from mikrus import recorded
from mikrus.simulator import Simulator
from playrail import catalog
from playrail.mikrus import texts, values
from playrail.mikrus.client import CACHED, CHANGES, ONE_LOG, READS
from playrail.tools.tool import ApiTool, Risk
from playrail.toolsets.mikrus import reports, tools

TOOLS = {name: tool for name, tool in catalog.load().items() if isinstance(tool, ApiTool)}
WORDS = [
    "Mem:",
    "total used",
    "up",
    " day, ",
    "load average:",
    "Haslo:",
    "Port:",
    "G",
    "nan",
    "inf",
]
PS = "USER PID %CPU %MEM VSZ RSS TTY STAT START TIME COMMAND\n"
ODD = [*"\n\t :.,%-0", "9" * 5000, PS, "root 1 nan inf 9 9 ? S 1 1 x\n", *WORDS]
TEXTS = st.one_of(st.text(), st.lists(st.sampled_from(ODD)).map(" ".join))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)
KNOWN = (
    *("free", "df", "uptime", "ps", "psql", "mysql", "new"),
    *(*values.INFO, *values.LOG, *values.CLOUD, *values.STARTED, *values.ASSIGNED),
)
ONE = st.dictionaries(st.sampled_from(KNOWN), JSON, max_size=8)
BODIES = st.one_of(JSON, ONE, st.lists(ONE, max_size=3))


@pytest.mark.parametrize(
    ("told", "uptime_s", "users"),
    [
        ("16:32:02 up 6 days,  8:33,  0 users,  load average: 0.00, 0.00, 0.00", 549180, 0),
        (" 09:05:11 up 1 day, 3 min,  1 user,  load average: 0.00, 0.00, 0.00", 86580, 1),
        (" 09:05:11 up  2:03,  0 user,  load average: 0.00, 0.00, 0.00", 7380, 0),
        (" 09:05:11 up 0 min,  2 users,  load average: 0.00, 0.00, 0.00", 0, 2),
        (" 09:05:11 up 5 min,  load average: 0.00, 0.00, 0.00", 300, None),
        (" 09:05:11 up 100 days, 23:59,  load average: 0.00, 0.00, 0.00", 8726340, None),
        (" 09:05:11 up 3 weeks, load average: 0.00, 0.00, 0.00", None, None),
    ],
)
def test_uptime_in_all_its_forms(told: str, uptime_s: int | None, users: int | None) -> None:
    found, rest = texts.uptime(told)

    if uptime_s is None:
        assert (found, rest) == (None, told)
    else:
        assert (found, rest) == (
            {"uptime_s": uptime_s, "users": users, "load": [0.0, 0.0, 0.0]},
            "",
        )


@pytest.mark.parametrize(
    ("word", "size"),
    [
        ("0", 0),
        ("10G", 10 * 1024**3),
        ("9.8G", 10522669875),
        ("1,5M", 1572864),
        ("4K", 4096),
        ("12Mi", 12 * 1024**2),
    ],
)
def test_sizes(word: str, size: int) -> None:
    found, rest = texts.disks(f"{texts.DF_HEADER}\n/dev/sda1 {word} - - - /")

    assert rest == ""
    assert (found[0]["size_bytes"], found[0]["used_bytes"]) == (size, None)


def test_only_the_heaviest_processes_are_told_and_that_some_are_left_out() -> None:
    rows = "".join(
        f"root {pid} 0.0 0.0 9 {pid} ? S 16:32 0:00 {'x' * 1000}\n" for pid in range(1, 301)
    )
    stats = reports.ServerStats.model_validate({"ps": PS + rows})

    assert stats.processes is not None
    assert [process.pid for process in stats.processes] == list(range(300, 200, -1))
    assert {len(process.command) for process in stats.processes} == {300}
    assert (stats.process_count, stats.cut) == (300, True)


def test_what_is_no_number_in_json_is_none_here() -> None:
    row = "root 1 nan inf 9 9 ? S 16:32 0:00 init"
    stats = reports.ServerStats.model_validate({"ps": PS + row})

    assert (stats.processes, stats.unread) == ([], {"ps": row})


def test_a_long_output_keeps_both_ends() -> None:
    log = reports.Log.model_validate({**recorded.LOGS[0], "output": "a" + "x" * 200_000 + "z"})

    assert log.output is not None
    assert (log.output[0], log.output[-1], len(log.output) < 66_000, log.cut) == (
        "a",
        "z",
        True,
        True,
    )
    assert "[.. 134466 characters left out ..]" in log.output


def test_what_is_new_is_kept_within_bounds() -> None:
    new = {f"field{number}": number for number in range(30)}
    many = reports.ServerInfo.model_validate({**recorded.INFO, **new})
    long = reports.ServerInfo.model_validate({**recorded.INFO, "notes": "x" * 5000})

    assert (len(many.extra), many.cut) == (20, True)
    assert (long.extra, long.cut) == ({}, True)


@pytest.mark.parametrize(("value", "read"), [("tak", True), ("NIE ", False), (True, True)])
def test_yes_and_no(value: Any, read: bool) -> None:
    assert values.yes(value) is read


@pytest.mark.slow
@pytest.mark.parametrize("tool", TOOLS.values(), ids=list(TOOLS))
@given(body=BODIES)
def test_no_body_is_too_odd_for_a_report(tool: ApiTool[Any, Any], body: Any) -> None:
    try:
        report = tool.report.model_validate(body)
    except ValidationError:
        return
    report.problem()
    json.dumps(report.model_dump(mode="json"), allow_nan=False)


@pytest.mark.parametrize("tool", TOOLS.values(), ids=list(TOOLS))
def test_a_tool_that_only_reads_asks_where_nothing_is_changed(tool: ApiTool[Any, Any]) -> None:
    path = tool.endpoint.format(id="3752")

    assert (path in READS or ONE_LOG.fullmatch(path) is not None) is (tool.worst_risk < Risk.WRITE)
    assert (path in CHANGES) is (tool.worst_risk >= Risk.WRITE)


def test_the_endpoints_of_the_client_are_those_of_the_simulator() -> None:
    vps = Simulator().servers["j230"]

    assert vps.answers.keys() == READS
    assert CACHED < READS
    assert not READS & CHANGES


@pytest.mark.parametrize(
    "wanted",
    ["..", "../restart", "1/2", "1?cmd=id", "1#", "", "x" * 129, "ł", "1\n", "%2e%2e", "1 "],
)
def test_a_log_has_no_id_that_leads_elsewhere(wanted: str) -> None:
    with pytest.raises(ValidationError):
        tools.LogWanted(id=wanted)


@pytest.mark.parametrize(
    "domain", ["-", "a.pl", "shop.byst.re", "a-b.tojest.dev", "X1.y2.Z3", "a" * 63 + ".pl"]
)
def test_domains(domain: str) -> None:
    assert tools.DomainWanted(domain=domain).domain == domain


@pytest.mark.parametrize(
    "domain",
    [
        *(
            "",
            "--",
            "shop",
            "-a.pl",
            "a-.pl",
            "a..pl",
            ".pl",
            "a.pl.",
            "a b.pl",
            "a_b.pl",
            "ł.pl",
            "a.pl\n",
        ),
        *("a" * 64 + ".pl", ".".join("a" * 100) + ".pl" * 60),
    ],
)
def test_what_is_no_domain(domain: str) -> None:
    with pytest.raises(ValidationError):
        tools.DomainWanted(domain=domain)


@pytest.mark.parametrize(
    ("told", "code"),
    [
        ({"status": "Domena gotowe"}, None),
        ({"status": "OK", "domain": "a.byst.re"}, None),
        ({"domain": "a.byst.re"}, None),
        ({"status": "", "domain": "a.byst.re"}, None),
        ({"status": "Przetwarzanie", "domain": "a.byst.re"}, "outcome_unknown"),
        ({"status": "Awaria", "domain": "a.byst.re", "port": "20123"}, "outcome_unknown"),
        ({"status": ["?"], "domain": "a.byst.re"}, "outcome_unknown"),
        ({"port": "20123"}, "outcome_unknown"),
        ({"status": "Błąd", "domain": "a.byst.re"}, "api_rejected"),
    ],
)
def test_what_says_that_a_domain_was_assigned(told: Any, code: str | None) -> None:
    problem = reports.AssignedDomain.model_validate(told).problem()

    assert (problem and problem.code) == code


@pytest.mark.parametrize("port", [0, -1, 65536, "20123", 1.0, True])
def test_what_is_no_port(port: Any) -> None:
    with pytest.raises(ValidationError):
        tools.DomainWanted(domain="-", port=port)
