"""What the host module package_state sees of package managers and what they installed."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

from worlds.host_modules import MODULES, SHARED, loaded, module_answer

PACKAGE_STATE = MODULES / "package_state.py"
on_debian = pytest.mark.skipif(
    shutil.which("dpkg-query") is None, reason="needs Debian's package manager"
)


@pytest.fixture(scope="module")
def host() -> ModuleType:
    """The host module's functions."""
    return loaded(PACKAGE_STATE)


@dataclass
class Machine:
    """Stands for AnsibleModule on a host with these programs and what they print."""

    programs: Mapping[str, str]

    def get_bin_path(self, name: str) -> str | None:
        return f"/usr/bin/{name}" if name in self.programs else None

    def run_command(self, argv: Sequence[str]) -> tuple[int, str, str]:
        printed = self.programs.get(argv[0].rpartition("/")[2])
        return (0, printed, "") if printed is not None else (1, "", "not found")


@pytest.mark.parametrize(
    ("release", "programs", "manager"),
    [
        ({"ID": "debian"}, ["apt-get", "dnf"], "apt"),
        ({"ID": "linuxmint", "ID_LIKE": "ubuntu debian"}, ["apt-get"], "apt"),
        ({"ID": "fedora"}, ["dnf", "dnf5", "apt-get"], "dnf5"),
        ({"ID": "almalinux", "ID_LIKE": "rhel centos fedora"}, ["dnf", "yum"], "dnf"),
        ({"ID": "opensuse-leap", "ID_LIKE": "suse opensuse"}, ["zypper"], "zypper"),
        ({"ID": "alpine"}, ["apk"], "apk"),
        ({"ID": "arch"}, ["pacman"], "pacman"),
        ({"ID": "centos"}, ["yum"], None),
        ({"ID": "nixos"}, ["apt-get"], None),
        ({}, ["apt-get"], None),
    ],
)
def test_the_package_manager(
    host: ModuleType, release: dict[str, str], programs: list[str], manager: str | None
) -> None:
    assert host.manager_of(Machine(dict.fromkeys(programs, "")), release) == manager


@pytest.mark.parametrize(
    ("manager", "program", "printed", "version"),
    [
        ("apt", "dpkg-query", "installed 1.6-2.1\n", "1.6-2.1"),
        ("apt", "dpkg-query", "config-files 1.6\n", None),
        ("apt", "dpkg-query", "half-configured 1.6\n", "1.6"),
        ("apt", "dpkg-query", "not-installed \n", None),
        ("dnf", "rpm", "0:1.6-9.el9\n", "1.6-9.el9"),
        ("dnf5", "rpm", "0:5.14.0-1\n0:5.14.0-2\n", "5.14.0-2"),
        ("zypper", "rpm", "2:1.0-1\n", "2:1.0-1"),
        ("apk", "apk", "jq-1.7-r1\n", "1.7-r1"),
        ("pacman", "pacman", "jq 1.7-2\n", "1.7-2"),
    ],
)
def test_an_installed_version(
    host: ModuleType, manager: str, program: str, printed: str, version: str | None
) -> None:
    assert host.VERSION[manager](Machine({program: printed}), "jq") == version
    assert host.VERSION[manager](Machine({}), "jq") is None


@pytest.mark.parametrize(
    ("manager", "program", "printed", "found"),
    [
        (
            "apt",
            "dpkg-query",
            "installed|exim4|mta (= 1), vim\nconfig-files|nvi|vim\ninstalled|x|\n",
            ["exim4"],
        ),
        ("apt", "dpkg-query", "installed|vim-nox|editor, vim-x\n", []),
        ("dnf", "rpm", "vim-enhanced\nvim-enhanced\n", ["vim-enhanced"]),
        ("zypper", "rpm", "", []),
        ("pacman", "pacman", "gvim 9.1-1\n", ["gvim"]),
        ("apk", "apk", "gvim-9.1\n", []),
    ],
)
def test_who_provides_a_name(
    host: ModuleType, manager: str, program: str, printed: str, found: list[str]
) -> None:
    assert host.providers(Machine({program: printed}), manager, ["vim"]) == {"vim": found}
    assert host.VERSION["pacman"](Machine({"pacman": "gvim 9.1-1\n"}), "vim") is None


def test_a_system_that_is_an_image_has_no_package_manager(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    managers = loaded(SHARED / "package_managers.py")
    monkeypatch.setattr(managers, "OSTREE", str(tmp_path / "booted"))
    assert managers.manager_of(Machine({"dnf": ""}), {"ID": "fedora"}) == "dnf"
    (tmp_path / "booted").touch()
    assert managers.manager_of(Machine({"dnf": ""}), {"ID": "fedora"}) is None


@dataclass
class Refusing(Machine):
    """Keeps what the module says when it fails."""

    said: str = ""

    def fail_json(self, *, msg: str, playrail_code: str) -> None:
        assert playrail_code == "essential_package"
        self.said = msg


@pytest.mark.parametrize(
    ("manager", "name", "would", "refused"),
    [
        ("apt", "libssl3", "Remv openssh-server [1:9.2] \nRemv libssl3 [3.0] []\n", True),
        ("apt", "libssl3", "Remv sudo:amd64 [1.9]\n", True),
        ("apt", "jq", "Remv jq [1.6]\n", False),
        ("dnf", "openssh-server", "", True),
        # Dnf is not asked what goes along, and protects itself and systemd
        ("dnf", "openssl-libs", "", False),
    ],
)
def test_what_would_go_along(
    host: ModuleType, manager: str, name: str, would: str, refused: bool
) -> None:
    machine = Refusing({"apt-get": would, "dpkg-query": ""})
    host.refuse_removal(machine, manager, [name])
    assert bool(machine.said) is refused


@on_debian
def test_a_look_at_this_machine() -> None:
    answer = module_answer(
        [str(PACKAGE_STATE)], {"names": ["dpkg", "no-such-package"]}, timeout_s=60
    )
    assert answer["manager"] == "apt"
    assert answer["versions"]["dpkg"][0].isdigit()
    assert answer["architecture"].isalnum()
    assert answer["versions"]["no-such-package"] is None
    assert answer["providers"] == {"no-such-package": []}
    assert answer["changed"] is False


@pytest.mark.slow
@on_debian
def test_what_the_machine_needs_is_not_removed() -> None:
    answer = module_answer([str(PACKAGE_STATE)], {"names": ["dpkg"], "removal": True}, timeout_s=60)
    assert (answer["failed"], answer["playrail_code"]) == (True, "essential_package")
    assert "dpkg" in answer["msg"]
