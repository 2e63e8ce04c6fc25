"""When ssh may be run again, and what it is told against a configuration made for logins by
hand.
"""

from __future__ import annotations

import pytest

from playrail.ansible.ssh import options as ssh_options
from playrail.ansible.ssh.options import (
    Connecting,
    log_options,
    never_logged_in,
    session_options,
    without_unwanted_flags,
)


def said(*lines: str) -> str:
    return "".join(f"{line}\r\n" for line in lines)


CLOSED = "kex_exchange_identification: Connection closed by remote host"
RESET = "kex_exchange_identification: read: Connection reset by peer"
BANNER = "Connection timed out during banner exchange"
CUT_OFF = [
    said(CLOSED, "Connection closed by 10.0.0.1 port 22"),
    said(RESET, "Connection reset by 10.0.0.1 port 22"),
    said(CLOSED, "Connection closed by UNKNOWN port 65535"),
    said("ssh_exchange_identification: Connection closed by remote host"),
    said("banner exchange: Connection to UNKNOWN port 65535: Broken pipe"),
    said("Authorized use only.", RESET, "Connection reset by fe80::1%eth0 port 22"),
]
NOT_REACHED = [
    said("ssh: connect to host 10.0.0.1 port 22: Connection refused"),
    said("ssh: connect to host h port 22: No route to host"),
    said(BANNER, "Connection to 10.0.0.1 port 22 timed out", BANNER),
    said(
        "root@bastion: Permission denied (publickey).",
        CLOSED,
        "Connection closed by UNKNOWN port 65535",
    ),
]
MAYBE_RUN = [
    said("Connection to 10.0.0.1 closed by remote host."),
    said("Connection to 10.0.0.1 closed."),
    said("Shared connection to 10.0.0.1 closed."),
    said("client_loop: send disconnect: Broken pipe"),
    said(
        "Read from remote host 10.0.0.1: Connection reset by peer",
        "client_loop: send disconnect: Broken pipe",
    ),
    said("Timeout, server 10.0.0.1 not responding."),
    said("mux_client_read_packet: read header failed: Broken pipe"),
    # the master may have handed the command on before it died, and a second connection was
    # cut off
    said("mux_client_request_session: read from master failed: Broken pipe", CLOSED),
    # of a program on the host, before the connection broke
    said(CLOSED, "Connection to 10.0.0.1 closed by remote host."),
    said("Connection reset by 10.0.0.1 port 22"),  # ssh may say so in a session too
    # An account that has expired; once more may lock it
    said("Connection closed by 10.0.0.1 port 22"),
    said("mux_client_hello_exchange: write packet: Broken pipe"),
    said("bash: line 1: nothing"),
    "",
]


def tries(text: str, *, retries: int = 0, output: bytes = b"", most: int = 50) -> int:
    connecting = Connecting(retries)
    return sum(connecting.pause_s(output, text.encode()) is not None for _ in range(most))


@pytest.mark.parametrize("text", CUT_OFF)
def test_a_login_that_was_cut_off_is_tried_again(text: str) -> None:
    assert never_logged_in(text)
    assert [tries(text), tries(text, retries=12)] == [10, 12]


@pytest.mark.parametrize("text", NOT_REACHED)
def test_a_host_that_is_not_reached_is_tried_as_often_as_the_user_says(text: str) -> None:
    assert [tries(text), tries(text, retries=3)] == [0, 3]


@pytest.mark.parametrize("text", MAYBE_RUN)
def test_what_may_have_been_sent_is_never_sent_again(text: str) -> None:
    assert tries(text, retries=9) == 0


@pytest.mark.parametrize("text", [*CUT_OFF, *NOT_REACHED])
def test_when_anything_came_from_the_host_nothing_is_tried_again(text: str) -> None:
    assert tries(text, retries=9, output=b"\n{}") == 0


def test_pauses_grow_and_differ() -> None:
    pauses = [
        [Connecting(9).pause_s(b"", CUT_OFF[0].encode()) for _ in range(20)] for _ in range(2)
    ]
    connecting = Connecting(9)
    growing = [connecting.pause_s(b"", CUT_OFF[0].encode()) for _ in range(9)]

    assert pauses[0] != pauses[1]
    assert all(pause is not None and pause <= 7.5 for pause in growing)
    assert (growing[0] or 9) < (growing[-1] or 0)


def test_nothing_is_tried_again_after_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssh_options, "PATIENCE_S", -1.0)
    assert tries(CUT_OFF[0], retries=9) == 0


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("-tt -o A=b", "-o A=b"),
        ("-Ctq -F /x", "-C -F /x"),
        ("-n -N -f -s", ""),
        ("-vvv -4 -o RequestTTY=force -J a,b", "-vvv -4 -o RequestTTY=force -J a,b"),
        ("-E /tmp/log -y -C", "-C"),
        ("-E/tmp/log -o A=B", "-o A=B"),
        ("-oRequestTTY=force -itest -p22", "-oRequestTTY=force -itest -p22"),
    ],
)
def test_flags_that_would_make_something_else_of_a_command_go(given: str, kept: str) -> None:
    assert without_unwanted_flags(given.split()) == kept.split()


@pytest.mark.parametrize(
    ("words", "added"),
    [
        (["-o", "LogLevel=QUIET"], ("LogLevel=ERROR",)),
        (["-oLogLevel quiet"], ("LogLevel=ERROR",)),
        (["-Cq"], ("LogLevel=ERROR",)),
        (["-o", "loglevel=FATAL"], ("LogLevel=ERROR",)),
        (["-o", "LogLevel=ERROR", "-C"], ()),
        (["-oLogLevel=DEBUG"], ()),
        (["-F", "/etc/quiet"], ("LogLevel=INFO",)),
    ],
)
def test_ssh_is_to_say_why_it_ends(words: list[str], added: tuple[str, ...]) -> None:
    assert log_options(words) == added


def test_a_program_that_is_no_new_openssh_is_not_told_of_sessions() -> None:
    assert [session_options("/nowhere"), session_options("/bin/echo")] == [(), ()]
