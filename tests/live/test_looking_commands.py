"""Command lines that are known to only look, on a real host: what each program really does, and
that they run though changes are switched off.
"""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from playrail.toolsets.commands.looks import examples, looks_of
from worlds.traced_looks import lines, traced

from .conftest import Wire, connected, entry, environment, on_host
from .own_host import OwnHost, own_host

pytestmark = [pytest.mark.lab, pytest.mark.over_ssh]
PACKAGES = ("strace", "lsof", "sysstat", "cron", "nftables", "psmisc", "kmod")
LOOKS = looks_of(None)
EXAMPLES = {*examples(LOOKS.programs.items())}


@pytest.fixture(scope="module")
def tracer(
    raised: Mapping[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OwnHost]:
    """A host with every program, on which Docker runs the container hello."""
    place, traces = tmp_path_factory.mktemp("tracer"), ["--cap-add=SYS_PTRACE"]
    with own_host(raised, place, name="tracer", options=traces) as host:
        host.install(*PACKAGES)
        host.sh(
            "systemctl start docker; docker import /usr/local/lib/playrail-lab-hello.tar hello:1;"
            "docker run -d --name hello hello:1 /hello.sh"
        )
        yield host


def bash(host: OwnHost, script: str) -> str:
    command = ["docker", "exec", "-i", host.container, "bash"]
    done = subprocess.run(command, input=script.encode(), capture_output=True, check=False)
    return done.stdout.decode(errors="replace")


def test_no_example_does_more_than_look(tracer: OwnHost) -> None:
    chosen = [line for line in lines(LOOKS) if " ".join(line.words) in EXAMPLES]
    assert len(chosen) > 100
    assert traced(lambda script: bash(tracer, script), chosen) == []


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("program", sorted(LOOKS.programs))
def test_no_option_does_more_than_look(tracer: OwnHost, program: str) -> None:
    chosen = [line for line in lines(LOOKS) if line.words[0] == program]
    assert traced(lambda script: bash(tracer, script), chosen) == []


def test_what_would_do_more_is_seen(tracer: OwnHost) -> None:
    """The judge of the other tests can fail."""
    look = next(line for line in lines(LOOKS) if line.words == ("uname", "-a"))
    for command in (
        ["touch", "/tmp/x"], ["chmod", "600", "/tmp/x"], ["rm", "/tmp/x"], ["mkdir", "/tmp/y"],
        ["rmdir", "/tmp/y"], ["bash", "-c", "sleep 60 & kill $!"], ["logger", "x"],
        ["bash", "-c", "echo >/dev/udp/127.0.0.1/9"],
    ):  # fmt: skip
        look.look.argv = command
        assert traced(lambda script: bash(tracer, script), [look]) != [], command


def test_ps_never_shows_an_environment(tracer: OwnHost) -> None:
    """Not even where it reads options once more in another style."""
    bash(tracer, "CANARY=shown-by-ps setsid sleep 600 </dev/null >/dev/null 2>&1 &")
    words = ["-e", "-ef", "-ely", "-eo", "-u", "-p", "aux", "x", "e", "f", "l", "-f", "-l", "-A",
        "ae", "nosuch", "1", "pid,cmd", "environ", "environ:500", "-o", "o", "axo", "-C", "--sort",
        "-zz", "--forest", "--no-headers", "-ww", "-aue", "-L", "-efH", "-ejL"]  # fmt: skip
    tried = [
        ["ps", *some]
        for length in (1, 2, 3)
        for some in itertools.product(words, repeat=length)
        if LOOKS.look(["ps", *some]) is not None
    ]
    assert len(tried) > 50
    said = ((" ".join(one), repr(" ".join(one))) for one in tried)
    script = "\n".join(
        f"{one} 2>&1 | grep -q 'CANARY=[s]hown' && echo {word}" for one, word in said
    )
    assert bash(tracer, script) == ""
    assert "CANARY=" in bash(tracer, "ps auxe")


@pytest.fixture(scope="module")
def reader(hosts: Mapping[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    """A client of a server that changes nothing."""
    state = tmp_path_factory.mktemp("reader")
    state.chmod(0o700)
    servers = {name: entry(hosts, name) for name in ("deb12", "deb13")}
    with connected(environment(state, servers, ENABLE_WRITE_OPERATIONS="0")) as wire:
        yield wire


def test_looks_run_with_writes_off(reader: Wire) -> None:
    for command, words in (
        ("df -h /", "Mounted on"),
        ("systemctl is-active ssh", "active"),
        ("docker ps", "hello"),
        ("cat /etc/hostname", on_host("deb12", "hostname").strip()),
        ("journalctl -n 1 --no-pager", ":"),
        ("ps -ef", "sshd"),
    ):
        answer = reader.call("execute_command", server="deb12", cmd=command)
        assert answer["success"], answer
        assert words in answer["data"]["hosts"]["deb12"]["stdout"]
        assert not answer["data"].get("changed")


def test_looks_show_nothing_that_must_not_be_read(reader: Wire) -> None:
    on_host("deb12", "ln", "-sf", "/etc/shadow", "/tmp/innocent")
    for command in ("cat /etc/shadow", "head -n 1 /tmp/innocent", "wc -c /proc/1/environ"):
        answer = reader.call("execute_command", server="deb12", cmd=command)
        assert (answer["success"], answer["code"]) == (False, "protected_path"), command
        assert "root:" not in str(answer)
    for command in ("df /dev/null", "cat /dev/null"):
        answer = reader.call("execute_command", server="deb12", cmd=command)
        assert answer["code"] in ("unsupported_path", "not_a_file")


def test_everything_else_is_refused_with_writes_off(reader: Wire) -> None:
    for command in ("touch /tmp/x", "ss -K", "systemctl stop ssh", "docker exec hello ls"):
        answer = reader.call("execute_command", server="deb12", cmd=command)
        assert answer["code"] == "writes_disabled"
        assert "only looks" in answer["hint"]
    refused = reader.call("execute_command", server="deb12", cmd="df -h", shell=True)
    assert refused["code"] == "writes_disabled"


def test_a_program_in_another_folder_is_not_taken_for_it(reader: Wire) -> None:
    on_host("deb12", "sh", "-c", "printf '#!/bin/sh\\necho fake' >/usr/local/bin/df;"
        "chmod 755 /usr/local/bin/df")  # fmt: skip
    try:
        answer = reader.call("execute_command", server="deb12", cmd="df -h")
        assert "fake" not in answer["data"]["hosts"]["deb12"]["stdout"]
    finally:
        on_host("deb12", "rm", "/usr/local/bin/df")
