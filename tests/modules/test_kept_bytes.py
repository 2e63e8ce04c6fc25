"""What a text does not show of a file is not lost when it is written back: odd bytes, line
ends, names, links.
"""

from __future__ import annotations

import base64
import hashlib
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from playrail.safe_text.remote_text import cleaned
from playrail.tools.effects import Effect
from playrail.toolsets.files.changed_files import RemovedFile, WrittenFile
from playrail.toolsets.files.effects import undo_file
from worlds.host_modules import MODULES, module_answer

pytestmark = pytest.mark.slow


def run(module: str, path: Path | str, **arguments: Any) -> dict[str, Any]:
    return module_answer(
        [str(MODULES / f"{module}.py")], {"path": str(path), **arguments}, timeout_s=30
    )


def write(path: Path | str, content: str = "new\n", **arguments: Any) -> dict[str, Any]:
    return run("write_file", path, content=content, **arguments)


def written(
    path: Path | str, content: str = "new\n", **arguments: Any
) -> tuple[WrittenFile, Effect]:
    """What a change reports, and its effect."""
    answer = write(path, content, _ansible_diff=True, **arguments)
    report = WrittenFile.model_validate(answer)
    (effect,) = report.effects()
    return report, effect


def take_back(effect: Effect) -> dict[str, Any]:
    """What the call answers that takes the effect back."""
    call = undo_file(effect)
    assert not isinstance(call, str), call
    arguments = dict(call.arguments)
    module = {"write_file": "write_file", "remove_file": "remove_file"}[call.tool]
    answer = run(module, arguments.pop("path"), **arguments)
    assert not answer.get("failed"), answer
    return answer


LOSING: dict[str, tuple[bytes, str, dict[str, Any]]] = {
    "latin 1": (
        b"caf\xe9 one\n",
        "1 byte that is no UTF-8",
        {"encoding": "unknown", "replaced_bytes": 1},
    ),
    "escape sequences": (b"PS1=\x1b[1mx\n\x07", "2 control characters", {"control_characters": 2}),
    "control characters of C1": (
        "a\x85b\n".encode(),
        "1 control character",
        {"control_characters": 1},
    ),
    "line ends of windows": (b"a\r\nb\r\n", "line ends of Windows", {"line_endings": "crlf"}),
    "old line ends": (b"a\rb\r", "carriage returns", {"line_endings": "cr"}),
    "byte order mark": (b"\xef\xbb\xbfa\n", "byte order mark", {"byte_order_mark": True}),
}


@pytest.mark.parametrize("case", LOSING)
def test_what_would_be_lost_is_told_refused_and_can_be_wanted(tmp_path: Path, case: str) -> None:
    content, words, told = LOSING[case]
    path = tmp_path / "file"
    path.write_bytes(content)
    seen = run("read_part", path)
    assert {key: seen.get(key) for key in told} == told
    back = cleaned(seen["content"])[0].replace("\r\n", "\n").replace("\r", "\n").lstrip("\ufeff")

    for check_mode in (True, False):
        refused = write(path, back, expected_sha256=seen["sha256"], _ansible_check_mode=check_mode)
        assert (refused["playrail_code"], words in refused["msg"]) == ("would_lose_bytes", True), (
            refused
        )
    assert path.read_bytes() == content

    report, effect = written(path, back, replace_all=True)
    assert words in " ".join(report.loses)
    assert effect.after is not None
    assert effect.after["loses"] == list(report.loses)  # which a preview shows
    take_back(effect)
    assert path.read_bytes() == content


def test_what_is_kept_is_written(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for content in ("\ufeffa\r\nb\x1b[0m\n", "caf\ufffd\r\n"):
        path.write_bytes(content.encode())
        assert write(path, content.replace("a", "x") + "more\n")["changed"]
    path.write_bytes(b"a\r\n\xff")
    assert write(path, "")["changed"]  # to empty a file is meant


def test_line_ends_that_change_are_told(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"a\r\nb\r\n")
    report, effect = written(path, "a\r\nb\r\nc\n")
    assert report.model_dump(mode="json")["line_endings"] == {"before": "crlf", "after": "mixed"}
    assert effect.before is not None
    assert effect.before["line_endings"] == "crlf"


def test_a_binary_file_comes_back_whole(tmp_path: Path) -> None:
    path, content = tmp_path / "file", bytes(range(256)) * 300
    path.write_bytes(content)
    effects = [written(path, replace_all=True)[1]]
    path.write_bytes(content)
    removed = run("remove_file", path, _ansible_diff=True)
    effects += RemovedFile.model_validate(removed).effects()
    for effect in effects:
        path.unlink(missing_ok=True)
        path.write_text("new\n") if effect.after else None
        take_back(effect)
        assert path.read_bytes() == content
    assert write(path, base64.b64encode(b"\xff\n").decode(), encoding="base64", replace_all=True)[
        "changed"
    ]
    assert path.read_bytes() == b"\xff\n"


@pytest.mark.parametrize(
    ("choice", "others"), [("keep", "longer than before\n"), ("break", "old\n")]
)
def test_a_file_of_several_names_is_written_as_chosen(
    tmp_path: Path, choice: str, others: str
) -> None:
    path, other = tmp_path / "one", tmp_path / "two"
    path.write_text("old\n")
    path.chmod(0o640)
    os.link(path, other)
    assert write(path)["playrail_code"] == "hard_linked"
    assert write(path, _ansible_check_mode=True)["playrail_code"] == "hard_linked"
    report, effect = written(path, "longer than before\n", hard_links=choice)
    assert (path.read_text(), other.read_text()) == ("longer than before\n", others)
    assert report.hard_links == path.stat().st_nlink
    assert effect.before is not None
    assert effect.before["hard_links"] == 2
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    take_back(effect)
    assert (path.read_text(), other.read_text()) == ("old\n", "old\n")


def test_missing_directories_are_made_told_and_taken_back(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "file"
    assert write(path)["playrail_code"] == "not_found"
    seen = write(path, parents=True, _ansible_check_mode=True)
    assert list(tmp_path.iterdir()) == []
    report, effect = written(path, parents=True)
    made = [{"path": f"{tmp_path}/a", "mode": "0755"}, {"path": f"{tmp_path}/a/b", "mode": "0755"}]
    assert (
        seen["created_directories"] == made == report.model_dump(mode="json")["created_directories"]
    )
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o755
    (tmp_path / "a" / "own").touch()
    taken = take_back(effect)
    assert taken["removed_directories"] == [f"{tmp_path}/a/b"]  # the other holds somebody's file
    assert sorted(tmp_path.rglob("*")) == [tmp_path / "a", tmp_path / "a" / "own"]
    assert write(tmp_path / "x" / ("n" * 300), parents=True)["playrail_code"] == "name_too_long"
    assert write("/etc/sudoers.d/x/y", parents=True)["playrail_code"] == "protected_path"
    assert not (tmp_path / "x").exists()


def test_a_link_is_removed_made_and_changed_as_a_link(tmp_path: Path) -> None:
    (tmp_path / "site").write_text("x\n")
    link = tmp_path / "enabled"
    link.symlink_to("site")
    seen = run("remove_file", link, _ansible_check_mode=True)
    assert (seen["changed"], seen["old"]["link"], link.is_symlink()) == (True, "site", True)
    removed = RemovedFile.model_validate(run("remove_file", link, _ansible_diff=True))
    assert (removed.path, link.is_symlink(), (tmp_path / "site").read_text()) == (
        str(link),
        False,
        "x\n",
    )
    (effect,) = removed.effects()
    assert take_back(effect)["changed"]
    assert str(link.readlink()) == "site"
    other = run("write_file", link, link_to="elsewhere", _ansible_diff=True)
    (effect,) = WrittenFile.model_validate(other).effects()
    assert (effect.before, effect.after, str(link.readlink())) == (
        {"link": "site"},
        {"link": "elsewhere"},
        "elsewhere",
    )
    assert run("write_file", link, link_to="elsewhere")["changed"] is False
    take_back(effect)
    assert str(link.readlink()) == "site"


def test_a_link_replaces_no_file_and_leads_to_no_secret(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x\n")
    (tmp_path / "link").symlink_to("file")
    assert run("write_file", tmp_path / "file", link_to="x")["playrail_code"] == "not_a_link"
    assert (
        run("write_file", tmp_path / "new", link_to="/etc/shadow")["playrail_code"]
        == "protected_path"
    )
    wrong = hashlib.sha256(b"y\n").hexdigest()
    assert (
        run("remove_file", tmp_path / "link", expected_sha256=wrong)["playrail_code"]
        == "changed_meanwhile"
    )
    right = hashlib.sha256(b"x\n").hexdigest()
    assert run("remove_file", tmp_path / "link", expected_sha256=right)["changed"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]


@pytest.mark.parametrize("target", [b"caf\xe9", rb"caf\xe9"], ids=["a byte", "four characters"])
def test_a_link_leads_where_it_is_spelled_to_lead(tmp_path: Path, target: bytes) -> None:
    (tmp_path / "old").symlink_to(os.fsdecode(target))
    shown = run("list_directory", tmp_path)["links"]["old"]
    told = run("write_file", tmp_path / "new", link_to=shown)
    assert (told["link"], os.fsencode((tmp_path / "new").readlink())) == (shown, target)


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"caf\xe9", r"caf\xe9"),
        (b"two\nlines", r"two\x0alines"),
        (b"red\x1b[31m", r"red\x1b[31m"),
        (rb"caf\xe9", r"caf\x5cxe9"),
        (rb"dev-disk-by\x2duuid.swap", r"dev-disk-by\x2duuid.swap"),
        ("no\u200bwidth".encode(), r"no\xe2\x80\x8bwidth"),
        ("turned\u202egpj.exe".encode(), r"turned\xe2\x80\xaegpj.exe"),
        ("zażółć 🎭".encode(), "zażółć 🎭"),
    ],
)
def test_a_name_is_given_back_as_it_is_shown(tmp_path: Path, raw: bytes, shown: str) -> None:
    real = os.fsencode(tmp_path) + b"/" + raw
    Path(os.fsdecode(real)).write_bytes(b"needle\n")
    listed = run("list_directory", tmp_path)
    assert listed["files"] == [shown]
    assert cleaned(listed)[1] == 0  # nothing is taken out of it on the way
    path = f"{tmp_path}/{shown}"
    assert run("read_part", path)["resolved_path"] == path
    assert [item["file"] for item in run("search_text", path, pattern="needle")["matches"]] == [
        path
    ]
    assert write(path)["resolved_path"] == path
    assert Path(os.fsdecode(real)).read_bytes() == b"new\n"
    assert run("remove_file", path)["changed"]
    assert list(tmp_path.iterdir()) == []


def test_a_listing_is_short_unless_details_are_asked_for(tmp_path: Path) -> None:
    for number in range(300):
        (tmp_path / f"file-{number:03}").touch()
    (tmp_path / "folder").mkdir()
    short = run("list_directory", tmp_path, limit=1000)
    assert (len(short["files"]), short["directories"]) == (300, ["folder"])
    assert "entries" not in short
    names: list[str] = []
    offset: int | None = 0
    while offset is not None:
        part = run(
            "list_directory", tmp_path, limit=1000, details=True, offset=offset, max_bytes=20_000
        )
        assert len(str(part["entries"]).encode()) < 25_000
        names += [entry["name"] for entry in part["entries"]]
        offset = part["next_offset"]
    assert names == [*short["files"], "folder"]


def test_a_long_file_is_read_in_parts_that_fit(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b'"quoted" \\ \xe9\t\n' * 9000)
    text, offset = "", 1
    while True:
        part = run("read_part", path, offset=offset, limit=5000, max_bytes=24_000)
        assert len(part["content"].encode()) + part["content"].count('"') < 24_000
        text += part["content"]
        if part["next_offset"] is None:
            break
        offset = part["next_offset"]
    assert text == path.read_bytes().decode("utf-8", "replace")
    end = run("read_part", path, last=5000, max_bytes=24_000)["content"]
    assert text.endswith(end)
    assert 15_000 < len(end.encode()) < 24_000
