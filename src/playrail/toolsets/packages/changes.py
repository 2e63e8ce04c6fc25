"""What became of packages that were asked for, and of others because of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field, ValidationInfo, model_validator

from playrail.codes import work
from playrail.errors import Problem
from playrail.tools.effects import Effect
from playrail.tools.tool import Report
from playrail.toolsets.packages.effects import (
    UNFINISHED,
    Outcome,
    blindness,
    effects_of,
    plain_name,
)
from playrail.toolsets.packages.failures import (
    known_failure,
    last_words,
    no_lists,
    with_repositories,
)
from playrail.toolsets.packages.input import Packages
from playrail.toolsets.packages.output import Versions, failure_of, left_open, packages_done
from playrail.toolsets.packages.versions import is_older

VIRTUAL = re.compile(r"is a virtual package provided by")  # apt tells it apart from its errors
# What these did is read; what the other managers did, or would do, is not known
TOLD_BY = ("apt", "dnf", "dnf5")


class PackageChange(Report):
    name: str
    outcome: Outcome
    version_before: str | None
    version_after: str | None


class AskedPackage(PackageChange):
    provided_by: list[str] = Field(
        description="Installed packages that provide this name, when none is named so."
    )


class PackageChanges(Report):
    packages: list[AskedPackage] = Field(
        description="The packages that were asked for; not_previewed: only a real run would tell."
    )
    others: list[PackageChange] | None = Field(
        description=(
            "Packages that were changed because of these; null: not known, as of zypper, apk "
            "and pacman."
        )
    )
    package_manager: str = Field(description="The package manager: apt, dnf, zypper ..")
    lists_updated: bool = Field(description="Whether the package lists were fetched for this.")

    unreachable_repositories: list[str] | None = Field(
        default=None, description="Those whose lists could not be fetched; older lists were used."
    )
    unfinished: list[str] | None = Field(
        default=None, description="All packages that dpkg has not finished."
    )

    failure: str | None = Field(exclude=True)
    script: str | None = Field(default=None, exclude=True)
    unfetched: str = Field(default="", exclude=True)
    blind: str | None = Field(default=None, exclude=True)
    lists_wanted: bool = Field(default=False, exclude=True)
    only_checked: bool = Field(exclude=True)
    version: str | None = Field(exclude=True)
    state: str = Field(exclude=True)
    architecture: str | None = Field(default=None, exclude=True)

    @model_validator(mode="before")
    @classmethod
    def _of_looks(cls, raw: Any, info: ValidationInfo) -> Any:
        if not isinstance(raw, dict) or "before" not in raw:
            raise ValueError("is no look at packages")
        done = packages_done(raw["stdout"], raw["results"], architecture := raw.get("architecture"))
        given: Packages = (info.context or {})["given"]
        failed = failure_of(raw)
        return {
            "packages": [_asked(name, raw, done, given) for name in dict.fromkeys(given.names)],
            "others": _others(given.names, done, architecture)
            if raw["manager"] in TOLD_BY
            else None,
            "package_manager": raw["manager"],
            "lists_updated": raw["lists_updated"],
            **left_open(raw),
            "unfetched": raw.get("unfetched", ""),
            **failed,
            "failure": failed["failure"]
            and "\n".join([failed["failure"], *VIRTUAL.findall(raw["stdout"])]),
            "lists_wanted": raw.get("lists_wanted", False),
            "only_checked": raw["only_checked"],
            "version": given.version,
            "state": given.state,
            "architecture": architecture,
        }

    def effects(self) -> Sequence[Effect]:
        """Of a name that another package provides, that package is among the others."""
        told = [*self.packages, *(self.others or ())]
        return effects_of(
            {
                plain_name(one.name, self.architecture): (one.version_before, one.version_after)
                for one in told
            }
        )

    def unforeseen(self) -> Sequence[str]:
        names = [one.name for one in self.packages if one.outcome == "not_previewed"]
        if self.blind:
            return blindness(self.blind) if names else ()
        sentences = []
        if names:
            sentences.append(
                f"What would be done about {', '.join(names)} is known only in a real run."
            )
        if self.lists_wanted:
            sentences.append(
                "No package lists are fetched for a preview; those of today may have other "
                "versions."
            )
        if self.others is None and any(one.outcome != "unchanged" for one in self.packages):
            sentences.append(
                f"Which other packages {self.package_manager} would change is not known."
            )
        return sentences

    def problem(self) -> Problem | None:
        if self.failure is None:
            if self.only_checked:
                return None
            return (
                self._half_done()
                or self._not_latest()
                or (self._left() if self.state == "absent" else self._lacking())
            )
        what = "removal" if self.state == "absent" else "installation"
        if (
            self.script is None
            and (known := known_failure(self.failure, version=self.version)) is not None
        ):
            return with_repositories(known, self.unreachable_repositories or ())
        return Problem.of(
            work.PACKAGE_FAILED,
            f"The {what} did not finish: {self.script or last_words(self.failure)}",
            hint=f"The report has the versions that are there now. {work.PACKAGE_FAILED.hint}",
        )

    def _not_latest(self) -> Problem | None:
        return no_lists(self.unfetched) if self.state == "latest" else None

    def _half_done(self) -> Problem | None:
        """What is installed by half is left so by apt, which says that all is well."""
        half = [
            f"{one.name} is {one.outcome}" for one in self.packages if one.outcome in UNFINISHED
        ]
        if not half:
            return None
        return Problem.of(
            work.PACKAGE_FAILED,
            f"The package manager reported no failure, but {', '.join(half)}.",
        )

    def _left(self) -> Problem | None:
        """The module apt leaves a half installed package alone, and says that it is absent."""
        left = [one.name for one in self.packages if one.version_after is not None]
        if not left:
            return None
        return Problem.of(
            work.PACKAGE_FAILED,
            f"{', '.join(left)} is still there, most likely half installed.",
            hint=(
                "`dpkg --audit` tells what is wrong; execute_command with `dpkg --remove NAME` "
                "can remove it."
            ),
        )

    def _lacking(self) -> Problem | None:
        """The name of a group, or one that only other packages provide, succeeds as well."""
        lacking = [
            one.name for one in self.packages if one.version_after is None and not one.provided_by
        ]
        if not lacking:
            return None
        return Problem.of(
            work.PACKAGE_FAILED,
            (
                f"{', '.join(lacking)}: no package of that name is installed, and none is "
                "known to provide it."
            ),
            hint="The package manager reported no failure. Name the very package that is meant.",
        )


def _asked(
    name: str, raw: Mapping[str, Any], done: Mapping[str, Versions], given: Packages
) -> dict[str, Any]:
    """What became of a package; in check mode, what would become of it, as far as its
    manager tells.
    """
    plain = plain_name(name, raw.get("architecture"))
    before, after = raw["before"][name], raw["after"][name]
    providers_before = raw["provided_before"].get(name, [])
    providers = raw["provided_after"].get(name, [])
    if raw["only_checked"] and raw["manager"] in TOLD_BY:
        after = done.get(plain, (before, before))[1]
        providers = [one for one in providers if one not in done or done[one][1] is not None]
    change = _change(name, (before, after))
    if not raw["only_checked"] and plain in (raw.get("unfinished") or {}):
        change["outcome"] = raw["unfinished"][plain].replace("-", "_")
    if before is None and after is None and bool(providers_before) is not bool(providers):
        change["outcome"] = "installed" if providers else "removed"
    is_there = after is not None or bool(providers)
    if not _is_foreseen(raw, given, is_there=is_there) and not _is_so(
        given, before, providers_before
    ):
        change["outcome"] = "not_previewed"
    return {**change, "provided_by": providers if after is None else []}


def _is_foreseen(raw: Mapping[str, Any], given: Packages, *, is_there: bool) -> bool:
    """Whether what becomes of a package is known, in check mode too. Which package would
    come for a name that is none of a package, nobody tells beforehand.
    """
    if not raw["only_checked"]:
        return True
    tells = raw["manager"] in TOLD_BY and not raw.get("blind")
    return tells and (is_there or given.state == "absent")


def _is_so(given: Packages, version: str | None, provided_by: Sequence[str]) -> bool:
    """Whether a package is already as it is asked for."""
    if given.state == "absent":
        return version is None and not provided_by
    return given.state == "present" and version is not None and given.version in (None, version)


def _others(
    names: Sequence[str], done: Mapping[str, Versions], architecture: str | None
) -> list[dict[str, Any]]:
    asked = {plain_name(name, architecture) for name in names}
    return [_change(name, versions) for name, versions in done.items() if name not in asked]


def _change(name: str, versions: Versions) -> dict[str, Any]:
    before, after = versions
    if before == after:
        outcome = "unchanged"
    elif before is None or after is None:
        outcome = "installed" if before is None else "removed"
    else:
        outcome = "downgraded" if is_older(after, before) else "upgraded"
    return {"name": name, "outcome": outcome, "version_before": before, "version_after": after}
