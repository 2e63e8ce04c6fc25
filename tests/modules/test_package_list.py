"""What the host module package_list makes of what package managers say. Those of apt, dnf 4,
zypper and rpm were heard, on Debian; those of apk, pacman and dnf 5 are as their documentation
has them, for none was at hand.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from worlds.host_modules import MODULES, SHARED, loaded, module_answer

PACKAGE_LIST = MODULES / "package_list.py"
on_debian = pytest.mark.skipif(
    shutil.which("dpkg-query") is None, reason="needs Debian's package manager"
)
UPDATE = '<update kind="{kind}" name="{name}" edition="{edition}" arch="noarch">'
Printed = str | tuple[int, str]


@dataclass
class Machine:
    """Stands for AnsibleModule where these programs print this, by words of their lines."""

    programs: Mapping[str, Printed]
    tmpdir: str = "/nowhere"

    def get_bin_path(self, name: str) -> str | None:
        return f"/usr/bin/{name}"

    def run_command(self, argv: Sequence[str], **_: Any) -> tuple[int, str, str]:
        line = " ".join(argv).removeprefix("/usr/bin/")
        for words, printed in self.programs.items():
            if all(word in line for word in words.split()):
                status, text = printed if isinstance(printed, tuple) else (0, printed)
                return (status, text, "") if status == 0 else (status, "", text)
        return 1, "", "not found"


@pytest.fixture(scope="module")
def there() -> ModuleType:
    return loaded(SHARED / "installed_packages.py")


@pytest.fixture(scope="module")
def newer() -> ModuleType:
    return loaded(SHARED / "package_upgrades.py")


@pytest.fixture(scope="module")
def facts() -> ModuleType:
    return loaded(SHARED / "package_facts.py")


@pytest.mark.parametrize(
    ("manager", "programs", "found"),
    [
        (
            "apt",
            {
                "dpkg --print": "amd64\n",
                "dpkg-query": (
                    "install\tinstalled\tjq\t1.6-2\ninstall\tinstalled\tlibc6:amd64\t2.36\n"
                    "install\tinstalled\tlibc6:i386\t2.36\ndeinstall\tconfig-files\told\t1\n"
                ),
            },
            {"jq": "1.6-2", "libc6": "2.36", "libc6:i386": "2.36"},
        ),
        (
            "dnf",
            {"rpm": "k\t0:1-1\tx\nk\t0:2-1\tx\ndemo\t1:1.0-1\tnoarch\ngpg-pubkey\t0:a-b\t(none)\n"},
            {"demo": "1:1.0-1", "k": "1-1, 2-1"},
        ),
        ("pacman", {"pacman -Q": "jq 1.7-2\n"}, {"jq": "1.7-2"}),
        ("pacman", {}, None),
    ],
)
def test_what_is_installed(
    there: ModuleType, manager: str, programs: Mapping[str, str], found: dict[str, str] | None
) -> None:
    assert there.installed(Machine(programs), manager) == found


def test_what_apk_has_installed(
    there: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "installed").write_text(
        "C:Q1x=\nP:musl\nV:1.2.5-r0\nA:x86_64\nF:lib\nR:ld.so\n\nP:busybox\nV:1.36.1-r29\n\n"
    )
    monkeypatch.setattr(there, "APK_RECORDS", (str(tmp_path / "no"), str(tmp_path / "installed")))
    assert there.installed(Machine({}), "apk") == {"musl": "1.2.5-r0", "busybox": "1.36.1-r29"}


@pytest.mark.parametrize(
    ("manager", "programs", "found", "security", "why"),
    [
        (
            "apt",
            {
                "apt-get": (
                    "Inst libssl3 [3.0.11-1] (3.0.13-1 Debian:12.5/stable, "
                    "Debian-Security:12/stable-security [amd64])\n"
                    "Inst jq:i386 [1.6-2] (1.6-3 Debian:12.5/stable [i386]) []\n"
                    "Inst fresh (1.0 Debian:12.5/stable [amd64])\n"
                    "Conf jq (1.6-3 Debian:12.5/stable [amd64])\n"
                )
            },
            {"libssl3": "3.0.13-1", "jq:i386": "1.6-3"},
            {"libssl3"},
            None,
        ),
        (
            "dnf",
            {
                "dnf repoquery --security": "demo\t1:1.1-1\n",
                "dnf repoquery": "demo\t1:1.1-1\nlib-two\t1.1-1\n",
            },
            {"demo": "1:1.1-1", "lib-two": "1.1-1"},
            {"demo"},
            None,
        ),
        (
            "zypper",
            {
                "list-updates": UPDATE.format(kind="package", name="demo", edition="1:1.1-1"),
                "list-patches": UPDATE.format(kind="patch", name="DSA-1", edition="1.0"),
            },
            {"demo": "1:1.1-1"},
            set(),
            "zypper tells security by patches: 1 are needed",
        ),
        (
            "apk",
            {
                "apk --no-network": (
                    "musl-utils-1.2.5-r1 x86_64 {musl} (MIT) [upgradable from: musl-1.2.5-r0]\n"
                )
            },
            {"musl-utils": "1.2.5-r1"},
            set(),
            "apk does not tell which upgrades are for security",
        ),
        (
            "pacman",
            {"pacman -Qu": "jq 1.7-1 -> 1.7-2 [ignored]\n"},
            {"jq": "1.7-2"},
            set(),
            "pacman does not tell which upgrades are for security",
        ),
        (
            "pacman",
            {"pacman -Qu": (1, "")},
            {},
            set(),
            "pacman does not tell which upgrades are for security",
        ),
    ],
)
def test_what_could_be_upgraded(
    newer: ModuleType,
    manager: str,
    programs: Mapping[str, Printed],
    found: dict[str, str],
    security: set[str],
    why: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "1-updateinfo.xml.gz").touch()
    monkeypatch.setitem(newer.ADVISORIES, "dnf", f"{tmp_path}/*updateinfo*")
    assert newer.upgrades(Machine(programs), manager) == (found, security, why)


def test_without_advisories_dnf_knows_no_upgrade_for_security(
    newer: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(newer.ADVISORIES, "dnf", "/nowhere/*")
    programs = {"dnf repoquery --security": "", "dnf repoquery": "demo\t1.1-1\n"}
    found, security, why = newer.upgrades(Machine(programs), "dnf")
    assert (found, security) == ({"demo": "1.1-1"}, set())
    assert why == "no repository of this host tells which upgrades are for security"


@pytest.mark.parametrize("manager", ["apt", "dnf", "zypper", "apk", "pacman"])
def test_a_manager_that_fails_is_no_manager_without_upgrades(
    newer: ModuleType, manager: str
) -> None:
    with pytest.raises(newer.Unknown, match="broken"):
        newer.upgrades(Machine({manager: (1, "E: it is broken\n")}), manager)


@pytest.mark.parametrize(
    ("manager", "programs", "version"),
    [
        (
            "apt",
            {"apt-cache policy -- jq": "jq:\n  Installed: (none)\n  Candidate: 1.6-2.1\n"},
            "1.6-2.1",
        ),
        ("apt", {"apt-cache policy": "jq:\n  Installed: (none)\n  Candidate: (none)\n"}, None),
        ("apt", {"apt-cache policy": ""}, None),
        ("dnf", {"dnf repoquery -- jq": "jq\t1.6-9.el9\n"}, "1.6-9.el9"),
        ("dnf5", {"dnf5 repoquery": ""}, None),
        (
            "zypper",
            {
                "zypper search": (
                    '<solvable status="other" name="jq" kind="package" edition="1.7-1"/>\n'
                    '<solvable status="other" name="jq" kind="package" edition="1.6-1"/>'
                )
            },
            "1.7-1",
        ),
        ("apk", {"apk list -- jq": "jq-1.7.1-r0 x86_64 {jq} (MIT)\n"}, "1.7.1-r0"),
        (
            "pacman",
            {"pacman -Si -- jq": "Name            : jq\nVersion         : 1.7-2\n"},
            "1.7-2",
        ),
    ],
)
def test_a_package_that_is_not_installed(
    newer: ModuleType, manager: str, programs: Mapping[str, Printed], version: str | None
) -> None:
    assert newer.candidate(Machine(programs), manager, "jq") == version


def test_no_cache_of_apt_is_written(
    newer: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, source = tmp_path / "pkgcache.bin", tmp_path / "status"
    source.touch()
    monkeypatch.setattr(newer, "APT_CACHE", str(cache))
    monkeypatch.setattr(newer, "APT_SOURCES", (str(source), str(tmp_path / "none")))
    without = ("--option=Dir::Cache::pkgcache=", "--option=Dir::Cache::srcpkgcache=")
    assert newer.apt_options() == without
    cache.touch()
    os.utime(source, (1, 1))
    assert newer.apt_options() == ()
    os.utime(cache, (0, 0))
    assert newer.apt_options() == without


def test_when_lists_were_fetched(
    newer: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(newer.LISTS, "apt", (f"{tmp_path}/*_Packages",))
    monkeypatch.setitem(newer.FETCHED, "apt", (str(tmp_path),))
    monkeypatch.setitem(newer.LISTS, "dnf", (f"{tmp_path}/*_Packages",))
    assert newer.lists_from("apt") is None
    (tmp_path / "a_Packages").touch()
    os.utime(tmp_path / "a_Packages", (1000, 1000))
    os.utime(tmp_path, (2000, 2000))
    assert (newer.lists_from("apt"), newer.lists_from("dnf")) == (2000.0, 1000.0)


def test_lists_that_are_replaced_meanwhile(
    newer: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "there").touch()
    os.utime(tmp_path / "there", (1000, 1000))
    found = ["/no/such/list", str(tmp_path / "there")]
    monkeypatch.setattr(newer.glob, "glob", lambda _pattern: found)
    assert newer.lists_from("dnf") == 1000
    monkeypatch.setattr(newer.glob, "glob", lambda _pattern: found[:1])
    assert newer.lists_from("dnf") is None


def test_lists_are_looked_for_at_whole_paths(newer: ModuleType) -> None:
    paths = [path for paths in newer.LISTS.values() for path in paths]
    assert [path for path in paths if not path.startswith(("/var/", "/etc/"))] == []


@pytest.mark.parametrize(
    ("manager", "text", "found"),
    [
        ("dnf", "# nginx-0:1.20.1-1.el9.*\nnginx-1:1.20.1-1.el9.x86_64\n", {"nginx"}),
        ("dnf5", '[[packages]]\nname = "nginx"\ncomment = "x"\n', {"nginx"}),
        ("zypper", "type: package\nmatch_type: glob\nsolvable_name: nginx\n", {"nginx"}),
        ("apk", "alpine-base\nnginx=1.26.2-r0\nedge@testing\n", {"nginx"}),
        ("pacman", "[options]\nIgnorePkg = linux nginx\n#IgnorePkg = x\n", {"linux", "nginx"}),
        ("pacman", "IgnorePkg = kernel-* gone-*\n", {"kernel-core"}),
    ],
)
def test_what_is_on_hold(
    facts: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    manager: str,
    text: str,
    found: set[str],
) -> None:
    _, pattern = facts.LOCKS[manager]
    monkeypatch.setitem(facts.LOCKS, manager, (str(tmp_path / "locks"), pattern))
    monkeypatch.setattr(facts, "EXCLUDED", (str(tmp_path / "dnf.conf"), facts.EXCLUDED[1]))
    there = ["kernel", "kernel-core", "nginx"]
    assert facts.held(Machine({}), manager, there) == set()
    (tmp_path / "locks").write_text(text)
    assert facts.held(Machine({}), manager, there) == found
    (tmp_path / "dnf.conf").write_text("[main]\nexcludepkgs = kernel*, own\n# exclude=no\n")
    more = {"kernel", "kernel-core", "own"} if manager in ("dnf", "dnf5") else set()
    assert facts.held(Machine({}), manager, there) == found | more


def test_a_package_of_another_architecture_is_held_alone(facts: ModuleType) -> None:
    lines = "install\tinstalled\tlibc6:amd64\t2\nhold\tinstalled\tlibc6:i386\t2\n"
    lines += "hold\tinstalled\tzlib1g:amd64\t1\n"
    machine = Machine({"--print-architecture": "amd64\n", "dpkg-query": lines})
    assert facts.held(machine, "apt", []) == {"libc6:i386", "zlib1g"}


@pytest.mark.parametrize(
    ("manager", "programs", "owner"),
    [
        (
            "apt",
            {
                "--print-architecture": "amd64\n",
                "-- /usr/bin/x": (1, "no path"),
                "-- /bin/x": "tools:amd64, tools:i386: /bin/x\n",
            },
            ["tools", "tools:i386"],
        ),
        (
            "apt",
            {"-- /usr/bin/x": "diversion by a from: /usr/bin/x\nb, c: /usr/bin/x\n"},
            ["b", "c"],
        ),
        ("dnf", {"rpm -- /usr/bin/x": "tools\n"}, ["tools"]),
        ("apk", {"apk -- /usr/bin/x": "/usr/bin/x is owned by my-tools-1.2-r3\n"}, ["my-tools"]),
        ("pacman", {"pacman -- /usr/bin/x": "tools\n"}, ["tools"]),
        ("dnf", {}, []),
    ],
)
def test_who_owns_a_file(
    facts: ModuleType, manager: str, programs: Mapping[str, Printed], owner: list[str]
) -> None:
    assert facts.owners(Machine(programs), manager, "/usr/bin/x") == owner


@on_debian
def test_this_machine() -> None:
    answer = module_answer([str(PACKAGE_LIST)], {"name": "dpkg", "limit": 2}, timeout_s=60)
    form = "--showformat=${Version}"
    version = subprocess.run(
        ["dpkg-query", "--show", form, "dpkg"], capture_output=True, text=True, check=True
    ).stdout
    assert (answer["packages"][0]["name"], answer["packages"][0]["version"]) == ("dpkg", version)
    assert answer["manager"] == "apt"
    assert answer["installed_total"] >= answer["total"] > 1


@on_debian
@pytest.mark.parametrize("path", ["/usr/bin/dpkg", "/bin/dpkg", "/no/such[file]*"])
def test_the_owner_of_a_file_here(path: str) -> None:
    answer = module_answer([str(PACKAGE_LIST)], {"owner_of": path}, timeout_s=60)
    names = [one["name"] for one in answer["packages"]]
    assert names == (["dpkg"] if path.endswith("dpkg") else [])
