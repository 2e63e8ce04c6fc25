"""What runs at set times: when cron runs it next, and what its files say."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from worlds.host_modules import MODULES, SHARED, loaded

NOW = 1795910730  # Sunday 2026-11-29 00:05:30 UTC


@pytest.fixture(autouse=True)
def _at_greenwich(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def next_of(text: str, now: int = NOW) -> str | None:
    found = loaded(SHARED / "cron_times.py").Schedule(text).next_run(now)
    return None if found is None else time.strftime("%a %Y-%m-%d %H:%M", time.gmtime(found))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("* * * * *", "Sun 2026-11-29 00:06"),
        ("5 0 * * *", "Mon 2026-11-30 00:05"),
        ("*/15 9-17 * * mon-fri", "Mon 2026-11-30 09:00"),
        ("0 0 * * 7", "Sun 2026-12-06 00:00"),
        ("0 12 1,15 * *", "Tue 2026-12-01 12:00"),
        ("0 0 31 2-3 *", "Wed 2027-03-31 00:00"),
        ("0 0 29 feb *", "Tue 2028-02-29 00:00"),
        ("0 0 30 2 *", None),
        ("0 0 13 * 5", "Fri 2026-12-04 00:00"),  # either is enough
        ("0 0 */2 * 1", "Mon 2026-12-07 00:00"),  # a star is no restriction of its own
        ("10/20 3 * * *", "Sun 2026-11-29 03:10"),
        ("@daily", "Mon 2026-11-30 00:00"),
        ("@weekly", "Sun 2026-12-06 00:00"),
        ("@reboot", None),
    ],
)
def test_when_cron_runs_it_next(text: str, expected: str | None) -> None:
    assert next_of(text) == expected


def test_cron_goes_by_the_hosts_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "CET-1")
    time.tzset()

    assert next_of("0 3 * * *") == "Sun 2026-11-29 02:00"


@pytest.mark.parametrize(
    "text",
    ["60 * * * *", "* * * *", "a * * * *", "5-1 * * * *", "*/0 * * * *", "* * 0 * *", "² * * * *"],
)
def test_a_time_that_cron_refuses(text: str) -> None:
    module = loaded(SHARED / "cron_times.py")

    with pytest.raises(module.Unreadable):
        module.Schedule(text)


@pytest.fixture
def crontabs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The host's files are below tmp_path."""
    found = loaded(SHARED / "crontabs.py")
    for name in ("SYSTEM", "SYSTEM_FOLDERS", "USERS_FOLDERS", "SCRIPTS", "AT_FOLDERS"):
        monkeypatch.setattr(found, name, tuple(f"{tmp_path}{one}" for one in getattr(found, name)))
    for name in ("ANACRON", "ANACRON_DONE", "ANACRONS_PROGRAM", "DEBIAN", "ALPINE"):
        monkeypatch.setattr(found, name, f"{tmp_path}{getattr(found, name)}")
    write(tmp_path, "/etc/debian_version", "12.1")
    return found


def write(root: Path, path: str, text: str, mode: int = 0o644) -> None:
    place = Path(f"{root}{path}")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text)
    place.chmod(mode)


def of_cron(crontabs: ModuleType) -> list[dict[str, Any]]:
    found = crontabs.of_cron(crontabs.Files(), NOW)
    return [{key: value for key, value in one.items() if value is not None} for one in found]


def test_the_systems_crontab_says_as_whom(crontabs: ModuleType, tmp_path: Path) -> None:
    write(
        tmp_path,
        "/etc/crontab",
        "# m h\nPATH=/bin\nCRON_TZ = Asia/Tokyo\n\n"
        "0 5\t* * *\troot  run  this\n@daily ann x\n1 2 3\n",
    )

    first, second, third = of_cron(crontabs)

    assert first == {
        "source": f"{tmp_path}/etc/crontab:5",
        "when": "0 5 * * *",
        "user": "root",
        "command": "run  this",
        "time_zone": "Asia/Tokyo",
    }
    assert (second["user"], second["command"], second["when"]) == ("ann", "x", "@daily")
    assert third["problem"] == "the line is not complete"


def test_a_users_crontab_is_by_its_name_and_told_once(crontabs: ModuleType, tmp_path: Path) -> None:
    write(tmp_path, "/etc/crontabs/bob", "*/5 * * * * poll --all\n61 * * * * never\n")
    (tmp_path / "var/spool/cron").mkdir(parents=True)
    (tmp_path / "var/spool/cron/crontabs").symlink_to(tmp_path / "etc/crontabs")

    polls, never = of_cron(crontabs)

    assert (polls["user"], polls["command"], polls["next"]) == ("bob", "poll --all", NOW + 270)
    assert never["problem"] == "cron cannot read its time"
    assert "next" not in never


@pytest.mark.parametrize(
    ("name", "mode", "problem"),
    [
        ("job", 0o644, None),
        ("job.sh", 0o644, "cron leaves files with such names out"),
        ("job", 0o666, "others than root may write it, so cron leaves it out"),
    ],
)
def test_a_file_of_which_cron_takes_no_notice(
    crontabs: ModuleType, tmp_path: Path, name: str, mode: int, problem: str | None
) -> None:
    write(tmp_path, f"/etc/cron.d/{name}", "* * * * * root x\n", mode)
    write(tmp_path, "/etc/cron.d/old~", "* * * * * root x\n")

    (found,) = of_cron(crontabs)

    mine = "cron takes only files of root" if os.getuid() and problem is None else problem
    assert found.get("problem") == mine
    assert ("next" in found) is (mine is None)


def test_a_folder_of_scripts_stands_in_place_of_the_line_that_runs_it(
    crontabs: ModuleType, tmp_path: Path
) -> None:
    lines = [f"25 6 * * * root run-parts {tmp_path}{one}" for one in ("/etc/cron.daily", "/opt/x")]
    write(tmp_path, "/etc/crontab", "\n".join(lines) + "\n")
    write(tmp_path, "/etc/cron.daily/good", "#!/bin/sh", 0o755)
    write(tmp_path, "/etc/cron.daily/dotted.sh", "#!/bin/sh", 0o755)
    write(tmp_path, "/etc/cron.daily/plain", "#!/bin/sh")
    write(tmp_path, "/etc/cron.weekly/lost", "#!/bin/sh", 0o755)
    files = crontabs.Files()

    other, daily, weekly = crontabs.with_folders(files, list(crontabs.of_cron(files, NOW)))

    assert other["command"] == f"run-parts {tmp_path}/opt/x"
    assert daily["scripts"] == ["good"]
    assert daily["left_out"] == ["dotted.sh", "plain"]
    assert (daily["when"], daily["run_by"]) == ("25 6 * * *", f"{tmp_path}/etc/crontab:1")
    assert (weekly["scripts"], weekly["problem"]) == (["lost"], "no crontab runs this folder")


def test_anacron_goes_by_the_day_of_the_last_run(crontabs: ModuleType, tmp_path: Path) -> None:
    write(
        tmp_path,
        "/etc/anacrontab",
        "SHELL=/bin/sh\n7 10 weekly run it\n@monthly 1 new x\n? 1 odd x\n",
    )
    files = crontabs.Files()
    assert list(crontabs.of_anacron(files)) == []  # it is not installed
    write(tmp_path, "/usr/sbin/anacron", "", 0o755)
    write(tmp_path, "/var/spool/anacron/weekly", "20261128\n")

    weekly, new, odd = crontabs.of_anacron(files)

    assert (weekly["when"], weekly["command"]) == ("every 7 days", "run it")
    assert weekly["next"] - weekly["last"] == 7 * 86400
    assert "next" not in new
    assert odd["problem"] == "anacron cannot read its period"


AT_JOB = """\
#!/bin/sh
# atrun uid=0 gid=0
# mail root 0
umask 22
SECRET=hush; export SECRET
cd /root || {
\t echo 'Execution directory inaccessible' >&2
\t exit 1
}
{}/usr/bin/once --now
"""


@pytest.mark.parametrize("wrapper", ["", "${SHELL:-/bin/sh} << 'marcinDELIMITER1a2b'\n"])
def test_a_job_of_at_tells_its_command_and_not_its_environment(
    crontabs: ModuleType, tmp_path: Path, wrapper: str
) -> None:
    text = AT_JOB.replace("{}", wrapper) + ("\nmarcinDELIMITER1a2b\n" if wrapper else "")
    write(tmp_path, "/var/spool/cron/atjobs/a0001f01c8ba6f", text)
    write(tmp_path, "/var/spool/cron/atjobs/.SEQ", "1")
    users = loaded(SHARED / "processes.py").Users()

    (found,) = crontabs.of_at(crontabs.Files(), users)

    assert found == {
        "source": "at job 31",
        "when": "once",
        "next": 0x01C8BA6F * 60,
        "user": "root",
        "command": "/usr/bin/once --now",
    }


def test_what_may_not_be_read_is_noted(
    crontabs: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_path: str) -> list[str]:
        raise PermissionError

    monkeypatch.setattr(crontabs.os, "listdir", refuse)
    files = crontabs.Files()

    assert (files.names("/var/spool/cron"), files.unreadable) == ([], ["/var/spool/cron"])


class Timers:
    """A systemd with two timers."""

    def run(self, *_words: str) -> tuple[int, str, str]:
        return 0, "a.timer loaded active waiting A\nb.timer loaded inactive dead B\n", ""

    def show(self, names: list[str], _properties: object) -> list[dict[str, str]]:
        argv = "/bin/backup --password hush"
        known = {
            "a.timer": {
                "ActiveState": "active",
                "Triggers": "backup.service",
                "TimersCalendar": "{ OnCalendar=*-*-* 02:00:00 ; next_elapse=(null) }",
                "TimersMonotonic": "{ OnBootUSec=15min ; next_elapse=0 }",
                "NextElapseUSecRealtime": "Mon 2026-11-30 02:00:00 UTC",
            },
            "b.timer": {"ActiveState": "inactive", "Triggers": "b.service"},
            "backup.service": {
                "User": "ann",
                "ExecStart": f"{{ path=/bin/backup ; argv[]={argv} ; ignore_errors=no ; x }}",
            },
        }
        return [{"Id": name, **known.get(name, {})} for name in names]


def test_a_timer_tells_what_its_service_runs_as_whom() -> None:
    module = loaded(MODULES / "list_schedules.py")

    first, second = sorted(module.timers_of(Timers()), key=module.order)

    assert module.told(first) == {
        "source": "a.timer",
        "when": "*-*-* 02:00:00, OnBootSec=15min",
        "next_run": "2026-11-30T02:00:00Z",
        "user": "ann",
        "unit": "backup.service",
        "command": "/bin/backup --password ***",
    }
    assert (second["source"], second["inactive"]) == ("b.timer", True)


@pytest.mark.parametrize(
    ("target", "told"),
    [("/usr/share/zoneinfo/America/Bogota", "America/Bogota"), (None, "UTC")],
)
def test_the_zone_has_a_name_that_says_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str | None, told: str
) -> None:
    module = loaded(MODULES / "list_schedules.py")
    link = tmp_path / "localtime"
    if target is not None:
        link.symlink_to(target)
    monkeypatch.setattr(module, "LOCAL_TIME", str(link))

    assert module.time_zone() == told
