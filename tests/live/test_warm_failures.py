"""What may happen to a host while Playrail keeps Ansible, connections and interpreters
ready for it.

One server lives through all of this, as it does in the field. What became of the work is
asked of the host itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from worlds.local_plays import processes

from .own_host import (
    BOUNDS,
    CHANGE_NAP,
    LINES,
    NAME,
    READ_NAP,
    Operator,
    OwnHost,
    docker,
)
from .waiting import until

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.over_ssh]
MOST_TRIES = 6  # each waits for the host some seconds
SILENCE_S = 6.0  # after which a connection is asked whether it still is one
# Processes that run no play: the run that stays, its parent, the broker of connections, ssh
# clients.
BESIDE = 6
ENDING = 4  # forks that wait for a play, or whose play has just ended


@pytest.fixture
def operated(living: Operator) -> Operator:
    """It has connections, which are used, and nothing is left of an earlier test."""
    living.host.clear()
    living.works()
    assert living.stays()
    return living


def works_again(operated: Operator) -> None:
    """A call that meets a connection in the moment of its end may say that the host does
    not answer: it is tried again.
    """
    for _ in range(MOST_TRIES):
        answer = operated.call("read_file", path="/etc/hostname")
        if answer.code == "ok":
            break
        assert answer.problem is not None
        assert (answer.code, answer.problem.retryable) == ("host_unreachable", True)
    operated.works()


def reboot(host: OwnHost) -> None:
    docker("restart", host.container)
    host.await_ssh()


def lose_power(host: OwnHost) -> None:
    """Nobody is told that the connections are gone."""
    host.leave()
    docker("kill", host.container)
    docker("start", host.container)
    host.join()
    host.await_ssh()
    time.sleep(SILENCE_S)  # no machine is back sooner


def restart_sshd(host: OwnHost) -> None:
    host.sh("systemctl restart ssh")
    host.await_ssh()


def end_sessions(host: OwnHost) -> None:
    """As when sshd is stopped by a system that ends its sessions with it."""
    host.sh("systemctl stop ssh; pkill '^sshd'; systemctl start ssh")
    host.await_ssh()


@pytest.mark.parametrize("what", [reboot, lose_power, restart_sshd, end_sessions])
def test_between_two_calls(operated: Operator, what: Callable[[OwnHost], None]) -> None:
    what(operated.host)
    works_again(operated)
    assert operated.stays()
    operated.await_idle()


class Cut:
    """The network is taken away."""

    def begin(self, host: OwnHost) -> None:
        host.leave()

    def end(self, host: OwnHost) -> None:
        host.join()


class Freeze:
    """Nothing runs on the host, but its kernel answers."""

    def begin(self, host: OwnHost) -> None:
        docker("pause", host.container)

    def end(self, host: OwnHost) -> None:
        docker("unpause", host.container)


class Forget:
    """A firewall has forgotten the connections: they are silent for ever, and new ones are
    good.
    """

    def begin(self, host: OwnHost) -> None:
        host.forget_connections()

    def end(self, host: OwnHost) -> None:
        """It does not end."""


TROUBLES = pytest.mark.parametrize(
    "trouble", [Cut(), Freeze(), Forget()], ids=lambda trouble: type(trouble).__name__
)


@TROUBLES
def test_in_the_middle_of_a_call(operated: Operator, trouble: Any) -> None:
    """The deadline holds, nothing is claimed that is not known, and nothing is done twice."""
    host = operated.host
    read, change = operated.start("slow_read"), operated.start("slow_change")
    until(lambda: host.naps(READ_NAP) and host.naps(CHANGE_NAP))
    trouble.begin(host)
    try:
        told = [read.result(60), change.result(60)]
    finally:
        trouble.end(host)
    assert [answer.code for answer in told] == ["deadline_exceeded", "outcome_unknown"]
    read_problem, change_problem = (answer.problem for answer in told)
    assert read_problem is not None
    assert change_problem is not None
    assert read_problem.hint.startswith("Nothing was changed")
    assert (change_problem.retryable, "read tool" in change_problem.hint) == (False, True)
    if not isinstance(trouble, Forget):
        assert "its work may still be running on own" in change_problem.error
    operated.await_idle()
    works_again(operated)
    assert host.sh(f"cat {LINES}") == "begun"


@TROUBLES
def test_while_nobody_calls(operated: Operator, trouble: Any) -> None:
    host = operated.host
    trouble.begin(host)
    try:
        time.sleep(SILENCE_S)
        if not isinstance(trouble, Forget):
            answer = operated.call("read_file", path="/etc/hostname")
            assert answer.code == "host_unreachable", answer
    finally:
        trouble.end(host)
    works_again(operated)


def test_the_interpreter_on_the_host_is_killed(operated: Operator) -> None:
    host = operated.host
    host.kill(host.kept())
    works_again(operated)

    read, change = operated.start("slow_read"), operated.start("slow_change")
    until(lambda: host.naps(READ_NAP) and host.naps(CHANGE_NAP))
    host.kill(host.kept())
    assert [read.result(60).code, change.result(60).code] == ["connection_lost", "outcome_unknown"]
    works_again(operated)
    assert host.sh(f"cat {LINES}") == "begun"


@pytest.fixture
def small_disks(host: OwnHost) -> Iterator[list[str]]:
    """On the host, wherever a temporary file may be: 1 MiB each."""
    host.sh("cp -a /root/.ssh /srv/kept-ssh")
    places = ["/tmp", "/var/tmp", "/root"]
    for place in places:
        host.sh(f"mount -t tmpfs -o size=1m,mode=1777 small {place}")
    host.sh("chmod 700 /root; cp -a /srv/kept-ssh /root/.ssh")
    yield places
    for place in places:
        host.sh(f"umount -l {place}")
    host.sh("rm -r /srv/kept-ssh")


@pytest.mark.parametrize("left_kib", [0, 20])
def test_no_space_for_temporary_files(
    operated: Operator, small_disks: list[str], left_kib: int
) -> None:
    host, mark = operated.host, "/srv/must-not-be"
    for place in small_disks:
        host.sh(
            f"cat /dev/zero >{place}/filler 2>/dev/null || true; truncate -s -{left_kib}K "
            f"{place}/filler"
        )
    for start_anew in (False, True):
        if start_anew:
            host.kill(host.kept())
        answers = [
            operated.call("read_file", path="/etc/hostname"),
            operated.call("execute_command", cmd=f"touch {mark}"),
        ]
        assert {answer.code for answer in answers} <= {"disk_full", "no_temporary_directory"}, (
            answers
        )
        assert host.sh(f"ls {mark} 2>/dev/null || true") == ""
    for place in small_disks:
        host.sh(f"rm {place}/filler")
    works_again(operated)
    left = host.sh("ls -A " + " ".join(small_disks)).split()
    assert not [name for name in left if "ansible" in name]


def test_two_hundred_calls_at_once(operated: Operator) -> None:
    host = operated.host
    before = host.sh("ls -A /tmp /var/tmp")
    calls = [operated.start("read_file", path="/etc/hostname") for _ in range(200)]
    here, forks = 0, 0
    while not all(call.done() for call in calls):
        here = max(here, len(processes(f"HOME={operated.place}\0")))
        forks = max(forks, len(operated.forks()))
        time.sleep(0.2)
    answers = [call.result() for call in calls]
    assert {answer.code for answer in answers} == {"ok"}
    assert {answer.data["hosts"][NAME]["content"] for answer in answers if answer.data} == {
        f"{NAME}\n"
    }
    assert 1 < forks <= BOUNDS.runs_at_once + ENDING
    assert here <= BOUNDS.runs_at_once + ENDING + BESIDE
    operated.await_idle()
    until(lambda: len(host.kept()) <= 1)  # and no module
    assert host.sh("ls -A /tmp /var/tmp") == before
