"""What a preview tells of effects, and what it says that nobody knows beforehand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from playrail.tools.effects import Effect
from playrail.toolsets.packages.changes import PackageChanges
from playrail.toolsets.packages.input import Packages
from playrail.toolsets.processes import ProcessAction, ProcessOutcome
from playrail.toolsets.services.actions import ServiceAction
from playrail.toolsets.services.state import ServiceState
from worlds.package_results import saying

DISABLED = {"LoadState": "loaded", "ActiveState": "inactive", "UnitFileState": "disabled"}
ONESHOT = {**DISABLED, "Type": "oneshot", "RemainAfterExit": "no"}
# What is asked of a unit in this state, the states it would be in, and words of what is not
# known beforehand.
FORESEEN: Mapping[str, tuple[str, Mapping[str, str], tuple[str, str] | None, str]] = {
    "start": ("start", DISABLED, ("active", "disabled"), "Whether x comes up"),
    "start what ends by itself": ("start", ONESHOT, None, "x runs and ends each time"),
    "start again what failed": (
        "restart",
        {**ONESHOT, "ActiveState": "failed"},
        ("inactive", "disabled"),
        "x runs",
    ),
    "start what stays": (
        "start",
        {**ONESHOT, "RemainAfterExit": "yes"},
        ("active", "disabled"),
        "Whether x comes up",
    ),
    "start a masked one": ("start", {**DISABLED, "LoadState": "masked"}, None, "x is masked"),
    "enable": ("enable", DISABLED, ("inactive", "enabled"), ""),
    "enable an indirect one": (
        "enable",
        {**DISABLED, "UnitFileState": "indirect"},
        None,
        "x, which is indirect,",
    ),
    "enable for good": (
        "enable",
        {**DISABLED, "UnitFileState": "enabled-runtime"},
        ("inactive", "enabled"),
        "",
    ),
    "disable": ("disable", {**DISABLED, "UnitFileState": "enabled"}, ("inactive", "disabled"), ""),
    "disable a static one": ("disable", {**DISABLED, "UnitFileState": "static"}, None, ""),
    "disable a generated one": ("disable", {**DISABLED, "UnitFileState": "generated"}, None, ""),
}


@pytest.mark.parametrize("case", FORESEEN)
def test_what_would_become_of_a_unit(case: str) -> None:
    action, before, after, words = FORESEEN[case]
    given = ServiceAction.model_validate({"name": "x", "action": action})
    status = {"Id": "real.service", **before}
    looked = {"status": status, "before": status, "changed": True, "only_checked": True}

    report = ServiceState.model_validate(looked, context={"given": given})

    was = {"active": before["ActiveState"], "enabled": before["UnitFileState"]}
    becomes = after and {"active": after[0], "enabled": after[1]}
    effect = becomes and Effect(kind="service", name="real", before=was, after=becomes)
    assert list(report.effects()) == ([effect] if effect else [])
    assert words in "".join(report.unforeseen())
    assert bool(report.unforeseen()) is bool(words)


NATIVE = (
    "Unpacking jq (1.6) over (1.5) ...\nUnpacking lib:amd64 (2) ...\nUnpacking doc:all (3) ...\n"
)
FOREIGN = "Unpacking lib:i386 (2) over (1) ...\nRemoving old:i386 (1) ...\n"
WOULD_BE = {
    NATIVE: (
        "Inst jq [1.5] (1.6 Debian [amd64])\nInst lib (2 Debian [amd64])\nInst doc (3 Debian "
        "[all])\n"
    ),
    FOREIGN: "Inst lib:i386 [1] (2 Debian [i386])\nRemv old:i386 [1]\n",
}


@pytest.mark.parametrize("asked", [["jq", "lib:i386"], ["jq:amd64", "lib:i386"]])
def test_a_package_of_another_architecture_is_another_one(asked: list[str]) -> None:
    given = Packages.model_validate({"name": asked})
    told = []
    for words, only_checked in (("".join(WOULD_BE), False), ("".join(WOULD_BE.values()), True)):
        was = dict(zip(asked, ("1.5", "1"), strict=True))
        looks = {
            "before": was,
            "after": was if only_checked else dict(zip(asked, ("1.6", "2"), strict=True)),
        }
        raw: dict[str, Any] = {
            "manager": "apt",
            "architecture": "amd64",
            "stdout": words,
            "results": [],
            **saying(None),
            **looks,
        }
        raw |= {
            "provided_before": {},
            "provided_after": {},
            "lists_updated": False,
            "only_checked": only_checked,
        }
        told.append(PackageChanges.model_validate(raw, context={"given": given}).effects())

    assert told[0] == told[1]
    assert [one.name for one in told[0]] == ["jq", "lib:i386", "doc", "lib", "old:i386"]


@pytest.mark.parametrize(
    ("given", "version", "known"),
    [
        ({}, "1", True),
        ({}, None, False),
        ({"version": "1"}, "1", True),
        ({"version": "2"}, "1", False),
        ({"state": "latest"}, "1", False),
        ({"state": "absent"}, None, True),
        ({"state": "absent"}, "1", False),
    ],
)
@pytest.mark.parametrize(
    "blind",
    [None, "no match for argument, after 3000 milliseconds", "no match for argument, after 3 ms"],
)
def test_what_is_so_already_is_known_without_a_preview(
    given: dict[str, str], version: str | None, known: bool, blind: str | None
) -> None:
    looks: dict[str, Any] = {
        "manager": "apk",
        "before": {"x": version},
        "after": {"x": version},
        **saying(blind, blind=True),
    }
    looks |= {
        "provided_before": {},
        "provided_after": {},
        "lists_updated": False,
        "only_checked": True,
    }
    raw = {**looks, "stdout": "", "results": []}

    report = PackageChanges.model_validate(
        raw, context={"given": Packages.model_validate({"name": "x", **given})}
    )

    assert report.packages[0].outcome == ("unchanged" if known else "not_previewed")
    assert bool(report.unforeseen()) is not known
    assert "3" not in "".join(report.unforeseen()), "a plan is bound to the words"


def test_a_signal_is_foreseen_by_process() -> None:
    names = [
        (12, "b", "would_be_signalled"),
        (3, "b", "would_be_signalled"),
        (7, "a\n", "not_permitted"),
        (9, "c", "gone"),
    ]
    told = [
        {"pid": pid, "name": name, "user": "u", "ended": False, "how": how}
        for pid, name, how in names
    ]
    looked = {
        "processes": [],
        "total": 6,
        "signalled": told,
        "all_visible": True,
        "truncated": True,
    }
    given = ProcessAction.model_validate({"action": "kill", "target": "b", "signal": "HUP"})

    said = ProcessOutcome.model_validate(looked, context={"given": given}).unforeseen()

    assert said == (
        ("What HUP brings about for a\\n (7), b (3, 12) and 2 more is known only when it is sent."),
    )
