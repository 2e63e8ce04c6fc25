"""What package managers are asked for, and what their words mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import ValidationError

from playrail.tools.tool import Risk
from playrail.toolsets.packages.changes import PackageChanges
from playrail.toolsets.packages.input import Packages
from playrail.toolsets.packages.tools import install_package
from worlds.package_results import saying


@pytest.mark.parametrize(
    "name", ["jq", "libc6:i386", "g++", "libstdc++6", "NetworkManager", "7zip", "java-17-openjdk"]
)
def test_a_package(name: str) -> None:
    assert Packages(name=name).names == [name]
    assert Packages(name=[name, "jq"]).names == [name, "jq"]


@pytest.mark.parametrize(
    "name",
    [
        *(
            "",
            "-y",
            "--purge",
            "nginx-",
            "/tmp/x.deb",
            "./x",
            "x.deb",
            "x.rpm",
            "lib*",
            "jq?",
            "[ab]",
            "@core",
        ),
        *(
            "jq=1.6",
            "jq/sid",
            "https://example.org/x",
            "jq htop",
            "jq,htop",
            "jq;id",
            "$(id)",
            "jq\n",
            "{{ 7 * 7 }}",
        ),
        "a" * 201,
    ],
)
def test_no_package(name: str) -> None:
    for given in (name, ["jq", name]):
        with pytest.raises(ValidationError) as refusal:
            Packages(name=given)
        assert not name or name not in str(refusal.value)


@pytest.mark.parametrize(
    "given",
    [
        {"name": []},
        {"name": [f"p{number}" for number in range(21)]},
        {"name": "jq", "version": "1.6*"},
        {"name": "jq", "version": "-1"},
        {"name": "jq", "version": "1.6", "state": "latest"},
        {"name": "jq", "version": "1.6", "state": "absent"},
        {"name": ["jq", "htop"], "version": "1.6"},
    ],
)
def test_what_cannot_be_asked(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Packages.model_validate(given)


@pytest.mark.parametrize(
    ("state", "risk"),
    [("present", Risk.WRITE), ("latest", Risk.WRITE), ("absent", Risk.DESTRUCTIVE)],
)
def test_only_removal_is_destructive(state: Any, risk: Risk) -> None:
    assert install_package.risk_of(Packages(name="jq", state=state)) is risk


def changes(given: Mapping[str, Any], raw: Mapping[str, Any]) -> PackageChanges:
    whole: dict[str, Any] = {
        "stdout": "",
        "results": [],
        **saying(None),
        "only_checked": False,
        "lists_updated": False,
    }
    whole |= {"provided_before": {}, "provided_after": {}, **raw}
    return PackageChanges.model_validate(whole, context={"given": Packages.model_validate(given)})


def outcomes(report: PackageChanges) -> list[tuple[str, ...]]:
    return [
        (one.name, one.outcome, str(one.version_before), str(one.version_after))
        for one in report.packages
    ]


def others(report: PackageChanges) -> list[tuple[str, str]] | None:
    return None if report.others is None else [(one.name, one.outcome) for one in report.others]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("1.0", "1.1"),
        ("1.9", "1.10"),
        ("1.0", "1.0-1"),
        ("1.0-1", "1.0.1-1"),
        ("1.0~rc1-1", "1.0-1"),
        ("1.0-1", "1.0-1+deb12u1"),
        ("9.9-1", "1:1.0-1"),
        ("1.6-2.1", "1.6-2.1+deb12u3"),
        ("5.14.0-9.el9", "5.14.0-70.el9"),
    ],
)
def test_a_later_version(before: str, after: str) -> None:
    for one, other, outcome in ((before, after, "upgraded"), (after, before, "downgraded")):
        report = changes(
            {"name": "x"}, {"manager": "apt", "before": {"x": one}, "after": {"x": other}}
        )
        assert outcomes(report) == [("x", outcome, one, other)]


def test_what_dnf_did() -> None:
    did = ["Installed: jq-1.6-9.el9.x86_64", "Installed: oniguruma-6.9.6-1.el9.5.x86_64"]
    did += [
        "Removed: oniguruma-1:6.9.5-1.el9.x86_64",
        "Removed: old-thing-1-2.noarch",
        "Nothing to do",
    ]
    looks = {"manager": "dnf", "before": {"jq": None}, "after": {"jq": "1.6-9.el9"}}
    report = changes({"name": "jq"}, {**looks, "results": did})

    assert outcomes(report) == [("jq", "installed", "None", "1.6-9.el9")]
    assert others(report) == [("old-thing", "removed"), ("oniguruma", "downgraded")]


def test_a_preview_tells_what_would_be() -> None:
    words = (
        "Inst libonig5 (6.9.8-1 Debian:12/stable [amd64])\nInst jq [1.5] (1.6 Debian:12/stable "
        "[amd64])\nConf jq\n"
    )
    looks = {"manager": "apt", "before": {"jq": "1.5"}, "after": {"jq": "1.5"}}
    report = changes({"name": "jq"}, {**looks, "only_checked": True, "stdout": words})
    assert outcomes(report) == [("jq", "upgraded", "1.5", "1.6")]
    assert others(report) == [("libonig5", "installed")]

    gone = {**looks, "only_checked": True, "stdout": "Remv jq [1.5]\n"}
    report = changes({"name": "jq", "state": "absent"}, gone)
    assert outcomes(report) == [("jq", "removed", "1.5", "None")]
    assert report.problem() is None


@pytest.mark.parametrize("manager", ["apk", "zypper", "pacman"])
@pytest.mark.parametrize("before", [None, "1.6"])
def test_what_other_managers_do_is_not_known(manager: str, before: str | None) -> None:
    looks = {
        "manager": manager,
        "before": {"jq": before},
        "after": {"jq": before},
        "stdout": "(1/1) Installing jq",
    }
    preview = changes({"name": "jq", "state": "latest"}, {**looks, "only_checked": True})
    assert (outcomes(preview)[0][1], others(preview), preview.problem()) == (
        "not_previewed",
        None,
        None,
    )

    report = changes({"name": "jq"}, {**looks, "after": {"jq": "1.7"}})
    assert (outcomes(report)[0][3], others(report), report.problem()) == ("1.7", None, None)


NO_PACKAGE: dict[str, Any] = {"manager": "dnf", "before": {"vim": None}, "after": {"vim": None}}
NONE: dict[str, list[str]] = {"vim": []}
SOME = {"vim": ["vim-enhanced"]}


@pytest.mark.parametrize(
    ("state", "before", "after", "outcome"),
    [
        ("present", SOME, SOME, "unchanged"),
        ("latest", NONE, SOME, "installed"),
        ("absent", SOME, NONE, "removed"),
        ("absent", NONE, NONE, "unchanged"),
    ],
)
def test_a_name_that_another_package_provides(
    state: str, before: dict[str, Any], after: dict[str, Any], outcome: str
) -> None:
    report = changes(
        {"name": "vim", "state": state},
        {**NO_PACKAGE, "provided_before": before, "provided_after": after},
    )
    assert outcomes(report) == [("vim", outcome, "None", "None")]
    assert report.packages[0].provided_by == after["vim"]
    assert report.problem() is None


@pytest.mark.parametrize("state", ["present", "latest"])
def test_a_name_that_nothing_provides_is_no_success(state: str) -> None:
    report = changes(
        {"name": "vim", "state": state},
        {**NO_PACKAGE, "provided_before": NONE, "provided_after": NONE},
    )
    problem = report.problem()
    assert problem is not None
    assert (problem.code, "vim" in problem.error) == ("package_failed", True)


def test_a_name_that_several_packages_provide() -> None:
    looks = {
        "manager": "apt",
        "before": {"awk": None},
        "after": {"awk": None},
        **saying("E: 'awk' has no candidate"),
    }
    report = changes(
        {"name": "awk"},
        {**looks, "stdout": "Package awk is a virtual package provided by:\n  mawk 1.3\n"},
    )
    problem = report.problem()
    assert problem is not None
    assert (problem.code, "several packages provide" in problem.error) == (
        "package_not_found",
        True,
    )


def test_a_preview_of_a_name_that_another_package_provides() -> None:
    def preview(state: str, now: dict[str, Any], *would: str) -> str:
        looks = {
            **NO_PACKAGE,
            "only_checked": True,
            "provided_before": now,
            "provided_after": now,
            "results": would,
        }
        report = changes({"name": "vim", "state": state}, looks)
        assert report.problem() is None
        return outcomes(report)[0][1]

    assert preview("present", NONE, "Installed: vim-enhanced-2:8.2-1.el9.x86_64") == "not_previewed"
    assert preview("present", SOME) == "unchanged"
    assert preview("absent", SOME, "Removed: vim-enhanced-2:8.2-1.el9.x86_64") == "removed"
    assert preview("absent", NONE) == "unchanged"


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (
            "Failed to install some of the specified packages\nNo package nosuch available.",
            "package_not_found",
        ),
        ("This command has to be run under the root user.", "permission_denied"),
        (
            "Depsolve Error occurred: \n Problem: conflicting requests\n - nothing provides x",
            "dependency_conflict",
        ),
        (
            (
                "Problem: The operation would result in removing the following protected packages: "
                "dnf"
            ),
            "essential_package",
        ),
        ("No provider of 'nosuch' found.", "package_not_found"),
        ("ERROR: unable to select packages:\n  nosuch (no such package)", "package_not_found"),
        (
            "ERROR: Unable to lock database: Resource temporarily unavailable",
            "package_manager_busy",
        ),
        (
            "System management is locked by the application with pid 7 (zypper).",
            "package_manager_busy",
        ),
        ("E: Failed to fetch http://x/y  404  Not Found", "repository_unreachable"),
        ("E: You don't have enough free space in /var/cache/apt/archives/.", "disk_full"),
        ("something else", "package_failed"),
    ],
)
def test_what_a_failure_means(failure: str, code: str) -> None:
    looks = {"manager": "dnf", "before": {"x": None}, "after": {"x": None}, **saying(failure)}
    problem = changes({"name": "x"}, looks).problem()
    assert problem is not None
    assert problem.code == code
    assert problem.retryable is (code in ("package_manager_busy", "repository_unreachable"))
