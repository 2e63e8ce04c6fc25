"""The rules of protected places: which names they match, and that no link leads around
them.
"""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from worlds.host_modules import MODULES, SHARED, loaded, module_answer
from worlds.meanwhile import answer_when

pytestmark = pytest.mark.slow

as_root = pytest.mark.skipif(
    os.geteuid() != 0, reason="needs files that only root can make or read"
)


places = loaded(SHARED / "places.py")


def run(module: str, path: Path | str, **arguments: Any) -> dict[str, Any]:
    """What the module answers; those that change in check mode."""
    more: dict[str, Any] = {
        "write_file": {"content": "x", "_ansible_check_mode": True},
        "remove_file": {"_ansible_check_mode": True},
        "search_text": {"pattern": "x"},
    }
    given = {"path": str(path), **more.get(module, {}), **arguments}
    return module_answer([str(MODULES / f"{module}.py")], given, timeout_s=30)


def refused(module: str, path: Path | str, **arguments: Any) -> bool:
    return run(module, path, **arguments).get("playrail_code") == "protected_path"


@pytest.fixture
def inside_etc() -> Iterator[Path]:
    """A path of its own on the file system of /etc, which only root can use."""
    path = Path(f"/etc/playrail-test-{os.getpid()}")
    yield path
    path.unlink(missing_ok=True)


SECRET = [
    "/etc/shadow",
    "/etc/shadow-",
    "/etc//shadow",
    "/etc/./shadow",
    "/etc/gshadow-",
    "/etc/sudoers",
    "/etc/sudoers.d/admins",
    "/proc/self/root/etc/shadow",
    "/root/.ssh/id_ed25519",
    "/root/.ssh/id_rsa.old",
    "/home/someone/.ssh/id_rsa",
    "/var/lib/deploy/.ssh/id_work",
    "/etc/ssh/ssh_host_ed25519_key",
    "/etc/ssl/private/site.key",
    "/etc/letsencrypt/live/example.org/privkey.pem",
    "/etc/letsencrypt/archive/example.org/privkey1.pem",
    "/etc/wireguard/wg0.conf",
    "/etc/security/opasswd.old",
    "/var/backups/shadow.bak",
    "/var/backups/gshadow",
    "/etc/ipsec.secrets",
    "/etc/shadow.bak",
    "/etc/gshadow~",
    "/etc/.shadow.swp",
    "/etc/#shadow#",
    "/etc/shadow.4711.2026-11-21@01:05:39~",
    "/etc/sudoers.dpkg-old",
    "/etc/sudoers.d.old/admins",
    "/root/.ssh/.id_rsa.swp",
    "/root/.netrc",
    "/home/someone/.pgpass",
    "/home/someone/.my.cnf",
    "/home/someone/.aws/credentials",
    "/home/someone/.docker/config.json",
    "/home/someone/.kube/config.old",
    "/proc/self/environ",
    "/root/.ssh/deploy.key",
    "/home/someone/.ssh/github_key",
    "/home/someone/.ssh/aws.pem",
]
PUBLIC = [
    "/etc/ssh/ssh_host_none_key.pub",
    "/home/someone/.ssh/id_rsa.pub",
    "/etc/shadow2",
    "/srv/etc/shadow",
    "/root/.ssh/known_hosts",
    "/root/ssh/id_rsa",
    "/root/.ssh/deploy_key.pub",
    "/etc/letsencrypt/live/example.org/fullchain.pem",
    "/etc/ssl/certs/site.pem",
    "/var/backups/passwd.bak",
]
NOT_WRITTEN = [
    *SECRET,
    "/etc/passwd",
    "/etc//group",
    "/etc/sudoers.d/new",
    "/root/.ssh/authorized_keys",
    "/home/someone/.ssh/authorized_keys2",
    "/etc/ssh/sshd_config",
    "/etc/ssh/sshd_config.d/new.conf",
    "/boot/grub/grub.cfg",
    "/sys/power/state",
    "/proc/sysrq-trigger",
    "/dev/sda",
    "/dev/shm/x",
]
WRITTEN = [
    "/etc/passwd.new",
    "/etc/ssh/ssh_config",
    "/etc/groups",
    "/srv/authorized_keys",
    "/bootstrap",
]


@pytest.mark.parametrize("path", SECRET)
@pytest.mark.parametrize("module", ["read_part", "search_text"])
def test_secrets_are_refused_whether_they_exist_or_not(module: str, path: str) -> None:
    assert refused(module, path)


@pytest.mark.parametrize("path", PUBLIC)
def test_neighbours_of_secrets_are_not_refused(path: str) -> None:
    assert run("read_part", path).get("playrail_code") in (None, "not_found")


@pytest.mark.parametrize("path", NOT_WRITTEN)
def test_protected_places_are_not_written(path: str) -> None:
    assert refused("write_file", path)


@pytest.mark.parametrize("path", WRITTEN)
def test_neighbours_of_protected_places_may_be_written(path: str) -> None:
    assert run("write_file", path).get("playrail_code") in (None, "not_found", "permission_denied")


@pytest.mark.parametrize(
    ("rule", "matching", "others"),
    [
        ("/srv/keys", ["/srv/keys", "/srv/keys/a/b"], ["/srv/keys2", "/srv", "/x/srv/keys"]),
        ("/srv/keys/", ["/srv/keys", "/srv/keys/a"], []),
        ("/srv/*/key", ["/srv/a/key", "/srv/a/key/b"], ["/srv/key", "/srv/a/b/key"]),
        ("/srv/**/key", ["/srv/key", "/srv/a/b/key"], ["/srv/akey"]),
        ("/srv/**", ["/srv/a", "/srv/a/b"], ["/srv2/a"]),
        ("/srv/?.key", ["/srv/a.key"], ["/srv/ab.key", "/srv/axkey"]),
        ("/srv/[a-c].key", ["/srv/b.key"], ["/srv/d.key", "/srv/-.key"]),
        ("/srv/[!a].key", ["/srv/b.key"], ["/srv/a.key", "/srv//.key"]),
        ("/srv/[[]x]", ["/srv/[x]"], ["/srv/x"]),
        ("/srv/a(b|c)+$.{2}", ["/srv/a(b|c)+$.{2}"], ["/srv/ab"]),
        ("/srv/ż\n", ["/srv/ż\n"], ["/srv/ż"]),
        ("/", ["/", "/etc/hosts"], []),
    ],
)
def test_a_rule_matches_whole_names(rule: str, matching: list[str], others: list[str]) -> None:
    rules = places.Rules([rule], places.READ)
    assert [path for path in matching + others if rules.protect(path)] == matching


def test_default_stands_for_the_built_in_list_and_the_last_match_counts() -> None:
    more = places.Rules(
        ["default", "/srv/secret", "!/srv/secret/open", "/srv/secret/open/not"], places.READ
    )
    assert more.protect("/etc/shadow")
    assert more.protect("/srv/secret/a")
    assert not more.protect("/srv/secret/open/a")
    assert more.protect("/srv/secret/open/not")
    assert not places.Rules(["/srv/secret"], places.READ).protect("/etc/shadow")
    assert not places.Rules([], places.READ).protect("/etc/shadow")


@pytest.mark.parametrize("rule", ["etc/shadow", "*", "~/.ssh", "!etc", "/srv/[z-a]"])
def test_a_rule_that_could_protect_nothing_is_refused(tmp_path: Path, rule: str) -> None:
    answer = run("read_part", tmp_path, protected=[rule])
    assert (answer["failed"], answer["playrail_code"]) == (True, "invalid_argument")


def test_the_operators_rules_count_in_every_module(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x\n")
    (tmp_path / "open").write_text("x\n")
    listed = ["default", str(tmp_path / "fi*")]
    for module in ("read_part", "search_text", "write_file", "remove_file"):
        assert refused(module, tmp_path / "file", protected=listed), module
        assert not refused(module, tmp_path / "open", protected=listed), module
    assert refused("read_part", tmp_path / "file", last=1, protected=listed)
    # What must not be read is not written either: the backup and the difference would tell
    # it.
    assert refused("write_file", tmp_path / "file", unreadable=listed)
    found = run("search_text", tmp_path, protected=listed)
    assert (
        [Path(item["file"]).name for item in found["matches"]],
        found["left_out"]["protected"],
    ) == (["open"], 1)


@pytest.mark.parametrize("module", ["read_part", "search_text", "write_file", "remove_file"])
def test_symbolic_links_do_not_hide_a_secret(tmp_path: Path, module: str) -> None:
    (tmp_path / "file_link").symlink_to("/etc/shadow")
    (tmp_path / "folder_link").symlink_to("/etc")
    (tmp_path / "two_steps").symlink_to("file_link")
    for path in ("file_link", "folder_link/shadow", "two_steps"):
        assert refused(module, tmp_path / path)


@as_root
@pytest.mark.parametrize("module", ["read_part", "search_text", "write_file", "remove_file"])
def test_hard_links_do_not_hide_a_secret(inside_etc: Path, module: str) -> None:
    os.link("/etc/shadow", inside_etc)
    assert refused(module, inside_etc)


def test_hard_links_into_a_protected_directory_are_known(tmp_path: Path) -> None:
    """Though the rule names no file."""
    (tmp_path / "keys" / "deep").mkdir(parents=True)
    (tmp_path / "keys" / "deep" / "one").write_text("x\n")
    (tmp_path / "keys" / "open").write_text("x\n")
    os.link(tmp_path / "keys" / "deep" / "one", tmp_path / "other")
    os.link(tmp_path / "keys" / "open", tmp_path / "open")
    listed = [str(tmp_path / "keys"), f"!{tmp_path}/keys/open"]
    assert refused("read_part", tmp_path / "other", protected=listed)
    assert not refused("read_part", tmp_path / "open", protected=listed)
    found = run("search_text", tmp_path, protected=listed)
    assert [Path(item["file"]).name for item in found["matches"]] == ["open"]


def test_what_a_link_in_a_protected_directory_leads_to_is_protected(tmp_path: Path) -> None:
    (tmp_path / "rules.d").mkdir()
    (tmp_path / "elsewhere").write_text("x\n")
    (tmp_path / "rules.d" / "one").symlink_to(tmp_path / "elsewhere")
    assert refused("write_file", tmp_path / "elsewhere", protected=[str(tmp_path / "rules.d")])


@as_root
def test_nobody_can_have_anothers_file_protected_by_a_link_to_it(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "root").write_text("x\n")
    link = tmp_path / "home" / "id_rsa"
    link.symlink_to(tmp_path / "root")
    os.lchown(link, pwd.getpwnam("nobody").pw_uid, -1)
    assert not refused("read_part", tmp_path / "root", protected=[str(tmp_path / "home")])


def test_a_protected_tree_too_large_to_look_through_costs_hard_links_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "MAX_PROTECTED_FILES", 2)
    (tmp_path / "large").mkdir()
    for name in ("a", "b", "c", "d"):
        (tmp_path / "large" / name).write_text("x\n")
    (tmp_path / "plain").write_text("x\n")
    (tmp_path / "linked").write_text("x\n")
    os.link(tmp_path / "linked", tmp_path / "again")
    rules = places.Rules([str(tmp_path / "large")], places.READ)
    assert not rules.protect_file((tmp_path / "plain").stat())
    assert rules.protect_file((tmp_path / "linked").stat())


@pytest.fixture
def other_root(tmp_path: Path) -> Iterator[str]:
    """/proc/PID/root of a process that sees another file at the same path."""
    for name in ("folder", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(f"x {name}\n")
    steps = 'mount --bind "$0/other" "$0/folder" && echo && exec sleep 60'
    words = ["unshare", "--mount", "sh", "-c", steps, str(tmp_path)]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield f"/proc/{process.pid}/root"
        process.kill()


@as_root
def test_a_root_of_another_process_is_not_taken_for_our_own(
    other_root: str, tmp_path: Path
) -> None:
    """Its link says `/`, but leads elsewhere."""
    (tmp_path / "jump").symlink_to(f"{other_root}{tmp_path}/folder")
    for module in ("read_part", "search_text"):
        assert (
            run(module, f"{other_root}{tmp_path}/folder/file")["playrail_code"]
            == "unsupported_path"
        )
        assert run(module, tmp_path / "jump" / "file")["playrail_code"] == "changed_meanwhile"
    assert (
        run("search_text", f"{other_root}{tmp_path}/folder")["playrail_code"] == "unsupported_path"
    )
    assert run("write_file", tmp_path / "jump" / "file")["playrail_code"] == "changed_meanwhile"
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "one").symlink_to(f"{other_root}{tmp_path}/folder/file")
    found = run("search_text", tmp_path / "links")
    assert (found["matches"], found["left_out"]["unreadable"]) == ([], 1)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for name in ("folder", "secret", "open"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(f"x {name}\n")
    return tmp_path


def when_swapped(module: str, path: Path, of: str, swap: str, secret: Path) -> dict[str, Any]:
    """What the module answers when `swap` is done once it has looked at what matches `of`,
    and before it opens it.
    """
    more = {"search_text": {"pattern": "x"}}.get(module, {})
    # Of such a rule, other names of its files are not known
    rule = f"/**/{secret.parent.name}/{secret.name}"
    given = {"path": str(path), "protected": [rule], **more}
    moments = {"read_part": "realpath", "search_text": "lstat" if path.is_dir() else "realpath"}
    return answer_when(module, given, {moments[module]: of}, swap)


@pytest.mark.parametrize("module", ["read_part", "search_text"])
@pytest.mark.parametrize("target", ["secret", "open"])
def test_a_link_swapped_in_is_not_followed(place: Path, module: str, target: str) -> None:
    path = place / "folder" / "file"
    swap = (
        f"os.path.islink('{path}') or (os.unlink('{path}'), "
        f"os.symlink('{place}/{target}/file', '{path}'))"
    )
    answer = when_swapped(module, path, "/folder/file$", swap, place / "secret")
    assert answer["failed"], answer


@pytest.mark.parametrize("target", ["secret", "open"])
def test_a_link_swapped_in_below_a_directory_is_not_followed(place: Path, target: str) -> None:
    """It would be told under a name that is not its own."""
    path = place / "folder" / "file"
    swap = (
        f"os.path.islink('{path}') or (os.unlink('{path}'), "
        f"os.symlink('{place}/{target}/file', '{path}'))"
    )
    answer = when_swapped("search_text", place / "folder", "/folder/file$", swap, place / "secret")
    assert (answer["matches"], answer["left_out"]["unreadable"]) == ([], 1)


@pytest.mark.parametrize("module", ["read_part", "search_text"])
def test_a_directory_swapped_in_is_judged_again(place: Path, module: str) -> None:
    swap = f"os.path.islink('{place}/folder') or (os.rename('{place}/folder', '{place}/away'),"
    swap += f" os.symlink('{place}/secret', '{place}/folder'))"
    answer = when_swapped(
        module, place / "folder" / "file", "/folder/file$", swap, place / "secret"
    )
    assert answer["playrail_code"] == "protected_path"


def test_a_directory_swapped_in_while_searching_is_judged_again(place: Path) -> None:
    swap = f"os.path.islink('{place}/folder') or (os.rename('{place}/folder', '{place}/away'),"
    swap += f" os.symlink('{place}/secret', '{place}/folder'))"
    answer = when_swapped("search_text", place / "folder", "/folder/file$", swap, place / "secret")
    assert (answer["matches"], answer["left_out"]["protected"]) == ([], 1)
