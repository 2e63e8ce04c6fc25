"""What is told of a systemd unit that failed."""

from __future__ import annotations

import pytest

from worlds.host_modules import SHARED, loaded

MODULE = SHARED / "units.py"
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
