"""What takes an effect back, what is to hold after a call, and that both are calls that the
tools accept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from playrail import catalog
from playrail.tools.effects import Effect
from playrail.tools.lasting import Invocation
from playrail.toolsets.files.effects import LINKS_BROKEN, NOT_KEPT

SHA = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
OTHER = "0" * 64
TEXT = {"sha256": OTHER, "mode": "0640", "owner": "games", "group": "mail", "content": "old\n"}
LEFT = {"sha256": OTHER, "mode": "0640", "owner": "games", "group": "mail"}
NEW = {"sha256": SHA, "mode": "0640", "owner": "games", "group": "mail", "content": ""}
WRITTEN = {"path": "/x", "content": "old\n", "mode": "0640", "owner": "games", "group": "mail"}
WHOLE = {"replace_all": True, "hard_links": "break"}
NO_ACTION = "no action of manage_service brings that back"


def state(active: str | None, enabled: str | None = "enabled") -> dict[str, str | None]:
    return {"active": active, "enabled": enabled}


def leaving(call: Invocation, sentence: str) -> Invocation:
    return replace(call, leaves=(sentence,))


def call(tool: str, **arguments: Any) -> Invocation:
    return Invocation(tool=tool, arguments=arguments)


def removal(tool: str, **arguments: Any) -> Invocation:
    return Invocation(tool=tool, arguments=arguments, removes=True)


def act(action: str) -> Invocation:
    return call("manage_service", name="x", action=action)


def package(version: str | None) -> Invocation:
    if version is None:
        return removal("install_package", name="x", state="absent")
    return call("install_package", name="x", state="present", version=version)


# The tool, the state before and after, and the call, or words of the reason why there is
# none.
UNDO: Mapping[str, tuple[str, Any, Any, Invocation | str]] = {
    "a file is written over": (
        "write_file",
        TEXT,
        NEW,
        call("write_file", **WRITTEN, **WHOLE, expected_sha256=SHA),
    ),
    "bytes are written over": (
        "write_file",
        {**TEXT, "content": "6Q==", "encoding": "base64"},
        NEW,
        call(
            "write_file",
            **{**WRITTEN, "content": "6Q=="},
            encoding="base64",
            **WHOLE,
            expected_sha256=SHA,
        ),
    ),
    "a file of several names is written": (
        "write_file",
        {**TEXT, "hard_links": 2},
        {**NEW, "hard_links": 2},
        call("write_file", **WRITTEN, **{**WHOLE, "hard_links": "keep"}, expected_sha256=SHA),
    ),
    "a name gets a file of its own": (
        "write_file",
        {**TEXT, "hard_links": 2},
        NEW,
        leaving(call("write_file", **WRITTEN, **WHOLE, expected_sha256=SHA), LINKS_BROKEN),
    ),
    "a file is new, with directories": (
        "write_file",
        None,
        {
            **NEW,
            "created_directories": [
                {"path": "/a", "mode": "0755"},
                {"path": "/a/b", "mode": "0755"},
            ],
        },
        removal("remove_file", path="/x", expected_sha256=SHA, empty_parents=2),
    ),
    "a file is removed, with directories": (
        "remove_file",
        {**TEXT, "removed_directories": ["/a"]},
        None,
        leaving(call("write_file", **WRITTEN, parents=True), NOT_KEPT),
    ),
    "a link is new": ("write_file", None, {"link": "y"}, removal("remove_file", path="/x")),
    "a link is another": (
        "write_file",
        {"link": "z"},
        {"link": "y"},
        call("write_file", path="/x", link_to="z"),
    ),
    "a link is removed": (
        "remove_file",
        {"link": "z"},
        None,
        call("write_file", path="/x", link_to="z"),
    ),
    "a file is new": (
        "write_file",
        None,
        NEW,
        removal("remove_file", path="/x", expected_sha256=SHA),
    ),
    "a secret is new": (
        "write_file",
        None,
        {**LEFT, "left_out": "secret"},
        removal("remove_file", path="/x", expected_sha256=OTHER, secret=True),
    ),
    "a file is removed": (
        "remove_file",
        TEXT,
        None,
        leaving(call("write_file", **WRITTEN), NOT_KEPT),
    ),
    "it was a secret": ("write_file", {**LEFT, "left_out": "secret"}, NEW, "is a secret"),
    "it was large": ("remove_file", {**LEFT, "left_out": "larger"}, None, "is larger than"),
    "it was no text": ("remove_file", {**LEFT, "left_out": "binary"}, None, "is no text"),
    "it is not known": ("remove_file", {**LEFT, "left_out": "unknown"}, None, "is not known"),
    "started": ("manage_service", state("inactive"), state("active"), act("stop")),
    "started, and reloads": ("manage_service", state("inactive"), state("reloading"), act("stop")),
    "stopped": ("manage_service", state("active"), state("inactive"), act("start")),
    "stopped, with an error": (
        "manage_service",
        state("active"),
        state("failed"),
        act("start"),
    ),
    "failed to start": ("manage_service", state("inactive"), state("failed"), NO_ACTION),
    "enabled": ("manage_service", state("active", "disabled"), state("active"), act("disable")),
    "disabled": ("manage_service", state("active"), state("active", "disabled"), act("enable")),
    "disabled, but linked": (
        "manage_service",
        state("active"),
        state("active", "linked"),
        act("enable"),
    ),
    "it was failed": ("manage_service", state("failed"), state("active"), NO_ACTION),
    "it failed then": (
        "manage_service",
        state(None),
        state("failed"),
        "was in an unknown state, now failed",
    ),
    "enabled in another way": (
        "manage_service",
        state("active", "enabled-runtime"),
        state("active"),
        NO_ACTION,
    ),
    "installed": ("install_package", None, {"version": "1.6-2"}, package(None)),
    "removed": ("install_package", {"version": "1.6-2"}, None, package("1.6-2")),
    "upgraded": ("update_system", {"version": "1.5"}, {"version": "1.6"}, package("1.5")),
}


@pytest.mark.parametrize("case", UNDO)
def test_what_takes_an_effect_back(case: str) -> None:
    tool, before, after, expected = UNDO[case]
    undo = catalog.load()[tool].undo
    assert undo is not None

    told = undo(Effect(kind="", name="/x" if "file" in tool else "x", before=before, after=after))

    if isinstance(expected, str):
        assert isinstance(told, str)
        assert expected in told
        assert told.endswith(".")
    else:
        assert told == expected
        assert accepted(expected)


# The tool, its arguments, and what is to hold then.
INTENTS: Mapping[str, tuple[str, Mapping[str, Any], Mapping[str, Invocation]]] = {
    "write": (
        "write_file",
        {"path": "/a", "content": "", "mode": "0600", "backup": True, "expected_sha256": SHA},
        {"file /a": call("write_file", path="/a", content="", mode="0600", secret=False, **WHOLE)},
    ),
    "remove": (
        "remove_file",
        {"path": "/a", "expected_sha256": SHA},
        {"file /a": removal("remove_file", path="/a", secret=False)},
    ),
    "restart": (
        "manage_service",
        {"name": "x.service", "action": "restart"},
        {
            "restart x.service": call("manage_service", name="x.service", action="restart"),
            "service x active": act("start"),
        },
    ),
    "stop": ("manage_service", {"name": "x", "action": "stop"}, {"service x active": act("stop")}),
    "enable": (
        "manage_service",
        {"name": "x", "action": "enable"},
        {"service x enabled": act("enable")},
    ),
    "a socket": (
        "manage_service",
        {"name": "x.socket", "action": "start"},
        {"service x.socket active": call("manage_service", name="x.socket", action="start")},
    ),
    "reload": (
        "manage_service",
        {"name": "x", "action": "reload"},
        {"reload x": act("reload")},
    ),
    "look": ("manage_service", {"name": "x", "action": "status"}, {}),
    "latest": (
        "install_package",
        {"name": ["a", "b"], "state": "latest"},
        {f"package {name}": call("install_package", name=name, state="present") for name in "ab"},
    ),
    "a version": ("install_package", {"name": "x", "version": "1"}, {"package x": package("1")}),
    "absent": ("install_package", {"name": "x", "state": "absent"}, {"package x": package(None)}),
}


@pytest.mark.parametrize("case", INTENTS)
def test_what_is_to_hold_after_a_call(case: str) -> None:
    name, arguments, expected = INTENTS[case]
    tool = catalog.load()[name]
    assert tool.intents is not None

    given = tool.input.model_validate({"server": "web1", "preview": True, **arguments})
    told = {str(intent.thing): intent.call for intent in tool.intents(given)}

    assert told == expected
    assert all(accepted(call) for call in told.values())


def test_a_secret_content_is_in_no_record() -> None:
    tool = catalog.load()["write_file"]
    given = {"path": "/a", "content": "CANARY"}

    assert "CANARY" in str(tool.input.model_validate(given).recorded())
    assert "CANARY" not in str(tool.input.model_validate({**given, "secret": True}).recorded())


def accepted(one: Invocation) -> bool:
    return catalog.load()[one.tool].input.model_validate(dict(one.arguments)) is not None
