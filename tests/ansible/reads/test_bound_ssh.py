"""A plan is held to what says how ssh reaches a host, also where a configuration only leads
to it.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from playrail.ansible.reads.ssh import ssh_files


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / ".ssh" / "config.d").mkdir(parents=True)
    (tmp_path / ".ssh" / "config.d" / "web").write_text(
        "Host web\n  ProxyCommand ~/bin/way %h %p\n"
    )
    (tmp_path / ".ssh" / "config").write_text("Include = config.d/*\n")
    (tmp_path / "bin").mkdir()
    for name in ("bin/way", "bin/wrap", "my ssh.cfg", "ssh.cfg", "known"):
        (tmp_path / name).write_text("")
    return tmp_path


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("", ".ssh/config"),
        ("", ".ssh/config.d/web"),
        ("", "bin/way"),
        ("-o ControlMaster=no -F ./ssh.cfg", "ssh.cfg"),
        ("-Fssh.cfg", "ssh.cfg"),
        ("-F 'ssh.cfg' -4", "ssh.cfg"),
        ('-F "my ssh.cfg"', "my ssh.cfg"),
        ("-F ~/ssh.cfg", "ssh.cfg"),
        ("-o ProxyCommand='./bin/wrap %h'", "bin/wrap"),
        ('-o "ProxyCommand bin/wrap --user root"', "bin/wrap"),
        ("-o KnownHostsCommand=~/bin/wrap", "bin/wrap"),
    ],
)
def test_what_leads_to_a_host_is_found(home: Path, text: str, name: str) -> None:
    assert str(home / name) in ssh_files([text], [], base=home, home=str(home))


def test_what_is_run_in_place_of_ssh_is_found(home: Path) -> None:
    assert str(home / "bin/wrap") in ssh_files([], ["./bin/wrap"], base=home, home=str(home))


def test_a_named_configuration_that_is_not_there_counts_as_well(home: Path) -> None:
    assert str(home / "later.cfg") in ssh_files(["-F later.cfg"], [], base=home, home=str(home))


def test_what_changes_by_itself_is_not(home: Path) -> None:
    found = ssh_files(["-o UserKnownHostsFile=./known"], [], base=home, home=str(home))
    assert str(home / "known") not in found


def test_files_that_include_each_other_end(home: Path) -> None:
    (home / ".ssh" / "config.d" / "web").write_text("Include ~/.ssh/config\nInclude config\n")
    assert str(home / ".ssh/config.d/web") in ssh_files([], [], base=home, home=str(home))


def test_a_home_that_only_the_list_of_users_has(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HOME says another one: a shell goes by that, ssh does not."""
    users = SimpleNamespace(getpwuid=lambda _: SimpleNamespace(pw_dir=str(home)))
    monkeypatch.setattr("playrail.ansible.reads.ssh.pwd", users)
    (home / ".ssh/config").write_text("Include ~/.ssh/config.d/*\n")

    found = ssh_files(["-F ~/ssh.cfg"], [], base=tmp_path, home=str(tmp_path / "elsewhere"))

    assert {
        str(home / name) for name in (".ssh/config.d/web", "bin/way", "ssh.cfg")
    } <= found.keys()
