"""What is told of a systemd unit that failed."""

from __future__ import annotations

from pathlib import Path

import pytest

from worlds.fake_journal import NOW_US, FakeJournal, entry
from worlds.host_modules import SHARED, loaded

MODULE, FACTS = SHARED / "units.py", SHARED / "unit_facts.py"
TIMES = (
    "start_time=[Sat 2026-11-28 11:50:43 UTC] ; stop_time=[Sat 2026-11-28 11:50:43 UTC] ; pid=297"
)
NEVER = "start_time=[n/a] ; stop_time=[n/a] ; pid=0"


def command(path: str, ended: str, *, ignored: str = "no", times: str = TIMES) -> str:
    return (
        f"{{ path={path} ; argv[]={path} --key=hush ; ignore_errors={ignored} ; {times} ; "
        f"{ended} }}"
    )


GOOD = command("/usr/bin/true", "code=exited ; status=0")
NOT_RUN = command("/usr/bin/shop", "code=(null) ; status=0/0", times=NEVER)


@pytest.mark.parametrize(
    ("commands", "step"),
    [
        (
            {
                "ExecStartPre": GOOD + command("/usr/bin/test", "code=exited ; status=1"),
                "ExecStart": NOT_RUN,
            },
            "ExecStartPre /usr/bin/test: exit status 1",
        ),
        (
            {"ExecStart": command("/usr/bin/shop", "code=killed ; status=9/KILL")},
            "ExecStart /usr/bin/shop: signal 9/KILL",
        ),
        (
            {"ExecStart": command("/opt/a b", "code=exited ; status=203/EXEC")},
            "ExecStart /opt/a b: exit status 203/EXEC",
        ),
        (
            {
                "ExecStartPre": command("/bin/x", "code=exited ; status=1", ignored="yes"),
                "ExecStart": NOT_RUN,
            },
            None,
        ),
        ({"ExecStart": GOOD}, None),
        ({}, None),
    ],
)
def test_the_command_that_failed_is_told_without_its_arguments(
    commands: dict[str, str], step: str | None
) -> None:
    assert loaded(MODULE).failed_step(commands) == step


class Shown:
    """A systemd that shows these properties, whichever are asked for."""

    def __init__(self, **properties: str) -> None:
        self.properties = {
            "Id": "shop.service",
            "LoadState": "loaded",
            "ActiveState": "failed",
            "Result": "exit-code",
            **properties,
        }

    def look(self, _name: str) -> dict[str, str]:
        return self.properties

    def show(self, _names: list[str], _properties: tuple[str, ...]) -> list[dict[str, str]]:
        return [self.properties]


def test_a_look_tells_what_a_unit_runs_without_secrets() -> None:
    argv = "/usr/bin/shop --token hush --url=http://me:hush@db/ serve"
    shown = Shown(
        ExecStart=f"{{ path=/usr/bin/shop ; argv[]={argv} ; ignore_errors=no ; {TIMES} ; "
        "code=exited ; status=2 }",
        TasksCurrent="7",
    )

    told = loaded(FACTS).state_of(shown, "shop")

    assert told["command"] == "/usr/bin/shop --token *** --url=http://me:***@db/ serve"
    assert told["failed_step"] == "ExecStart /usr/bin/shop: exit status 2"
    assert (told["details"], told["processes"]) == ({"TasksCurrent": "7"}, [])


def test_of_several_commands_the_one_that_failed_is_told() -> None:
    text = "\n".join(
        f"ExecStartPre={command('/bin/' + name, ended)}"
        for name, ended in (
            ("first", "code=exited ; status=5"),
            ("second", "code=(null) ; status=0/0"),
        )
    )
    found = loaded(MODULE).properties_of(text)

    assert loaded(MODULE).failed_step(found) == "ExecStartPre /bin/first: exit status 5"


def test_the_last_lines_of_a_units_journal_have_their_times(tmp_path: Path) -> None:
    journal = FakeJournal(tmp_path)
    by_ansible = {"SYSLOG_IDENTIFIER": "ansible-stat", "MESSAGE": "Invoked with path=/"}
    journal.says(
        [
            entry(NOW_US, MESSAGE="y" * 400),
            entry(NOW_US, MESSAGE="done"),
            entry(NOW_US, **by_ansible),
        ]
    )

    lines, known = loaded(FACTS).messages(str(tmp_path / "journalctl"), "shop.service")

    assert lines == [f"2027-01-15T08:00:00Z {'y' * 300}…", "2027-01-15T08:00:00Z done"]
    assert known is True


@pytest.mark.parametrize("way", ["may not read", "has none"])
def test_that_lines_could_not_be_read_is_told(tmp_path: Path, way: str) -> None:
    journal = FakeJournal(tmp_path)
    journal.says([], errors="<31>Failed to open journal directory x: Permission denied")
    program = str(tmp_path / "journalctl") if way == "may not read" else None

    assert loaded(FACTS).messages(program, "shop.service") == ([], False)


class Host:
    """A module on a host where each program that runs tells the zone of its times."""

    def get_bin_path(self, name: str) -> str:
        return name

    def run_command(self, _argv: list[str], environ_update: dict[str, str]) -> tuple[int, str, str]:
        return 0, environ_update["TZ"], ""


def test_times_are_those_of_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    units = loaded(MODULE)
    monkeypatch.setattr(units.os.path, "isdir", lambda _path: True)
    assert units.Systemd(Host()).run("show") == (0, "UTC", "")
