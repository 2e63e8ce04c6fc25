"""What a caller's words mean: names, groups and lists of them, and what is no name."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from playrail.ansible.inventory.listed_hosts import read_listing
from playrail.errors import PlayrailError, ServerMisconfigured, ServerRequired, UnknownServer
from playrail.hosts import Host, Hosts
from playrail.settings.settings import Settings

CANARY = "CANARY"
SERVERS: dict[str, Any] = {
    "vps": {"type": "ssh", "host": "10.9.9.9"},
    "api": {"type": "mikrus", "key": CANARY, "srv": "srv1"},
    "broken": {"type": "ssh", "host": "h", "password": CANARY, "oops": 1, "tags": ["some", "half"]},
}


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.chdir(tmp_path)
    return Settings.load({"HOME": str(tmp_path), "MCP_SERVERS": json.dumps(SERVERS)}, dotenv=None)


TAGS = {"a": ("web", "old", "half"), "c": ("web",)}
NAMED = Hosts(
    hosts={
        name: Host(name=name, groups=(), tags=TAGS.get(name, ()))
        for name in ("a", "b", "c", "broken")
    },
    groups={
        "all": ("a", "b", "c", "broken", "x:y"),
        "ab": ("a", "b"),
        "a": ("b",),
        "none": (),
        "odd": ("c", "x:y"),
        "bad": ("c", "broken"),
    },
    refused={"x:y": "Because."},
)


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        ("c", ("c",)),
        ("ab", ("a", "b")),
        ("a", ("a",)),
        (["b", "ab", "b"], ("b", "a")),
        (("c", "ab"), ("c", "a", "b")),
        ("tag:web", ("a", "c")),
        (["b", "tag:old"], ("b", "a")),
    ],
)
def test_words_that_mean_hosts(
    settings: Settings, wanted: str | list[str], names: tuple[str, ...]
) -> None:
    assert NAMED.resolve(wanted, settings) == names


THERE = "there are a, b, c, broken, all, ab, none, odd, bad"


@pytest.mark.parametrize(
    ("wanted", "error", "message"),
    [
        ("tag:none", UnknownServer, f"No server, group or tag is named 'tag:none'; {THERE}"),
        ("tag:", UnknownServer, f"No server, group or tag is named 'tag:'; {THERE}"),
        ("nope", UnknownServer, f"No server, group or tag is named 'nope'; {THERE}"),
        (["a", "x", "y"], UnknownServer, f"No server, group or tag is named 'x', 'y'; {THERE}"),
        ("", UnknownServer, f"No server, group or tag is named ''; {THERE}"),
        ("a,b", UnknownServer, f"No server, group or tag is named 'a,b'; {THERE}"),
        ("a*", UnknownServer, f"No server, group or tag is named 'a*'; {THERE}"),
        ("all:!a", UnknownServer, f"No server, group or tag is named 'all:!a'; {THERE}"),
        ("localhost", UnknownServer, f"No server, group or tag is named 'localhost'; {THERE}"),
        (
            "{{ x }}\n" + 99 * "z",
            UnknownServer,
            f"No server, group or tag is named '{{{{ x }}}}\\n{32 * 'z'}…'; {THERE}",
        ),
        ("none", UnknownServer, f"The group 'none' has no hosts; {THERE}"),
        ([], ServerRequired, f"The list of servers is empty; {THERE}"),
        ("x:y", ServerMisconfigured, "The server 'x:y' cannot be used: Because."),
        (["x:y", "broken"], ServerMisconfigured, "The server 'x:y' cannot be used: Because."),
    ],
)
def test_words_that_mean_none(
    settings: Settings, wanted: str | list[str], error: type[PlayrailError], message: str
) -> None:
    with pytest.raises(PlayrailError) as caught:
        NAMED.resolve(wanted, settings)
    assert (type(caught.value), str(caught.value)) == (error, message)


@pytest.mark.parametrize(
    ("wanted", "names", "left_out"),
    [
        ("odd", ("c",), ["x:y"]),
        ("bad", ("c",), ["broken"]),
        ("all", ("a", "b", "c"), ["broken", "x:y"]),
        (["a", "broken"], ("a",), ["broken"]),
        (["x:y", "b", "bad"], ("b", "c"), ["x:y", "broken"]),
        ("tag:half", ("a",), ["broken"]),
        ("tag:odd", ("b",), ["x:y"]),
        ("ab", ("a", "b"), []),
        ("c", ("c",), []),
        ("broken", None, []),
        ("x:y", None, []),
        ("tag:some", None, []),
        (None, None, []),
    ],
)
def test_what_cannot_be_used_is_told_and_the_others_are_used(
    settings: Settings,
    wanted: str | list[str] | None,
    names: tuple[str, ...] | None,
    left_out: list[str],
) -> None:
    known = replace(
        NAMED,
        hosts={**NAMED.hosts, "b": Host(name="b", groups=(), tags=("odd",))},
        tags_of_refused={"x:y": ("odd",)},
    )
    unusable = known.unusable(wanted, settings)
    assert list(unusable) == left_out
    assert {problem.code for problem in unusable.values()} <= {"server_misconfigured"}
    if names is not None:
        assert known.resolve(wanted, settings) == names
    else:
        with pytest.raises(PlayrailError):
            known.resolve(wanted, settings)


@pytest.mark.parametrize("wanted", ["broken", ["broken", "x:y"], "tag:some"])
def test_a_failed_entry_is_not_another_host_of_that_name(
    settings: Settings, wanted: str | list[str]
) -> None:
    with pytest.raises(
        ServerMisconfigured, match=r"'broken' cannot be used: oops: is not a field"
    ) as caught:
        NAMED.resolve(wanted, settings)
    assert CANARY not in f"{caught.value} {caught.value.data}"


def test_an_unknown_name_gets_the_names_but_not_thousands(settings: Settings) -> None:
    names = [f"h{number}" for number in range(300)]
    many = Hosts(
        hosts={name: Host(name=name, groups=()) for name in names},
        groups={f"g{name}": (name,) for name in names},
    )
    with pytest.raises(UnknownServer) as caught:
        many.resolve(["z" * 5000] * 5000, settings)
    data = caught.value.data or {}
    assert {key: len(value) for key, value in data.items()} == {
        "unknown": 1,
        "servers": 100,
        "groups": 100,
    }
    assert len(str(data)) < 3000
    assert str(caught.value).endswith(
        "there are h0, h1, h2, h3, h4, h5, h6, h7, h8, h9 and 590 more"
    )


VAULT = {"__ansible_vault": "$ANSIBLE_VAULT;1.1;AES256\n6162"}
READ: list[tuple[dict[str, Any], tuple[str | None, tuple[str, ...], tuple[str, ...]]]] = [
    ({}, (None, (), ())),
    ({"playrail_tags": []}, (None, (), ())),
    ({"playrail_tags": ["a", "b"], "tags": ["c"]}, (None, ("a", "b"), ())),
    ({"tags": ["c"]}, (None, ("c",), ())),
    ({"playrail_tags": [{"__ansible_unsafe": "{{ a }}"}]}, (None, ("{{ a }}",), ())),
    ({"playrail_tier": "staging", "tier": "production"}, ("staging", (), ())),
    ({"tier": "staging"}, ("staging", (), ())),
    *(
        ({"playrail_tags": tags, "tags": ["free"]}, (None, (), ("playrail_tags",)))
        for tags in (
            "frozen",
            "a,b",
            "{{ x }}",
            "{{ ['frozen'] }}",
            ["{{ 'frozen' }}"],
            ["ok", "{{ x }}"],
            ["ok", "{% if x %}y{% endif %}"],
            {"frozen": True},
            [{"frozen": True}],
            [["frozen"]],
            VAULT,
            ["ok", VAULT],
            [True],
            [8],
            [1.5],
            [None],
            [""],
            [" frozen"],
            None,
            True,
            7,
        )
    ),
    ({"tags": {"Name": "frozen"}}, (None, (), ("tags",))),
    *(
        ({"playrail_tier": tier, "tier": "development"}, (None, (), ("playrail_tier",)))
        for tier in (
            "{{ 'production' }}",
            VAULT,
            {"x": 1},
            ["staging"],
            1,
            True,
            None,
            "",
            " ",
            " staging",
        )
    ),
    ({"tier": "{{ x }}"}, (None, (), ("tier",))),
]


@pytest.mark.parametrize(("variables", "read"), READ, ids=lambda value: str(value)[:60])
def test_tiers_and_tags_that_cannot_be_read(variables: dict[str, Any], read: object) -> None:
    """Nothing is put in their place, and nothing of a list is taken when a part cannot be."""
    listing = {"all": {"hosts": ["h"]}, "_meta": {"hostvars": {"h": variables}}}
    host = read_listing(listing).hosts["h"]

    assert (host.tier, host.tags, host.unread) == read
    assert host.tags_are_known is not any("tags" in name for name in host.unread)
