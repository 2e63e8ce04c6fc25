"""Why a server could not be worked on: the same cause is told alike, whichever way the play
was started.

What ssh, sudo or the login said stands in the error; whether the command ran is asked of
the host itself. One call is on all servers, of which each has another trouble.
"""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from playrail.settings.private_files import private_directory

from .causes import (
    BANNER,
    CAUSES,
    PASSWORD,
    RAN,
    SUDO,
    Cause,
    user_of,
    variables,
)
from .own_host import OwnHost, own_host
from .ways import Caller, HostAnswer, calling

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.over_ssh]
ROOM_BYTES = 500_000  # for the answers of all of them
SHELLS, RUST = "playrail-lab:shells", "playrail-lab:rust"
BY_NAME = {cause.name: cause for cause in CAUSES}
BANNERED = ("strange", "expired", "aged", "no_login", "wrong_sudo", "no_python", "plain")
# On the host: tells of whose login it is a part, whoever it runs as.
WHOSE = "/srv/whose"
WHOSE_TEXT = r"""#!/bin/sh
pid=$$
while [ "$pid" -gt 1 ]; do
    line=$(tr '\0' ' ' <"/proc/$pid/cmdline")
    case $line in "sshd: u-"*) line=${line#sshd: }; echo "${line%%[@ ]*}"; exit ;; esac
    pid=$(sed 's/.*) . //' "/proc/$pid/stat" | cut -d ' ' -f 1)
done
exit 1
"""
BREAK = f"""user=$({WHOSE})
echo run >>{RAN}/$user
sudo -n /usr/bin/pkill -9 -f "^sshd: $user"
"""
BROKEN = ("plain", "json_files", "sudo")
CONTENT = "only-for-who-asks"
NOISY = ("json_first", "json_last", "json_files", "json_sudo")


@dataclass(frozen=True)
class Marked:
    """What was answered for each server, and the users in whose logins the program ran."""

    answers: Mapping[str, HostAnswer]
    ran: frozenset[str]


@pytest.fixture(scope="module")
def host(raised: Mapping[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnHost]:
    """A host with a user for each cause."""
    with own_host(raised, tmp_path_factory.mktemp("own"), image=SHELLS) as made:
        made.sh("\n".join(["exec 2>&1", *map(prepared, CAUSES)]))
        made.sh(f"install -d -m 1777 {RAN}; echo root:{PASSWORD} | chpasswd")
        made.sh(f"printf %s {shlex.quote(WHOSE_TEXT)} >{WHOSE}; chmod 755 {WHOSE}")
        made.sh(f"printf %s {shlex.quote(BREAK)} >/srv/break")
        rules = "".join(
            f"{user_of(BY_NAME[name])} ALL=(ALL) NOPASSWD: /usr/bin/pkill\n" for name in BROKEN
        )
        made.sh(f"printf %s {shlex.quote(rules)} >/etc/sudoers.d/break")
        made.sh("chmod 440 /etc/sudoers.d/*")
        yield made


def prepared(cause: Cause) -> str:
    """The script that makes the cause's user."""
    user = user_of(cause)
    return (
        f"useradd -m -s /bin/bash {user}; echo {user}:{PASSWORD} | chpasswd\n"
        f"cp -r /root/.ssh ~{user}/; chown -R {user} ~{user}\n"
        f"{cause.setup.replace('{user}', user)}\n"
        f"chown -R {user} ~{user}\n"
    )


@pytest.fixture(scope="module")
def keys(host: OwnHost, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """Files of keys that cannot be used."""
    place = tmp_path_factory.mktemp("keys")
    good = Path(host.key).read_text()
    (place / "passphrase").write_text(good)
    (place / "passphrase").chmod(0o600)
    subprocess.run(
        ["ssh-keygen", "-q", "-p", "-N", "a passphrase", "-f", place / "passphrase"], check=True
    )
    (place / "cut").write_text(
        good.rstrip("\n").removesuffix("-----END OPENSSH PRIVATE KEY-----").rstrip("\n")
    )
    (place / "public").write_text(Path(f"{host.key}.pub").read_text())
    for path in place.iterdir():
        path.chmod(0o600)
    return {name: str(place / name) for name in ("passphrase", "cut", "public")}


@pytest.fixture(scope="module", params=["cold", "warm"])
def call(
    request: pytest.FixtureRequest,
    host: OwnHost,
    keys: Mapping[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Caller]:
    every = {cause.name: variables(cause, host, keys) for cause in CAUSES}
    place = private_directory(tmp_path_factory.mktemp("causes") / "place")
    with calling(request.param, every, place, "[ssh_connection]\nretries = 2\n") as made:
        yield made


def marked(call: Caller, host: OwnHost, *servers: str) -> Marked:
    """One call has all the servers say in whose login they are."""
    host.sh(f"rm -f {RAN}/*")
    cmd = shlex.join(["sh", "-c", f"touch {RAN}/$({WHOSE})"])
    answers = call("execute_command", *servers, cmd=cmd, max_bytes=ROOM_BYTES)
    return Marked(answers, frozenset(host.sh(f"ls {RAN}").split()))


@pytest.fixture(scope="module")
def of_all(call: Caller, host: OwnHost) -> Marked:
    """Those that wait for what never comes are asked after the others: their short time counts
    for the connection as well, and all log in at once.
    """
    waiting = [cause.name for cause in CAUSES if "ansible_timeout" in cause.given]
    first = marked(call, host, *(name for name in BY_NAME if name not in waiting))
    then = marked(call, host, *waiting)
    return Marked({**first.answers, **then.answers}, first.ran | then.ran)


@pytest.fixture(scope="module")
def below_a_banner(call: Caller, host: OwnHost) -> Marked:
    """Everybody who connects is shown what looks like ssh's own failures, and there is no
    way around it.
    """
    config = "/etc/ssh/sshd_config.d/banner.conf"
    host.sh(f"printf '{BANNER}' >/etc/banner; echo 'Banner /etc/banner' >{config}")
    host.sh("systemctl reload ssh")
    try:
        return marked(call, host, *BANNERED)
    finally:
        host.sh(f"rm {config}; systemctl reload ssh")


def look(cause: Cause, found: Marked, host: OwnHost) -> None:
    answer = found.answers[cause.name]
    assert answer.code == cause.code, answer
    assert cause.says.format(address=host.address).lower() in answer.error.lower(), answer
    assert cause.hint in answer.hint, answer
    assert answer.retryable is cause.retryable, answer
    assert PASSWORD not in answer.text
    assert "PLAYRAIL-BEGUN" not in answer.text
    assert (user_of(cause) in found.ran) is cause.ran


@pytest.mark.parametrize("cause", CAUSES, ids=lambda cause: cause.name)
def test_a_cause_is_told_by_its_own_words(of_all: Marked, host: OwnHost, cause: Cause) -> None:
    look(cause, of_all, host)


@pytest.mark.parametrize("name", BANNERED)
def test_a_banner_is_no_reason(below_a_banner: Marked, host: OwnHost, name: str) -> None:
    look(BY_NAME[name], below_a_banner, host)


def test_a_module_that_was_killed_may_have_done_its_work(call: Caller, host: OwnHost) -> None:
    host.sh(f"rm -f {RAN}/*")
    script = f"touch {RAN}/killed; kill -9 $PPID"
    answer = call("execute_command", "plain", cmd=script, shell=True)["plain"]
    assert host.sh(f"ls {RAN}") == "killed"
    assert (answer.code, answer.retryable) == ("outcome_unknown", False), answer
    assert "137" in answer.error


@pytest.fixture(scope="module")
def of_broken(call: Caller, host: OwnHost) -> Mapping[str, HostAnswer]:
    host.sh(f"rm -f {RAN}/*")
    script = "setsid -w sh /srv/break; sleep 3"
    return call("execute_command", *BROKEN, cmd=script, shell=True)


@pytest.mark.parametrize("server", BROKEN)
def test_a_connection_that_breaks_at_work_is_told_and_nothing_runs_twice(
    of_broken: Mapping[str, HostAnswer], host: OwnHost, server: str
) -> None:
    answer = of_broken[server]
    assert (answer.code, answer.retryable) == ("outcome_unknown", False), answer
    assert "connection" in answer.error
    assert host.sh(f"cat {RAN}/{user_of(BY_NAME[server])}") == "run"


@dataclass(frozen=True)
class Kept:
    """A file that was written, and what was answered to who wrote and who read one."""

    text: str
    written: HostAnswer
    read: HostAnswer


@pytest.fixture(scope="module")
def of_noisy(call: Caller, host: OwnHost) -> Mapping[str, Kept]:
    path = f"{RAN}/{{}}-file".format
    written = {
        server: call("write_file", server, path=path(server), content=CONTENT)[server]
        for server in NOISY
    }
    texts = {server: host.sh(f"cat {path(server)}") for server in NOISY}
    read = call("read_file", *NOISY, path=path(NOISY[0]))
    return {server: Kept(texts[server], written[server], read[server]) for server in NOISY}


@pytest.mark.parametrize("server", NOISY)
def test_what_a_login_prints_hides_no_change_and_shows_no_content(
    of_noisy: Mapping[str, Kept], server: str
) -> None:
    kept = of_noisy[server]
    assert (kept.written.code, kept.written.changed) == ("ok", True), kept.written
    assert kept.text == CONTENT
    assert kept.read.code == "ok", kept.read
    assert CONTENT in kept.read.text


def test_a_full_disk_is_told(call: Caller, host: OwnHost) -> None:
    host.sh("mkdir -p /srv/tiny; mount -t tmpfs -o size=64k,mode=1777 tiny /srv/tiny")
    try:
        answer = call("write_file", "plain", path="/srv/tiny/big", content="x" * 100_000)["plain"]
        assert answer.code == "disk_full", answer
    finally:
        host.sh("umount -l /srv/tiny")


@pytest.fixture(scope="module")
def rust(raised: Mapping[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnHost]:
    """A host whose sudo is sudo-rs, which writes words of its own in front of a prompt."""
    with own_host(raised, tmp_path_factory.mktemp("rust"), image=RUST) as made:
        made.sh(
            f"useradd -m -s /bin/bash rusty; echo rusty:{PASSWORD} | chpasswd; "
            f"install -d -m 1777 {RAN}; cp -r /root/.ssh ~rusty/; chown -R rusty ~rusty; "
            "echo 'rusty ALL=(ALL:ALL) ALL' >/etc/sudoers.d/rusty; chmod 440 /etc/sudoers.d/rusty"
        )
        yield made


@pytest.mark.parametrize("way", ["cold", "warm"])
def test_sudo_in_rust(way: str, rust: OwnHost, tmp_path: Path) -> None:
    base = {
        "ansible_host": rust.address,
        "ansible_user": "rusty",
        "ansible_ssh_private_key_file": rust.key,
        "ansible_ssh_common_args": f"-o UserKnownHostsFile={rust.known_hosts}",
        "ansible_become_exe": "/usr/bin/sudo-rs",
    }
    every = {
        "right": {**base, **SUDO},
        "wrong": {**base, **SUDO, "ansible_become_password": "wrong"},
        "none": {**base, "ansible_become": True},
    }
    rust.sh(f"rm -f {RAN}/*")
    with calling(way, every, private_directory(tmp_path / "place")) as call:
        script = f"id -u | tee -a {RAN}/users"
        answers = call("execute_command", *every, cmd=script, shell=True)
    assert answers["right"].code == "ok", answers
    for name in ("wrong", "none"):
        answer = answers[name]
        assert (answer.code, answer.retryable) == ("become_failed", False), answer
        assert "password" in answer.hint
    assert rust.sh(f"cat {RAN}/users") == "0"
