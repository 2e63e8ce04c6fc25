"""What of several calls of the shipped tools remains: files under two names, fields left
unset, units that go.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from playrail.history.replay import NOT_KEPT, NOT_KNOWN, NOT_TOLD, Replay, Selection, replay
from playrail.safe_text.secrets import HIDDEN
from worlds.replayed_calls import (
    ALL,
    TOOLS,
    Did,
    captured,
    package,
    recorded,
    records,
    service,
    write,
)

GOES = "no step brings its unit about, and a later one removes it"
UNIT = "/etc/systemd/system/app.service"


def replayed(*calls: Did) -> Replay:
    return replay(recorded(*calls), Selection(), ALL)


def told(found: Replay, *fields: str) -> list[str]:
    """Each step as its title and these fields, with a * behind those that are marked."""
    steps: Sequence[Any] = found.steps
    values = (
        [str(value) for name in fields if (value := getattr(step.given, name, None))]
        for step in steps
    )
    return [
        " ".join([step.title, *its]) + ("*" if step.mark else "")
        for step, its in zip(steps, values, strict=True)
    ]


KEPT: dict[str, tuple[list[Did], list[str]]] = {
    "what is left unset stays": (
        [write("/k", "a", mode="0600", owner="nobody"), write("/k", "b")],
        ["File /k b 0600 nobody"],
    ),
    "over several calls": (
        [
            write("/k", "a", mode="0600"),
            write("/k", "b", owner="nobody"),
            write("/k", "c", group="mail"),
        ],
        ["File /k c 0600 nobody mail"],
    ),
    "until it is set anew": (
        [write("/k", "a", mode="0600"), write("/k", "b", mode="0644")],
        ["File /k b 0644"],
    ),
    "or removed": (
        [write("/k", "a", mode="0600"), ("remove_file", {"path": "/k"}), write("/k", "b")],
        ["File /k b"],
    ),
    "not what a step sets that remains: what comes in between may change it": (
        [
            write("/k", "a", mode="0600"),
            ("execute_command", {"cmd": "chmod 644 /k"}),
            write("/k", "b"),
        ],
        ["File /k a 0600*", "execute_command*", "File /k b"],
    ),
    "a version": ([package("jq", version="1.6"), package("jq")], ["Package jq 1.6"]),
    "not of what was removed": (
        [package("jq", version="1.6"), package("jq", state="absent"), package("jq")],
        ["Package jq"],
    ),
    "nor where the newest was asked for": (
        [package("jq", version="1.6"), package("jq", state="latest")],
        ["Package jq"],
    ),
    "an upgrade changes it": (
        [package("jq", version="1.6"), captured(("update_system", {}), "package", "jq")],
        ["Package jq", "update_system"],
    ),
    "or does not": (
        [package("jq", version="1.6"), captured(("update_system", {}), "package", "vim")],
        ["Package jq 1.6", "update_system"],
    ),
    "as another package does": (
        [package("jq", version="1.6"), captured(package("web"), "package", "web", "jq")],
        ["Package jq", "Package web"],
    ),
}


@pytest.mark.parametrize(("calls", "steps"), KEPT.values(), ids=KEPT.keys())
def test_what_a_call_leaves_unset(calls: list[Did], steps: list[str]) -> None:
    assert told(replayed(*calls), "content", "mode", "owner", "group", "version") == steps


def test_what_is_left_unset_differs_by_host() -> None:
    both = {"on": ["h1", "h2"]}

    steps = replayed(write("/k", "a", mode="0600"), write("/k", "b", **both)).steps

    assert [(step.hosts, getattr(step.given, "mode", "")) for step in steps] == [
        (["h1"], "0600"),
        (["h2"], None),
    ]


NAMES: dict[str, tuple[list[Did], list[str]]] = {
    "a path in other words": (
        [write("/etc/./x"), write("/etc//y/"), write("/etc/x")],
        ["/etc//y/", "/etc/x"],
    ),
    "a path through a link": (
        [
            captured(write("/link/x"), "file", "/real/x"),
            captured(write("/real/x"), "file", "/real/x"),
        ],
        ["/real/x"],
    ),
    "that changed nothing the second time": (
        [captured(write("/link/x"), "file", "/real/x"), write("/link/x"), write("/real/x")],
        ["/real/x"],
    ),
    "or the first time": (
        [write("/link/x"), write("/real/x"), captured(write("/link/x", "y"), "file", "/real/x")],
        ["/link/x"],
    ),
    "an alias of a unit": (
        [captured(service("sshd", "stop"), "service", "ssh"), service("ssh", "start")],
        ["ssh"],
    ),
    "but not what is another aspect of it": (
        [captured(service("sshd", "stop"), "service", "ssh"), service("ssh", "enable")],
        ["sshd", "ssh"],
    ),
    "an architecture": (
        [captured(package("jq:amd64"), "package", "libjq1", "jq"), package("jq", state="absent")],
        ["jq"],
    ),
}


@pytest.mark.parametrize(("calls", "names"), NAMES.values(), ids=NAMES.keys())
def test_one_thing_under_two_names(calls: list[Did], names: list[str]) -> None:
    assert [step.name for step in replayed(*calls).steps] == names


UNITS: dict[str, tuple[list[Did], list[str], list[str]]] = {
    "stopped, and its package removed": (
        [service("nginx", "stop"), package("nginx", state="absent")],
        ["Package nginx"],
        [GOES],
    ),
    "disabled, and its file removed": (
        [service("app", "disable"), ("remove_file", {"path": UNIT})],
        [f"File {UNIT}"],
        [GOES],
    ),
    "restarted, and its package removed": (
        [service("nginx.service", "restart"), package("nginx", state="absent")],
        ["Package nginx"],
        [GOES, GOES],
    ),
    "an instance": (
        [service("app@1", "stop"), ("remove_file", {"path": "/etc/systemd/system/app@.service"})],
        ["File /etc/systemd/system/app@.service"],
        [GOES],
    ),
    "made by a step": (
        [write(UNIT), service("app", "start"), ("remove_file", {"path": UNIT})],
        [f"File {UNIT}*", "Service app active*", f"File {UNIT}"],
        [],
    ),
    "perhaps made by a command": (
        [
            ("execute_command", {"cmd": "make install"}),
            service("app", "start"),
            ("remove_file", {"path": UNIT}),
        ],
        ["execute_command*", "Service app active*", f"File {UNIT}"],
        [],
    ),
    "of another package": (
        [service("cron", "stop"), package("less", state="absent")],
        ["Service cron active", "Package less"],
        [],
    ),
}


@pytest.mark.parametrize(("calls", "steps", "left_out"), UNITS.values(), ids=UNITS.keys())
def test_services_whose_unit_goes(calls: list[Did], steps: list[str], left_out: list[str]) -> None:
    found = replayed(*calls)

    assert told(found) == steps
    assert [one.why for one in found.left_out] == left_out


def test_a_hidden_secret_has_to_be_provided() -> None:
    """Two names with one may be two things, so each call is done again."""
    named = write(f"/{HIDDEN}", hidden=["path"])
    found = replayed(write("/k", f"password={HIDDEN}", hidden=["content"]), named, named)

    assert [set(step.secrets) for step in found.steps] == [{"content"}, {"path"}, {"path"}]
    assert found.left_out == []


def test_asterisks_are_text_as_any_other() -> None:
    stars = "********"
    found = replayed(write("/k", f"password={stars}"), write(f"/{stars}"), write(f"/{stars}", "y"))

    assert [(step.name, set(step.secrets)) for step in found.steps] == [
        ("/k", set()),
        (f"/{stars}", set()),
    ]


@pytest.mark.parametrize("cmd", [f"login {HIDDEN}", f"login '{HIDDEN}'"])
def test_a_command_with_a_hidden_secret_is_left_out(cmd: str) -> None:
    """What is run is no text, in whose place another one could be given."""
    arguments = {"cmd": cmd, "preview": False}
    bodies = {"started1": {"version": 2, "arguments": arguments, "hidden": ["cmd", "argv"]}}
    told = [{**record, "tool": "execute_command"} for record in records("command", **bodies)]

    found = replay(told, Selection(), ALL)

    assert (found.steps, [one.why for one in found.left_out]) == ([], [NOT_KEPT])


def test_what_came_of_a_later_call_is_not_known() -> None:
    found = replayed(
        captured(write("/link/x"), "file", "/real/x"),
        write("/link/./x", "y", outcome="outcome_unknown"),
        ("execute_command", {"cmd": "true", "outcome": "outcome_unknown"}),
    )

    assert [
        (one.why, {(host, str(thing)) for host, thing in one.things}) for one in found.left_out
    ] == [
        (NOT_KNOWN, {("h1", "file /real/x")}),
        (NOT_KNOWN, set()),
    ]
    assert [str(step.thing) for step in found.steps] == ["file /real/x"]


def test_playbooks_that_tell_nothing() -> None:
    found = replay(records("signal:a"), Selection(), TOOLS)

    assert [one.why for one in found.left_out] == [NOT_TOLD]
