"""Files on real hosts: searched, read from their end, written only where and when they may
be.
"""

from __future__ import annotations

import hashlib
import uuid

import pytest

from .conftest import Wire, on_host

pytestmark = pytest.mark.lab
BOTH = pytest.mark.parametrize("host", ["deb12", "deb13"])


def sha256(host: str, path: str) -> str:
    return on_host(host, "sha256sum", path).split()[0]


@BOTH
def test_tail_file(wire: Wire, host: str) -> None:
    found = wire.report("tail_file", server=host, path="/var/log/dpkg.log", lines=7)
    assert found["content"] == on_host(host, "tail", "-n", "7", "/var/log/dpkg.log")
    assert (found["lines"], found["truncated"]) == (7, True)
    assert found["size_bytes"] == int(on_host(host, "stat", "-c", "%s", "/var/log/dpkg.log"))


def test_the_end_of_50_mb_is_there_at_once(wire: Wire) -> None:
    path = f"/srv/long-{uuid.uuid4()}"
    on_host(
        "deb12",
        "sh",
        "-c",
        (f"seq 1 7000000 | head -c 52428800 > {path}; printf 'caf\\351 {{{{ 7 * 7 }}}}' >> {path}"),
    )
    answer = wire.call("tail_file", server="deb12", path=path, lines=1)
    found = answer["data"]["hosts"]["deb12"]
    on_host("deb12", "rm", path)
    assert found["content"].endswith("caf\ufffd {{ 7 * 7 }}")
    assert (found["encoding"], found["replaced_bytes"], found["lines"]) == ("unknown", 1, 1)
    assert answer["_meta"]["truncated"] is True


@BOTH
def test_search_in_files(wire: Wire, host: str) -> None:
    """The same files and lines as grep finds; it is given what is no text for us to leave
    out.
    """
    asked = {"server": host, "path": "/etc", "pattern": "localhost"}
    found = wire.report("search_in_files", limit=1000, max_bytes=1_000_000, **asked)
    options = [
        "-rnFI",
        "--exclude=shadow*",
        "--exclude=gshadow*",
        "--exclude=sudoers",
        "--exclude-dir=sudoers.d",
    ]
    listed = on_host(host, "grep", *options, "--", "localhost", "/etc", check=False).splitlines()
    linked = on_host(host, "find", "/etc", "-type", "l").splitlines()
    own = [item for item in found["matches"] if item["file"] not in linked]
    assert sorted(f"{item['file']}:{item['line']}:{item['text']}" for item in own) == sorted(listed)
    assert "timed_out" not in found
    assert found["left_out"]["protected"] >= 2


def test_enabled_sites_are_searched_and_private_keys_are_not(wire: Wire) -> None:
    folder = f"/srv/sites-{uuid.uuid4()}"
    steps = (
        f"mkdir -p {folder}/available {folder}/enabled; cd {folder}; echo 'listen 443' > "
        "available/one"
    )
    steps += (
        "; ln -s ../available/one enabled/; ln -s /etc enabled/etc; ln -s /proc/version enabled/"
    )
    steps += "; (echo listen; openssl genpkey -algorithm ed25519) > enabled/key"
    on_host("deb12", "sh", "-c", steps)
    found = wire.report(
        "search_in_files", server="deb12", path=f"{folder}/enabled", pattern="listen"
    )
    read = wire.call("read_file", server="deb12", path=f"{folder}/enabled/key")
    on_host("deb12", "rm", "-r", folder)
    assert [item["file"] for item in found["matches"]] == [f"{folder}/enabled/one"]
    assert found["left_out"] == {"protected": 1, "links": 1, "kernel": 1}
    assert read["code"] == "protected_path"


def test_a_mounted_file_stays_as_it_is(wire: Wire) -> None:
    path = f"/srv/mounted-{uuid.uuid4()}"
    on_host("deb12", "sh", "-c", f"echo old > {path}; chmod 600 {path}; mount --bind {path} {path}")
    answer = wire.call(
        "write_file", server="deb12", path=path, content="new\n", mode="0644", backup=True
    )
    left = on_host(
        "deb12", "sh", "-c", f"stat -c %a {path}; cat {path}; umount {path}; ls {path}*; rm {path}"
    )
    assert (answer["code"], left) == ("mounted_file", f"600\nold\n{path}\n")


@pytest.mark.parametrize(
    "pattern", ["--pre=touch", "-e", "{{ lookup('pipe', 'id') }}", "$(id)", ".*"]
)
def test_a_pattern_is_just_text(wire: Wire, pattern: str) -> None:
    folder = f"/srv/search-{uuid.uuid4()}"
    on_host("deb12", "mkdir", folder)
    wire.report(
        "write_file", server="deb12", path=f"{folder}/one", content=f"no\nbefore {pattern} after\n"
    )
    found = wire.report("search_in_files", server="deb12", path=folder, pattern=pattern)
    on_host("deb12", "rm", "-r", folder)
    assert [(item["line"], item["text"]) for item in found["matches"]] == [
        (2, f"before {pattern} after")
    ]


def test_a_search_of_everything_stays_out_of_the_kernel_and_of_secrets(wire: Wire) -> None:
    """The hash of root's password is found by nobody, whatever name leads to it."""
    link = f"/etc/link-{uuid.uuid4()}"
    on_host("deb12", "ln", "/etc/shadow", link)
    found = wire.report(
        "search_in_files", server="deb12", path="/etc", pattern="^root:", regex=True
    )
    read = wire.call("read_file", server="deb12", path=link)
    on_host("deb12", "rm", link)
    assert read["code"] == "protected_path"
    assert not [
        item["file"]
        for item in found["matches"]
        if "shadow" in item["file"] or "link-" in item["file"]
    ]
    assert (
        wire.call("search_in_files", server="deb12", path="/proc", pattern="x")["code"]
        == "unsupported_path"
    )
    everywhere = wire.report(
        "search_in_files", server="deb12", path="/", pattern="x", names="no-such-name"
    )
    assert (everywhere["files_searched"], everywhere.get("timed_out")) == (0, None)


@pytest.mark.over_ssh
def test_an_expression_that_would_try_forever(wire: Wire) -> None:
    path = f"/srv/hard-{uuid.uuid4()}"
    wire.report("write_file", server="deb12", path=path, content="aab\n" + "a" * 60)
    answer = wire.call("search_in_files", server="deb12", path=path, pattern="(a+)+b", regex=True)
    on_host("deb12", "rm", path)
    found = answer["data"]["hosts"]["deb12"]
    assert (found["timed_out"], [item["text"] for item in found["matches"]]) == (True, ["aab"])
    assert answer["_meta"]["truncated"] is True


@pytest.mark.parametrize(
    ("tool", "arguments", "code"),
    [
        ("tail_file", {"path": "/no/such"}, "not_found"),
        ("tail_file", {"path": "/etc/shadow"}, "protected_path"),
        ("tail_file", {"path": "/etc/../etc/shadow"}, "invalid_argument"),
        ("search_in_files", {"path": "/etc/shadow", "pattern": "x"}, "protected_path"),
        ("search_in_files", {"path": "/etc", "pattern": "(", "regex": True}, "invalid_argument"),
        ("read_file", {"path": "/etc/sudoers"}, "protected_path"),
        ("write_file", {"path": "/etc/group", "content": "x"}, "protected_path"),
    ],
)
def test_what_cannot_be_done(
    wire: Wire, tool: str, arguments: dict[str, object], code: str
) -> None:
    answer = wire.call(tool, server="deb12", **arguments)
    assert (answer["success"], answer["code"]) == (False, code)
    assert answer["hint"]


def test_read_change_write(wire: Wire) -> None:
    """Between reading and writing, somebody else writes: that is not overwritten."""
    path = f"/srv/shared-{uuid.uuid4()}"
    asked = {"server": "deb12", "path": path}
    wire.report("write_file", content="one\n", mode="0600", owner="games", **asked)
    seen = wire.report("read_file", **asked)["sha256"]
    assert seen == sha256("deb12", path)
    on_host("deb12", "sh", "-c", f"echo two > {path}")
    refused = wire.call("write_file", content="three\n", expected_sha256=seen, **asked)
    assert (refused["code"], refused["data"].get("changed", [])) == ("changed_meanwhile", [])
    assert on_host("deb12", "cat", path) == "two\n"
    seen = wire.report("read_file", **asked)["sha256"]
    written = wire.report("write_file", content="three\n", expected_sha256=seen, **asked)
    assert (written["old_sha256"], written["sha256"]) == (seen, sha256("deb12", path))
    assert on_host("deb12", "stat", "-c", "%a %U", path) == "600 games\n"
    on_host("deb12", "rm", path)


@BOTH
def test_content_that_looks_like_something_else(wire: Wire, host: str) -> None:
    path = f"/srv/odd-{uuid.uuid4()}"
    for content in (
        "true",
        "1.0",
        "null",
        "$ANSIBLE_VAULT;1.1;AES256\n6162\n",
        "a",
        "[]",
        "\ufeffa\0b\r\n",
    ):
        found = wire.report("write_file", server=host, path=path, content=content)
        assert sha256(host, path) == found["sha256"] == hashlib.sha256(content.encode()).hexdigest()
    on_host(host, "rm", path)


@BOTH
def test_what_is_written_is_not_in_the_hosts_journal(wire: Wire, host: str) -> None:
    path, canary, after = f"/srv/quiet-{uuid.uuid4()}", uuid.uuid4().hex, uuid.uuid4().hex
    wire.report("write_file", server=host, path=path, content=canary)
    on_host(host, "rm", path)
    on_host(host, "systemd-cat", "echo", after)
    on_host(host, "journalctl", "--sync")
    said = on_host(host, "journalctl", "--no-pager", "-o", "cat", "--since", "-5min")
    assert after in said  # so the journal holds what was told before
    assert canary not in said


def test_ten_megabytes(wire: Wire) -> None:
    path, content = f"/srv/large-{uuid.uuid4()}", "0123456789abcd\n" * 699_050
    found = wire.report("write_file", server="deb12", path=path, content=content)
    assert sha256("deb12", path) == found["sha256"] == hashlib.sha256(content.encode()).hexdigest()
    on_host("deb12", "rm", path)


def test_a_full_disk_leaves_the_old_file(wire: Wire) -> None:
    folder = f"/srv/full-{uuid.uuid4()}"
    on_host(
        "deb12",
        "sh",
        "-c",
        f"mkdir {folder} && mount -t tmpfs -o size=64k t {folder} && echo old > {folder}/file",
    )
    answer = wire.call(
        "write_file", server="deb12", path=f"{folder}/file", content="x" * 500_000, backup=True
    )
    left = on_host(
        "deb12", "sh", "-c", f"ls -A {folder}; cat {folder}/file; umount {folder}; rmdir {folder}"
    )
    assert answer["code"] == "disk_full"
    assert left == "file\nold\n"
