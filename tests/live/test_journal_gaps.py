"""Journals that hold less than one thinks: an answer without entries says why, or is a
failure.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from .own_host import Operator, OwnHost

pytestmark = [pytest.mark.lab]
SETTINGS = "/etc/systemd/journald.conf.d/50-test.conf"
RESTART = "systemctl reset-failed systemd-journald; systemctl restart systemd-journald"


def texts(found: dict[str, Any]) -> list[str]:
    return [one["message"] for one in found["entries"]]


def notes(found: dict[str, Any]) -> str:
    return " ".join(found.get("notes") or ())


def unit_of(host: OwnHost, program: str, *options: str) -> str:
    """A unit that ran the program, and is gone. It stays until the journal has what it wrote:
    of a process that is gone journald does not know the slice.
    """
    name = f"probe-{uuid.uuid4().hex[:8]}"
    host.sh(
        f"systemd-run --quiet --wait --collect --unit={name} {' '.join(options)} "
        f"sh -c '{program}; journalctl --sync'"
    )
    return name


@contextmanager
def journald(host: OwnHost, *settings: str) -> Iterator[None]:
    """A journald that is set so, and afterwards as before."""
    lines = "\\n".join(("[Journal]", *settings))
    host.sh(f"mkdir -p {SETTINGS.rpartition('/')[0]}; printf '{lines}\\n' >{SETTINGS}; {RESTART}")
    try:
        yield
    finally:
        host.sh(f"rm -f {SETTINGS}; {RESTART}; journalctl --flush")


@pytest.mark.parametrize("name", ["sshd", "sshd.service", "ssh"])
@pytest.mark.parametrize("tool", ["get_journal_logs", "search_journal_logs"])
def test_a_unit_by_its_other_name(host: OwnHost, living: Operator, tool: str, name: str) -> None:
    more = {"term": "session opened"} if tool == "search_journal_logs" else {}
    living.works()
    host.sh("journalctl --sync")
    found = living.report(tool, unit=name, **more)
    assert found["unit"] == "ssh.service"
    assert found["entries"]


def test_a_name_that_counts_only_while_a_unit_is_enabled(host: OwnHost, living: Operator) -> None:
    unit = "[Service]\\nExecStart=/bin/echo hello of real\\n[Install]\\nAlias=other.service\\n"
    host.sh(
        f"printf '{unit}' >/etc/systemd/system/real.service; systemctl daemon-reload; "
        "systemctl start real"
    )
    host.sh("journalctl --sync")
    found = living.report("get_journal_logs", unit="other")
    assert (found["unit"], "hello of real" in texts(found)) == ("real.service", True)
    host.sh("rm /etc/systemd/system/real.service; systemctl daemon-reload")


def test_a_unit_that_is_gone(host: OwnHost, living: Operator) -> None:
    name = unit_of(host, "echo was here")
    found = living.report("get_journal_logs", unit=name)
    assert "was here" in texts(found)
    assert "systemd knows no unit of this name now" in notes(found)
    later = living.report("get_journal_logs", unit=name, since="2200-01-01")
    assert (later["entries"], "systemd knows no unit of this name now" in notes(later)) == (
        [],
        True,
    )


@pytest.mark.parametrize(
    "name", ["nosuch", "nosuch@", "nosuch@1.service", "nosuch.timer", "nosuch.slice"]
)
def test_a_unit_that_nobody_knows(living: Operator, name: str) -> None:
    for tool, more in (("get_journal_logs", {}), ("search_journal_logs", {"term": "x"})):
        assert living.call(tool, unit=name, **more).code == "service_not_found"


def test_a_unit_with_nearly_that_name_is_named(living: Operator) -> None:
    answer = living.call("get_journal_logs", unit="journal")
    assert answer.problem is not None
    assert "systemd-journald.service" in answer.problem.error


def test_instances_of_a_template(host: OwnHost, living: Operator) -> None:
    unit = "[Service]\\nType=oneshot\\nExecStart=/bin/echo hello of %%i\\n"
    host.sh(f"printf '{unit}' >/etc/systemd/system/many@.service; systemctl daemon-reload")
    host.sh("systemctl start many@one many@two.x; journalctl --sync")
    both = {"hello of one", "hello of two.x"}
    assert both <= set(texts(living.report("get_journal_logs", unit="many@")))
    assert both <= set(texts(living.report("get_journal_logs", unit="many@.service")))
    one = texts(living.report("get_journal_logs", unit="many@one"))
    assert both & set(one) == {"hello of one"}


def test_what_is_below_a_slice(host: OwnHost, living: Operator) -> None:
    mark = uuid.uuid4().hex
    unit_of(host, f"echo {mark}", "--slice=outer-inner.slice")
    assert mark in texts(living.report("get_journal_logs", unit="outer.slice", lines=200))


def test_a_unit_of_a_user(host: OwnHost, living: Operator) -> None:
    mark = uuid.uuid4().hex
    host.sh("id eve || useradd -m eve")
    # As the manager of a user's units writes
    fields = f"MESSAGE={mark}\\nUSER_UNIT=evening.service\\n"
    host.sh(f"su eve -c \"printf '{fields}' | logger --journald\"; journalctl --sync")
    found = living.report("get_journal_logs", unit="evening")
    assert mark in texts(found)
    assert "users' own units" in notes(found)
    assert {{**found.get("usual", {}), **one}["user_number"] for one in found["entries"]} == {
        int(host.sh("id -u eve"))
    }


def test_a_unit_that_writes_elsewhere(host: OwnHost, living: Operator) -> None:
    unit = "[Service]\\nExecStart=/bin/echo hello\\nStandardOutput=append:/var/log/aside.log\\n"
    host.sh(
        f"printf '{unit}' >/etc/systemd/system/aside.service; systemctl daemon-reload; "
        "systemctl start aside"
    )
    assert "append:/var/log/aside.log" in notes(living.report("get_journal_logs", unit="aside"))


def test_a_unit_with_a_journal_of_its_own(host: OwnHost, living: Operator) -> None:
    mark = uuid.uuid4().hex
    unit = f"[Service]\\nExecStart=/bin/sh -c 'echo \"<3>{mark}\"'\\nLogNamespace=apart\\n"
    host.sh(
        "cat >/etc/systemd/system/apart.service "
        f"<<'END'\n{unit.replace(chr(92) + 'n', chr(10))}\nEND"
    )
    host.sh("systemctl daemon-reload; systemctl start apart; journalctl --sync")
    # Its journal's own service may just be starting, and lose what was told before
    host.sh(
        f"until journalctl --namespace=apart 2>/dev/null | grep -q {mark}; "
        "do systemctl restart apart; sleep 0.2; done"
    )
    assert mark in texts(living.report("get_journal_logs", unit="apart"))
    assert mark in texts(living.report("find_system_errors", lines=200))


def test_a_long_message(host: OwnHost, living: Operator) -> None:
    mark = uuid.uuid4().hex
    name = unit_of(host, f"echo BIG {mark} $(printf y%.0s $(seq 6000))")
    for tool, more in (
        ("get_journal_logs", {"unit": name}),
        ("search_journal_logs", {"term": f"BIG {mark}"}),
    ):
        found = living.report(tool, **more)
        (big,) = [one for one in found["entries"] if one["message"].startswith(f"BIG {mark}")]
        assert big["message"].endswith("\u2026")
        assert (len(big["message"]), big["message_bytes"], found["truncated"]) == (
            501,
            6000 + 37,
            True,
        )
        whole = living.report(tool, message_characters=10_000, **more)
        assert f"BIG {mark} {'y' * 6000}" in texts(whole)


def test_what_playrail_did_is_not_what_is_found(host: OwnHost, living: Operator) -> None:
    mark = uuid.uuid4().hex
    living.report("search_in_files", path="/etc", pattern=mark)
    line = f"Invoked with pattern={mark} path=/etc"  # as modules write that others' Ansible runs
    host.sh(f"logger --tag ansible-ansible.legacy.search_text[7] {line!r}; journalctl --sync")
    found = living.report("search_journal_logs", term=mark)
    assert found["entries"] == []
    assert found["by_ansible"] >= 1


def test_a_journal_that_keeps_nothing(host: OwnHost, living: Operator) -> None:
    with journald(host, "Storage=none"):
        found = living.report("get_journal_logs", unit="ssh")  # what was kept before is there still
        assert "Storage=none" in notes(found)
        host.sh("mkdir /root/kept; mv /var/log/journal/* /root/kept")
        try:
            for tool, more in (
                ("find_system_errors", {}),
                ("get_journal_logs", {"unit": "ssh"}),
                ("search_journal_logs", {"term": "x"}),
            ):
                answer = living.call(tool, **more)
                assert (answer.code, answer.problem is not None) == ("no_journal", True)
        finally:
            host.sh("mv /root/kept/* /var/log/journal; rmdir /root/kept")


def test_a_journal_in_memory(host: OwnHost, living: Operator) -> None:
    host.sh("mv /var/log/journal /var/log/elsewhere")
    try:
        with journald(host, "Storage=volatile"):
            host.sh("logger -p user.err in memory; journalctl --sync")
            found = living.report("find_system_errors", hours=168)
            assert "in memory" in texts(found)
            assert "kept in memory only" in notes(found)
            assert "begins before the oldest entry" in notes(found)
            assert found["kept_since"]
    finally:
        host.sh(f"mv /var/log/elsewhere /var/log/journal; {RESTART}; journalctl --flush")


def test_a_journal_that_keeps_only_what_is_bad(host: OwnHost, living: Operator) -> None:
    with journald(host, "MaxLevelStore=err"):
        assert "MaxLevelStore" in notes(living.report("get_journal_logs", unit="ssh"))
