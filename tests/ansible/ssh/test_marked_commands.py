"""Whether a command was begun, and a module's own answer among what others wrote."""

from __future__ import annotations

import json
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playrail.ansible.ssh.marked_commands import (
    LOST,
    NO_COMMAND,
    NOT_BEGUN,
    Mark,
    can_be_marked,
    end_of,
    result_of_module,
)
from playrail.ansible.ssh.marked_connection import elsewhere, ends_line

RESULT = json.dumps({"changed": True, "content": '{"a": 1}\n{', "invocation": {"module_args": {}}})
NOISE = [
    "",
    "Welcome!\n",
    '{"host": "x"}\n',
    "{ not JSON\n",
    "[1]\n",
    '{"open": {"deep": "x"}, "more":\n 1}\n',
]


@pytest.mark.parametrize("before", NOISE)
@pytest.mark.parametrize("after", NOISE)
def test_a_result_is_found_in_noise(before: str, after: str) -> None:
    found = result_of_module(f"{before}{RESULT}\n{after}".encode())
    assert json.loads(found) == json.loads(RESULT)


@pytest.mark.parametrize(
    "text", ["", "Killed\n", '{"host": "x"}\n{"changed": tr', '{"host": "x"}\n', "{" * 5000]
)
def test_what_holds_no_result_stays_as_it_is(text: str) -> None:
    assert result_of_module(text.encode()) == text.encode()


@given(st.binary(max_size=400))
def test_any_output_is_taken(data: bytes) -> None:
    assert result_of_module(data).removesuffix(b"\n") in data


@pytest.mark.parametrize("shell", ["/bin/sh", "/bin/bash"])
def test_a_shell_prints_the_mark_before_what_the_command_prints(shell: str) -> None:
    mark = Mark()
    command = mark.before("/bin/sh -c 'echo own; exit 3'")
    done = subprocess.run([shell, "-c", f"echo noise; {command}"], capture_output=True, check=False)
    assert (done.returncode, mark.after(done.stdout)) == (3, b"own\n")
    assert end_of(mark, 3, done.stdout, b"").own == b"own\n"


@pytest.mark.parametrize(
    ("command", "fits"),
    [("/bin/sh -c 'x'", True), ("show version", False), ("sh -c 'x'", False), ("", False)],
)
def test_only_commands_for_a_shell_are_marked(command: str, *, fits: bool) -> None:
    assert can_be_marked(command) is fits


def test_what_a_login_says_comes_after_its_banner() -> None:
    end = end_of(Mark(), 1, b"sorry, no\n", b"Connection timed out\n")
    assert end.failure == f"{NO_COMMAND} (exit status 1): Connection timed out\nsorry, no"


@pytest.mark.parametrize(
    ("status", "begun", "stderr", "failure", "again"),
    [
        (255, True, "", LOST, False),
        (255, True, "ops@web1: Permission denied (publickey).", LOST, False),
        (255, False, "ops@web1: Permission denied (publickey).", NOT_BEGUN, True),
        (255, False, "Connection closed by 10.0.0.1 port 22", LOST, False),
        (255, False, "Connection to web1 closed by remote host.", LOST, False),
        (255, False, "client_loop: send disconnect: Broken pipe", LOST, False),
        (255, False, "", LOST, False),
        (-9, False, "", LOST, False),
        (1, False, "This account is currently not available.", NO_COMMAND, False),
        (0, False, "", NO_COMMAND, False),
    ],
)
def test_only_what_was_not_begun_may_be_tried_again(
    status: int, stderr: str, failure: str, *, begun: bool, again: bool
) -> None:
    mark = Mark()
    end = end_of(mark, status, f"{mark.word}\n".encode() if begun else b"", stderr.encode())
    assert end.failure.startswith(failure)
    assert end.again is again


def test_a_login_that_repeats_the_command_has_not_begun_it() -> None:
    mark = Mark()
    refused = f"not allowed: {mark.before('/bin/sh -c x')}\n".encode()
    assert mark.after(refused) is None
    assert (
        end_of(mark, 1, refused, b"").failure
        == f"{NO_COMMAND} (exit status 1): not allowed: /bin/sh -c x"
    )
    assert mark.after(refused + f"{mark.word} \r\nown\n".encode()) == b"own\n"


WORD = b"BECOME-SUCCESS-abc"
REFUSAL = (
    b"Sorry, user ann is not allowed to execute '/bin/sh -c echo "
    + WORD
    + b" ; python3' as root.\n"
)


@pytest.mark.parametrize(
    ("text", "became"),
    [
        (WORD + b"\n", True),
        (b"password: " + WORD + b"\r\n{}", True),
        (REFUSAL, False),
        (WORD, False),
        (b"", False),
    ],
)
def test_a_refusal_that_repeats_the_command_is_no_leave(text: bytes, *, became: bool) -> None:
    assert ends_line(WORD, text) is became
    assert (WORD in elsewhere(WORD, b"other", text)) is became


def test_what_is_no_refusal_stays_as_it_is() -> None:
    assert elsewhere(WORD, b"other", WORD + b"\n" + REFUSAL) == WORD + b"\n" + REFUSAL.replace(
        WORD, b"other"
    )
