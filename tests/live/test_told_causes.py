"""Why a server could not be worked on: the same cause is told alike, whichever way the play
was started.

What ssh, sudo or the login said stands in the error; whether the command ran is asked of
the host itself.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from playrail.settings.private_files import private_directory

from .causes import BANNER, CAUSES, PASSWORD, RAN, SUDO, Cause, calling, user_of, variables
from .own_host import OwnHost, own_host

# The first test waits for a host with many users.
pytestmark = [pytest.mark.lab, pytest.mark.own_host, pytest.mark.over_ssh, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def host(host: OwnHost) -> OwnHost:
    host.install("locales", "fish", "csh")
    host.sh("localedef -i pl_PL -f UTF-8 pl_PL.UTF-8")
    host.sh(f"install -d -m 1777 {RAN}; echo root:{PASSWORD} | chpasswd")
    for cause in CAUSES:
        user = user_of(cause)
        setup = cause.setup.replace("{user}", user)
        host.sh(
            f"useradd -m -s /bin/bash {user}; echo {user}:{PASSWORD} | chpasswd; cp -r "
            f"/root/.ssh ~{user}/; "
            f"chown -R {user} ~{user}; {setup or ':'}; chown -R {user} ~{user}; chmod -f 440 "
            "/etc/sudoers.d/* || :"
        )
    return host


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
) -> Iterator[Any]:
    every = {cause.name: variables(cause, host, keys) for cause in CAUSES}
    with calling(
        request.param, every, private_directory(tmp_path_factory.mktemp("causes") / "place")
    ) as made:
        yield made


def look(call: Any, host: OwnHost, cause: Cause) -> None:
    host.sh(f"rm -f {RAN}/*")
    answer = call("execute_command", server=cause.name, cmd=f"touch {RAN}/{cause.name}")
    assert answer.code == cause.code, answer
    assert cause.says.format(address=host.address).lower() in answer.error.lower(), answer
    assert cause.hint in answer.hint, answer
    assert answer.retryable is cause.retryable, answer
    assert PASSWORD not in answer.text
    assert "PLAYRAIL-BEGUN" not in answer.text
    assert host.sh(f"ls {RAN}") == (cause.name if cause.ran else "")


@pytest.mark.parametrize("cause", CAUSES, ids=lambda cause: cause.name)
def test_a_cause_is_told_by_its_own_words(call: Any, host: OwnHost, cause: Cause) -> None:
    look(call, host, cause)


def test_a_module_that_was_killed_may_have_done_its_work(call: Any, host: OwnHost) -> None:
    host.sh(f"rm -f {RAN}/*")
    answer = call(
        "execute_command", server="plain", cmd=f"touch {RAN}/killed; kill -9 $PPID", shell=True
    )
    assert host.sh(f"ls {RAN}") == "killed"
    assert (answer.code, answer.retryable) == ("outcome_unknown", False), answer
    assert "137" in answer.error


@pytest.mark.parametrize("server", ["plain", "json_files", "sudo"])
def test_a_connection_that_breaks_at_work_is_told_and_nothing_runs_twice(
    call: Any, host: OwnHost, server: str
) -> None:
    user = server.replace("_", "-")
    script = f"echo run >>{RAN}/count; sudo -n /usr/bin/pkill -9 -f '^sshd: u-{user}'"
    host.sh(f"rm -f {RAN}/*; cat >/srv/break <<'END'\n{script}\nEND")
    host.sh(
        f"echo 'u-{user} ALL=(ALL) NOPASSWD: /usr/bin/pkill' >/etc/sudoers.d/pkill; chmod 440 "
        "/etc/sudoers.d/pkill"
    )
    answer = call(
        "execute_command", server=server, cmd="setsid -w sh /srv/break; sleep 3", shell=True
    )
    assert (answer.code, answer.retryable) == ("outcome_unknown", False), answer
    assert "connection" in answer.error
    assert host.sh(f"cat {RAN}/count") == "run"


@pytest.mark.parametrize("server", ["json_first", "json_last", "json_files", "json_sudo"])
def test_what_a_login_prints_hides_no_change_and_shows_no_content(
    call: Any, host: OwnHost, server: str
) -> None:
    path = f"{RAN}/{server}-file"
    written = call("write_file", server=server, path=path, content="only-for-who-asks\n")
    assert written.code == "ok", written
    assert host.sh(f"cat {path}") == "only-for-who-asks"
    assert f'"changed": ["{server}"]' in written.text
    read = call("read_file", server=server, path=path)
    assert read.code == "ok", read
    assert "only-for-who-asks" in read.text


@pytest.fixture
def banner(host: OwnHost) -> Iterator[None]:
    """Everybody who connects is shown what looks like ssh's own failures, and there is no
    way around it.
    """
    host.sh(
        f"printf '{BANNER}' >/etc/banner; echo 'Banner /etc/banner' "
        ">/etc/ssh/sshd_config.d/banner.conf"
    )
    host.sh("systemctl reload ssh")
    yield
    host.sh("rm /etc/ssh/sshd_config.d/banner.conf; systemctl reload ssh")


@pytest.mark.usefixtures("banner")
@pytest.mark.parametrize(
    "name", ["strange", "expired", "aged", "no_login", "wrong_sudo", "no_python", "plain"]
)
def test_a_banner_is_no_reason(call: Any, host: OwnHost, name: str) -> None:
    look(call, host, next(cause for cause in CAUSES if cause.name == name))


def test_a_full_disk_is_told(call: Any, host: OwnHost) -> None:
    host.sh("mkdir -p /srv/tiny; mount -t tmpfs -o size=64k,mode=1777 tiny /srv/tiny")
    try:
        answer = call("write_file", server="plain", path="/srv/tiny/big", content="x" * 100_000)
        assert answer.code == "disk_full", answer
    finally:
        host.sh("umount -l /srv/tiny")


@pytest.fixture(scope="module")
def rust(hosts: Mapping[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnHost]:
    """A host whose sudo is sudo-rs, which writes words of its own in front of a prompt."""
    with own_host(hosts, tmp_path_factory.mktemp("rust"), image="playrail-lab:trixie") as made:
        made.install("sudo-rs")
        made.sh(
            f"useradd -m -s /bin/bash rusty; echo rusty:{PASSWORD} | chpasswd; install -d -m "
            f"1777 {RAN}"
        )
        made.sh("cp -r /root/.ssh ~rusty/; chown -R rusty ~rusty")
        made.sh(
            "echo 'rusty ALL=(ALL:ALL) ALL' >/etc/sudoers.d/rusty; chmod 440 /etc/sudoers.d/rusty"
        )
        yield made


@pytest.mark.parametrize("way", ["cold", "warm"])
def test_sudo_in_rust(way: str, rust: OwnHost, tmp_path: Path) -> None:
    given = {
        "ansible_host": rust.address,
        "ansible_user": "rusty",
        "ansible_ssh_private_key_file": rust.key,
        "ansible_ssh_common_args": f"-o UserKnownHostsFile={rust.known_hosts}",
        "ansible_become_exe": "/usr/bin/sudo-rs",
    }
    every = {
        "right": {**given, **SUDO},
        "wrong": {**given, **SUDO, "ansible_become_password": "wrong"},
        "none": {**given, "ansible_become": True},
    }
    with calling(way, every, private_directory(tmp_path / "place")) as call:
        right = call("execute_command", server="right", cmd="id -u")
        assert (right.code, '"stdout": "0' in right.text) == ("ok", True), right
        for name in ("wrong", "none"):
            answer = call("execute_command", server=name, cmd=f"touch {RAN}/{name}")
            assert (answer.code, answer.retryable) == ("become_failed", False), answer
            assert "password" in answer.hint
        assert rust.sh(f"ls {RAN}") == ""
