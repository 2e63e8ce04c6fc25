"""Which unit is meant, and what the journal does not hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from worlds.fake_journal import NOW_US, FakeJournal, entry, messages
from worlds.host_modules import SHARED, loaded


@pytest.fixture
def journal(tmp_path: Path) -> FakeJournal:
    return FakeJournal(tmp_path)


def shows(journal: FakeJournal, *units: str) -> None:
    """systemctl knows a unit by these names, the first is its own."""
    told = "\n".join(
        [f"Id={units[0]}", f"Names={' '.join(units)}", "LoadState=loaded", "StandardOutput=journal"]
    )
    journal.script("systemctl", f"cat <<'END'\n{told}\nEND")


def test_a_unit_is_meant_by_any_of_its_names(journal: FakeJournal) -> None:
    shows(journal, "ssh.service", "sshd.service")
    journal.says([entry(NOW_US, _SYSTEMD_UNIT="ssh.service")])
    found = journal.run(unit="sshd")
    assert (found["unit"], messages(found)) == ("ssh.service", ["hello"])
    assert {"--unit=ssh.service", "--unit=sshd.service"} <= journal.asked


def test_a_template_means_all_its_instances(journal: FakeJournal) -> None:
    shows(journal, "getty@playrail.service", "autovt@playrail.service")
    journal.says([entry(NOW_US, _SYSTEMD_UNIT="getty@tty1.service")])
    found = journal.run(unit="autovt@")
    assert (found["unit"], found["entries"][0]["unit"]) == ("getty@.service", "getty@tty1.service")
    assert {"--unit=getty@*.service", "--unit=autovt@*.service"} <= journal.asked


def test_a_slice_means_those_below_as_well(journal: FakeJournal) -> None:
    shows(journal, "user.slice")
    journal.run(unit="user.slice")
    assert {"--unit=user.slice", "--unit=user-*.slice"} <= journal.asked


def test_a_unit_that_is_gone_has_its_entries_still(journal: FakeJournal) -> None:
    journal.script("systemctl", "printf 'Id=a.service\\nNames=a.service\\nLoadState=not-found\\n'")
    journal.says([entry(NOW_US)])
    found = journal.run(unit="a")
    assert messages(found) == ["hello"]
    assert "systemd knows no unit of this name now" in found["notes"][0]


def test_a_units_own_output_goes_elsewhere(journal: FakeJournal) -> None:
    journal.script(
        "systemctl",
        "printf 'Id=a.service\\nLoadState=loaded\\nStandardOutput=append:/var/log/a\\n'",
    )
    journal.says([entry(NOW_US)])
    assert journal.run(unit="a")["notes"] == [
        "What the unit itself writes goes to append:/var/log/a, not to the journal."
    ]


def test_a_unit_with_a_journal_of_its_own(journal: FakeJournal) -> None:
    journal.script("systemctl", "printf 'Id=a.service\\nLoadState=loaded\\nLogNamespace=apart\\n'")
    journal.run(unit="a")
    assert "--namespace=+apart" in journal.asked


def test_a_time_before_the_oldest_entry_is_told(journal: FakeJournal) -> None:
    journal.says([entry(NOW_US)])
    found = journal.run(unit="a", since="2020-01-01 00:00:00.0 UTC")
    assert found["kept_since"] == "2027-01-15T08:00:00Z"
    assert "begins before the oldest entry" in found["notes"][0]
    assert journal.run(unit="a", since="2027-01-15 08:00:00.0 UTC")["notes"] is None


def keeping(folder: Path, monkeypatch: pytest.MonkeyPatch, **parts: str) -> Any:
    """What is told of a journald with these settings; a key is a folder and a file's name,
    as in etc__50-quiet.
    """
    found = loaded(SHARED / "journal_keeping.py")
    folders = [folder / name for name in ("etc", "run", "usr")]
    for key, text in parts.items():
        where, _, name = key.partition("__")
        path = folder / where / (f"journald.conf.d/{name}.conf" if name else "journald.conf")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"[Journal]\n{text}\n")
    monkeypatch.setattr(found, "CONFIGURED", tuple(map(str, folders)))
    monkeypatch.setattr(found, "journald_runs", lambda: True)
    return found.Keeping()


@pytest.mark.parametrize(
    ("parts", "nothing"),
    [
        ({}, False),
        ({"etc": "Storage=none"}, True),
        ({"etc": "#Storage=none"}, False),
        ({"etc": "Storage = None"}, True),
        ({"etc": "Storage=auto", "usr__50-quiet": "Storage=none"}, True),
        ({"usr__50-quiet": "Storage=none", "etc__50-quiet": "Storage=auto"}, False),
        ({"usr__50-quiet": "Storage=none", "run__60-loud": "Storage=volatile"}, False),
        ({"usr": "Storage=none", "etc": "Storage=auto"}, False),
    ],
)
def test_a_journald_that_is_set_to_keep_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parts: dict[str, str], nothing: bool
) -> None:
    assert keeping(tmp_path, monkeypatch, **parts).nothing is nothing


@pytest.mark.parametrize(
    ("level", "told"),
    [("err", True), ("3", True), ("warning", True), ("info", False), ("7", False)],
)
def test_a_journald_that_keeps_only_what_is_bad(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, level: str, told: bool
) -> None:
    found = list(keeping(tmp_path, monkeypatch, etc=f"MaxLevelStore={level}").notes())
    assert any("MaxLevelStore" in one for one in found) is told
