"""What may be written where a path is asked for. What is refused could be read as another
place; all else is data.
"""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError

from playrail.safe_text.secrets import HIDDEN
from playrail.tools.tool import ToolInput, variables
from playrail.toolsets.disk import DiskPlace
from playrail.toolsets.files.changed_files import NewFile
from playrail.toolsets.files.tools import DirectoryPart, FileEnd, FilePart, FileSearch

INPUTS: list[tuple[type[ToolInput], dict[str, Any]]] = [
    (DirectoryPart, {}),
    (FilePart, {}),
    (FileEnd, {}),
    (FileSearch, {"pattern": "x"}),
    (NewFile, {"content": ""}),
    (DiskPlace, {}),
]
every_input = pytest.mark.parametrize(
    ("model", "rest"), INPUTS, ids=[model.__name__ for model, _ in INPUTS]
)

names = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/\x7f"),
    min_size=1,
    max_size=60,
).filter(lambda name: name != ".." and r"\x00" not in name)  # the spelling of a byte
paths = st.lists(names, min_size=1, max_size=8).map(lambda parts: "/" + "/".join(parts))


def parse(model: type[ToolInput], rest: dict[str, Any], path: str) -> ToolInput:
    return model.model_validate_json(json.dumps({"path": path, **rest}))


def refused(model: type[ToolInput], rest: dict[str, Any], path: str) -> str:
    with pytest.raises(ValidationError) as caught:
        parse(model, rest, path)
    return str(caught.value)


@every_input
@given(path=paths)
def test_absolute_paths_arrive_unchanged(
    model: type[ToolInput], rest: dict[str, Any], path: str
) -> None:
    assert variables(parse(model, rest, path))["playrail_path"] == path


@every_input
@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/tmp/it's",
        '/tmp/say "hello"',
        "/tmp/$(id)",
        "/tmp/`id`",
        "/tmp/{{ lookup('pipe', 'id') }}",
        "/tmp/{% raw %}",
        "/tmp/with space/-rf",
        "/--version",
        "/tmp/a;b|c&d>e",
        "/tmp/zażółć/🎭",
        "/tmp/...",
        "/tmp/a..b",
    ],
)
def test_odd_names_are_data(model: type[ToolInput], rest: dict[str, Any], path: str) -> None:
    assert variables(parse(model, rest, path))["playrail_path"] == path


@every_input
@pytest.mark.parametrize(
    "path",
    [
        "",
        "etc/hosts",
        "./x",
        "~",
        "~/x",
        "-rf",
        " /etc",
        "//etc/shadow",
        "///etc",
        "/etc/../etc/shadow",
        "/..",
        "/a/..",
        "/a\0b",
        "/a\nb",
        "/a\rb",
        "/a\tb",
        "/a\x1bb",
        "/a\x7fb",
        "/\ud800",
        "/" + "a" * 4096,
        "/" + "ą" * 2048,
    ],
)
def test_what_could_be_another_place_is_refused(
    model: type[ToolInput], rest: dict[str, Any], path: str
) -> None:
    refused(model, rest, path)


@every_input
@given(path=st.text(min_size=1))
def test_relative_paths_are_refused(
    model: type[ToolInput], rest: dict[str, Any], path: str
) -> None:
    assume(not path.startswith("/"))
    refused(model, rest, path)


@every_input
@given(path=paths, odd=st.sampled_from([*map(chr, range(0x20)), "\x7f"]), at=st.integers(0, 600))
def test_control_characters_are_refused_anywhere(
    model: type[ToolInput], rest: dict[str, Any], path: str, odd: str, at: int
) -> None:
    refused(model, rest, f"/{path[1 : at + 1]}{odd}{path[at + 1 :]}")


@every_input
@given(before=st.lists(names, max_size=4), after=st.lists(names, max_size=4))
def test_dot_dot_is_refused_anywhere(
    model: type[ToolInput], rest: dict[str, Any], before: list[str], after: list[str]
) -> None:
    refused(model, rest, "/" + "/".join([*before, "..", *after]))


@every_input
def test_refusal_does_not_repeat_the_value(model: type[ToolInput], rest: dict[str, Any]) -> None:
    assert "s3cret" not in refused(model, rest, "s3cret")


@pytest.mark.parametrize(
    ("model", "arguments"),
    [
        (FilePart, {"offset": 0}),
        (FilePart, {"limit": 0}),
        (FilePart, {"limit": 5001}),
        (FilePart, {"limit": "10"}),
        (FilePart, {"limit": True}),
        (FilePart, {"skip_bytes": -1}),
        (FilePart, {"lines": 5}),
        (DirectoryPart, {"offset": -1}),
        (DirectoryPart, {"limit": 1001}),
        (DiskPlace, {"limit": 101}),
        (NewFile, {}),
        (NewFile, {"content": None}),
        (NewFile, {"content": "\ud800"}),
        (NewFile, {"content": "", "mode": "rw"}),
        (NewFile, {"content": "", "mode": 644}),
        (NewFile, {"content": "", "link_to": "/x"}),
        (NewFile, {"link_to": "/x", "mode": "0644"}),
        (NewFile, {"content": "x", "encoding": "base64"}),
        (NewFile, {"content": "", "hard_links": "both"}),
        (NewFile, {"content": "", "owner": ""}),
        (NewFile, {"content": "", "owner": "root\n"}),
        (NewFile, {"content": "", "group": "-R"}),
        (NewFile, {"content": "", "backup": "yes"}),
        (NewFile, {"content": "", "expected_sha256": "0" * 63}),
        (NewFile, {"content": "", "expected_sha256": "g" * 64}),
        (NewFile, {"content": "", "expected_sha256": "0" * 64 + "\n"}),
        (FileEnd, {"lines": 0}),
        (FileEnd, {"lines": 5001}),
        (FileSearch, {}),
        (FileSearch, {"pattern": ""}),
        (FileSearch, {"pattern": "x" * 1001}),
        (FileSearch, {"pattern": "a\nb"}),
        (FileSearch, {"pattern": "a\0b"}),
        (FileSearch, {"pattern": "\ud800"}),
        (FileSearch, {"pattern": "(", "regex": True}),
        (FileSearch, {"pattern": "x", "names": "a/b"}),
        (FileSearch, {"pattern": "x", "names": ""}),
        (FileSearch, {"pattern": "x", "limit": 1001}),
    ],
)
def test_other_fields_are_strict(model: type[ToolInput], arguments: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        model.model_validate({"path": "/tmp/x", **arguments})


@pytest.mark.parametrize("field", ["owner", "group"])
def test_owners_are_names_or_numbers_that_there_are(field: str) -> None:
    """The kernel takes 2**32 - 1 for: leave it as it is."""
    for wrong in (
        "4294967295",
        "9999999999",
        "-1",
        "+1",
        " ann",
        "ann ",
        "a:b",
        "a\nb",
        "",
        "a" * 257,
    ):
        refused(NewFile, {"content": "", field: wrong}, "/srv/x")
    for right in (
        "4294967294",
        "0",
        "www-data",
        "john.doe",
        "DOM\\ann",
        "ann@example.org",
        "domain users",
        "Żaneta",
        "host$",
    ):
        parse(NewFile, {"content": "", field: right}, "/srv/x")


@pytest.mark.parametrize(
    "path", [r"/srv/a\x0ab", r"/srv/caf\xe9", r"/srv/a\x5cxff", r"/srv/dev-a\x2db"]
)
def test_odd_names_are_given_as_they_are_listed(path: str) -> None:
    assert variables(parse(FilePart, {}, path))["playrail_path"] == path
    refused(FilePart, {}, r"/srv/a\x00b")


def test_a_private_key_is_a_secret_though_nobody_says_so() -> None:
    key = "-----BEGIN PRIVATE KEY-----\n" + "A" * 64 + "\n-----END PRIVATE KEY-----\n"
    encoded = base64.b64encode(key.encode()).decode()
    for more in (
        {"content": key},
        {"content": encoded, "encoding": "base64"},
        {"content": f"  tls.key: {encoded}\n"},
    ):
        given = NewFile.model_validate({"path": "/srv/x", **more})
        assert given.recorded()["content"] == HIDDEN
    assert NewFile(path="/srv/x", content="-----BEGIN PUBLIC KEY-----\n").secret_fields() == ()


def test_content_is_limited_in_bytes() -> None:
    limit = 10 * 1024 * 1024
    NewFile(path="/srv/x", content="ż" * (limit // 2))
    for wrong in ("ż" * (limit // 2) + "x", "🎭" * (limit // 4 + 1), "x" * (limit + 1)):
        with pytest.raises(ValidationError):
            NewFile(path="/srv/x", content=wrong)
