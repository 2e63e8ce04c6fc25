"""What the environment and .env say, what is refused, and that no secret shows. Cases:
tests/cases/settings/*.yml.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import subprocess
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import SecretStr

from playrail.errors import SettingsInvalid
from playrail.settings.mikrus_server import MikrusServer
from playrail.settings.private_files import private_directory
from playrail.settings.servers import FailedServer
from playrail.settings.settings import Settings
from playrail.settings.ssh_server import SshServer
from worlds.checkout import CASE_FILES

CASES = CASE_FILES / "settings"
CANARY = "CANARY"
GOOD = {"type": "ssh", "host": "good.example"}


def cases(name: str) -> list[Any]:
    loaded: list[Any] = yaml.safe_load((CASES / name).read_text(encoding="utf-8"))
    return loaded


@pytest.fixture
def cwd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    home = tmp_path / "home"
    home.mkdir()
    for name, mode in (("key", 0o600), ("open", 0o644), ("%h", 0o600)):
        # In form
        (home / name).write_text("-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----\n")
        (home / name).chmod(mode)
    return tmp_path


def write_dotenv(cwd: Path, text: str) -> Path:
    path = cwd / ".env"
    path.write_text(text)
    path.chmod(0o644)  # whatever the umask
    return path


def load(cwd: Path, environ: Mapping[str, str] | None = None) -> Settings:
    return Settings.load({"HOME": str(cwd / "home"), **(environ or {})}, dotenv=cwd / ".env")


def plain(value: object) -> object:
    match value:
        case Path():
            return str(value)
        case SecretStr():
            return value.get_secret_value()
        case tuple():
            return [plain(one) for one in value]
        case _:
            return value


def fields(settings: Settings) -> dict[str, object]:
    names = [field.name for field in dataclasses.fields(settings)]
    return {name: plain(getattr(settings, name)) for name in names}


@pytest.mark.parametrize("case", cases("variables.yml"), ids=lambda case: case["name"])
def test_variables(case: Any, cwd: Path) -> None:
    case = json.loads(json.dumps(case).replace("{cwd}", str(cwd)))
    nothing = fields(load(cwd))
    for name, text in case.get("files", {}).items():
        (cwd / name).parent.mkdir(exist_ok=True)
        (cwd / name).write_text(text)
    expected = dict(case.get("expect", {}))
    if "dotenv" in case:
        expected["dotenv"] = str(write_dotenv(cwd, case["dotenv"]))
    cwd.chmod(int(str(case.get("mode", "0o700")), 8))
    if "error" in case:
        with pytest.raises(SettingsInvalid) as caught:
            load(cwd, case.get("environ"))
        assert str(caught.value) == case["error"]
        assert caught.value.__cause__ is None
    else:
        assert fields(load(cwd, case.get("environ"))) == nothing | expected


@pytest.mark.parametrize(
    "case", cases("entries.yml"), ids=lambda case: case.get("fails") or ",".join(case["reads"])
)
def test_entries(case: Any, cwd: Path) -> None:
    case = json.loads(json.dumps(case).replace("{cwd}", str(cwd)))
    name = case.get("server", "web")
    settings = load(cwd, {"MCP_SERVERS": json.dumps({name: case["entry"], "good": GOOD})})
    assert settings.servers["good"] == SshServer(host="good.example")
    assert settings.default_server == name, "the default must not move"
    assert CANARY not in repr(settings)
    if "fails" in case:
        failed = FailedServer(
            kind=case.get("kind", "ssh"), reason=case["fails"], tags=tuple(case.get("tags", ()))
        )
        assert settings.failed_servers == {name: failed}
    else:
        assert settings.failed_servers == {}
        server = settings.servers[name]
        assert {field: plain(getattr(server, field)) for field in case["reads"]} == case["reads"]
        assert CANARY not in f"{server} {server!r} {vars(server)}"


def test_a_secret_does_not_outlive_the_error_that_it_caused(cwd: Path) -> None:
    environ = {"MCP_SERVERS": f'{{"a": "{CANARY}'}
    with pytest.raises(SettingsInvalid) as caught:
        load(cwd, environ)
    assert CANARY not in "".join(traceback.format_exception(caught.value))


def test_mcp_servers_win(cwd: Path) -> None:
    settings = load(
        cwd,
        {
            "MCP_SERVERS": json.dumps({"a": GOOD}),
            "MIKRUS_SERVERS": json.dumps({"b": GOOD}),
            "MIKRUS_API_KEY": CANARY,
            "MIKRUS_SERVER_NAME": "c",
        },
    )
    assert list(settings.servers) == ["a"]


def test_one_mikrus_server(cwd: Path) -> None:
    settings = load(
        cwd,
        {
            "MIKRUS_API_KEY": CANARY,
            "MIKRUS_SERVER_NAME": "srv1",
            "MIKRUS_API_URL": "https://api.example/",
        },
    )
    expected = MikrusServer(key=SecretStr(CANARY), srv="srv1", api_url="https://api.example")
    assert settings.servers == {"srv1": expected}
    assert settings.default_server == "srv1"


@pytest.mark.parametrize("name", ["MCP_DEFAULT_SERVER", "MIKRUS_DEFAULT_SERVER"])
@pytest.mark.parametrize("default", ["good", "bad", "of-the-inventory"])
def test_a_named_default_stays(cwd: Path, name: str, default: str) -> None:
    settings = load(
        cwd, {"MCP_SERVERS": json.dumps({"bad": {"type": "ssh"}, "good": GOOD}), name: default}
    )
    assert settings.default_server == default


def test_servers_from_dotenv_keep_dollars(cwd: Path) -> None:
    write_dotenv(
        cwd, """MCP_SERVERS='{"a": {"type": "ssh", "host": "h", "password": "a${HOME}$b#c"}}'\n"""
    )
    server = load(cwd).servers["a"]
    assert isinstance(server, SshServer)
    assert plain(server.password) == "a${HOME}$b#c"


def test_dotenv_variables_for_ansible_are_secrets(cwd: Path) -> None:
    write_dotenv(
        cwd, f"ANSIBLE_TIMEOUT=5\nTOKEN={CANARY}\nOTHER={CANARY}\nPLAYRAIL_PASS_ENV=TOKEN\n"
    )
    settings = load(cwd)
    assert {name: plain(value) for name, value in settings.from_dotenv.items()} == {
        "ANSIBLE_TIMEOUT": "5",
        "TOKEN": CANARY,
    }
    assert CANARY not in repr(settings)


def test_dotenv_that_is_not_text(cwd: Path) -> None:
    (cwd / ".env").write_bytes(b"A=\xff" + CANARY.encode())
    with pytest.raises(SettingsInvalid) as caught:
        load(cwd)
    assert str(caught.value) == ".env: cannot be read as UTF-8 text (UnicodeDecodeError)"


SWITCH = "ENABLE_WRITE_OPERATIONS=1\nANSIBLE_LIBRARY=/tmp/theirs\n"
ONLY_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")


def refusal(cwd: Path) -> str:
    with pytest.raises(SettingsInvalid) as caught:
        load(cwd)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@ONLY_ROOT
def test_dotenv_of_another_user(cwd: Path) -> None:
    path = write_dotenv(cwd, SWITCH)
    os.chown(path, 12345, -1)
    assert refusal(cwd) == (
        f"{path}: belongs to another user; run `chown 0 {path}` once you have looked at what "
        "it says, or remove "
        "the file"
    )


@ONLY_ROOT
def test_dotenv_of_root_is_good_for_everybody(cwd: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_dotenv(cwd, SWITCH)
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    assert load(cwd).enable_write_operations


@pytest.mark.parametrize("mode", [0o666, 0o620, 0o602])
def test_dotenv_that_others_can_write(cwd: Path, mode: int) -> None:
    path = write_dotenv(cwd, SWITCH)
    path.chmod(mode)
    assert refusal(cwd) == (
        f"{path}: others can write to it; run `chmod go-w {path}` once you have looked at what "
        "it says, or remove "
        "the file"
    )


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o703])
def test_dotenv_in_a_directory_where_everybody_writes(cwd: Path, mode: int) -> None:
    path = write_dotenv(cwd, SWITCH)
    cwd.chmod(mode)
    assert refusal(cwd) == (
        f"{path}: everybody can write to its directory; run `chmod o-w {cwd}`, start Playrail "
        "in another directory, "
        "or remove the file"
    )


def test_dotenv_that_is_a_symlink(cwd: Path) -> None:
    path = write_dotenv(cwd, SWITCH)
    path.rename(cwd / "real")
    path.symlink_to(cwd / "real")
    expected = f"{path}: is a symlink; put the file itself there, or remove it"
    assert refusal(cwd) == expected
    (cwd / "real").unlink()
    assert refusal(cwd) == expected


@pytest.mark.parametrize("kind", ["directory", "pipe"])
def test_dotenv_that_is_no_file(cwd: Path, kind: str) -> None:
    path = cwd / ".env"
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.mkdir()
    assert refusal(cwd) == f"{path}: is not a regular file; put one there, or remove the file"


def test_which_dotenv_was_read(cwd: Path) -> None:
    assert load(cwd).dotenv is None
    write_dotenv(cwd, "LOG_LEVEL=INFO")
    assert load(cwd).dotenv == cwd / ".env"
    assert Settings.load({"HOME": str(cwd / "home")}, dotenv=Path(".env")).dotenv == cwd / ".env"


@ONLY_ROOT
def test_ansible_cfg_of_another_user(cwd: Path) -> None:
    path = cwd / "ansible.cfg"
    path.touch(mode=0o644)
    os.chown(path, 12345, -1)
    assert refusal(cwd) == (
        f"{path}: belongs to another user; remove it, or if you trust it set ANSIBLE_CONFIG={path}"
    )
    assert load(cwd, {"ANSIBLE_CONFIG": str(path)}).ansible_config == path


def test_ansible_cfg_that_everybody_can_write(cwd: Path) -> None:
    path = cwd / "ansible.cfg"
    path.touch()
    path.chmod(0o666)
    assert refusal(cwd) == (
        f"{path}: everybody can write to it; run `chmod o-w {path}`, remove it, or if you "
        "trust it set "
        f"ANSIBLE_CONFIG={path}"
    )


def test_ansible_cfg_of_a_group_is_good(cwd: Path) -> None:
    path = cwd / "ansible.cfg"
    path.touch()
    path.chmod(0o664)  # what git makes where the umask is 002
    assert load(cwd).ansible_config == path


def test_the_mark_of_a_run_is_no_setting(cwd: Path) -> None:
    assert fields(load(cwd, {"PLAYRAIL_RUN": "20261120-223828-e49eac9f"})) == fields(load(cwd))


def test_host_keys_unchecked_are_warned_about(cwd: Path, caplog: pytest.LogCaptureFixture) -> None:
    entries = {
        "a": GOOD,
        "b": {**GOOD, "verify_host_key": False},
        "c": {"type": "ssh", "password": CANARY},
    }
    with caplog.at_level(logging.WARNING):
        load(cwd, {"MCP_SERVERS": json.dumps(entries)})
    of_b, of_c = (record.getMessage() for record in caplog.records)
    assert of_b.startswith("b: its host key is not verified. Run `ssh-keyscan")
    assert of_c == "server 'c' cannot be used: host: is required."


def test_loading_makes_no_directory(cwd: Path) -> None:
    settings = load(cwd, {"PLAYRAIL_STATE_DIR": "state", "PLAYRAIL_RUNTIME_DIR": "run"})
    assert not settings.state_dir.exists()
    assert not settings.runtime_dir.exists()


def test_private_directory_is_made_with_private_parents(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b"
    assert private_directory(path) == path
    assert private_directory(path) == path
    assert [oct(one.stat().st_mode & 0o777) for one in (path.parent, path)] == ["0o700", "0o700"]


def test_private_directory_refuses_what_is_not_private(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir(mode=0o750)
    (tmp_path / "file").touch()
    (tmp_path / "mine").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "mine")
    (tmp_path / "dangling").symlink_to(tmp_path / "gone")
    said = {}
    for name in ("open", "file", "link", "dangling", "file/below"):
        with pytest.raises(SettingsInvalid) as caught:
            private_directory(tmp_path / name)
        said[name] = str(caught.value).removeprefix(f"{tmp_path / name}: ")
    assert said == {
        "open": "others can enter it; its mode must be 0700",
        "file": "cannot be made a private directory (File exists)",
        "link": "is not a directory (a symlink to one is not accepted)",
        "dangling": "cannot be made a private directory (File exists)",
        "file/below": "cannot be made a private directory (File exists)",
    }


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_private_directory_refuses_another_owner(tmp_path: Path) -> None:
    path = tmp_path / "theirs"
    path.mkdir(mode=0o700)
    os.chown(path, 12345, -1)
    with pytest.raises(SettingsInvalid, match="belongs to another user"):
        private_directory(path)


def test_a_user_of_a_domain_is_one_for_ssh_too(cwd: Path) -> None:
    settings = load(cwd, {"MCP_SERVERS": json.dumps({"web": {**GOOD, "user": "DOM\\jane.doe"}})})
    server = settings.servers["web"]
    assert isinstance(server, SshServer)
    # As Ansible's plugin hands it to ssh.
    told = subprocess.run(
        ["ssh", "-G", "-F", os.devnull, "-o", f'User="{server.user}"', "h"],
        capture_output=True,
        check=True,
    )
    assert "user DOM\\jane.doe" in told.stdout.decode().splitlines()
