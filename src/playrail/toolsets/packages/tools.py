"""Packages of the system's package manager."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationInfo, model_validator

from playrail.codes import work
from playrail.errors import Problem
from playrail.tools.effects import Effect
from playrail.tools.lasting import Intent, Invocation, Thing
from playrail.tools.tool import Changing, PlaybookTool, Report, Risk, by_field
from playrail.toolsets.packages.effects import (
    MOST_NAMES,
    UNFINISHED,
    UPGRADE,
    Outcome,
    blindness,
    effects_of,
    installed,
    intent,
    plain_name,
    removed,
    undo_package,
)
from playrail.toolsets.packages.failures import (
    known_failure,
    last_words,
    no_lists,
    script_failure,
    with_repositories,
)
from playrail.toolsets.packages.output import Versions, packages_done
from playrail.toolsets.packages.versions import is_older

KEPT_BACK = re.compile(
    (
        r"^The following (?:packages have been kept back|upgrades have been deferred due to "
        r"phasing):\n((?: +.*\n?)+)"
    ),
    re.MULTILINE,
)
VIRTUAL = re.compile(r"is a virtual package provided by")  # apt tells it apart from its errors
# What these did is read; what the other managers did, or would do, is not known
TOLD_BY = ("apt", "dnf", "dnf5")


class Upgraded(Report):
    name: str
    old_version: str
    new_version: str


class Installed(Report):
    name: str
    version: str


class SystemUpdate(Report):
    changed: bool = Field(description="Whether packages were changed.")
    upgraded: list[Upgraded] = Field(description="Packages that have a new version.")
    installed: list[Installed] = Field(
        description="Packages that are new, because upgraded ones need them."
    )
    removed: list[str] = Field(description="Packages that are gone.")
    kept_back: list[str] = Field(
        description="Packages with a new version that were left as they are."
    )
    held: list[str] = Field(description="Packages on hold, which are never upgraded.")
    reboot_required: bool | None = Field(
        description="Whether the server says that it has to be restarted."
    )
    packages_requiring_reboot: list[str] = Field(
        description="The packages because of which it says so."
    )

    unreachable_repositories: list[str] | None = Field(
        default=None, description="Those whose lists could not be fetched; older lists were used."
    )
    unfinished: list[str] | None = Field(
        default=None, description="Packages that dpkg has not finished."
    )

    distribution: str = Field(exclude=True)
    manager: str | None = Field(exclude=True)
    failure: str | None = Field(exclude=True)
    script: str | None = Field(default=None, exclude=True)
    unfetched: str = Field(default="", exclude=True)
    blind: str | None = Field(default=None, exclude=True)
    done: Mapping[str, Versions] = Field(default_factory=dict, exclude=True)

    @model_validator(mode="before")
    @classmethod
    def _of_output(cls, raw: Any) -> Any:
        if not isinstance(raw, dict) or "stdout" not in raw:
            return raw
        return {
            **raw,
            **_packages(raw["stdout"], raw.get("architecture")),
            **_left_open(raw),
        }

    def effects(self) -> Sequence[Effect]:
        return effects_of(self.done)

    def unforeseen(self) -> Sequence[str]:
        if self.blind:
            return blindness(self.blind)
        return (
            (
                "No package lists are fetched for a preview; with those of today more may be "
                "upgraded."
            ),
        )

    def problem(self) -> Problem | None:
        if self.manager != "apt":
            return Problem.of(
                work.UNSUPPORTED_OS,
                f"This host runs {self.distribution}; only Debian, Ubuntu and their kin can be "
                "upgraded so far.",
            )
        if self.failure is None:
            return no_lists(self.unfetched)
        if self.script is None and (known := known_failure(self.failure)) is not None:
            return with_repositories(known, self.unreachable_repositories or ())
        return Problem.of(
            work.UPGRADE_FAILED,
            f"The upgrade did not finish: {self.script or last_words(self.failure)}",
        )


def _left_open(raw: Mapping[str, Any]) -> dict[str, Any]:
    """What the work did not reach, and did not finish."""
    return {
        "unreachable_repositories": sorted(set(raw.get("unreached") or ())) or None,
        "unfinished": sorted(raw.get("unfinished") or ()) or None,
        "script": script_failure(raw["stdout"]),
    }


def _packages(output: str, architecture: str | None) -> dict[str, Any]:
    """What `apt-get upgrade` did, read from what it wrote."""
    done = packages_done(output, (), architecture)
    kept_back = [name for found in KEPT_BACK.findall(output) for name in found.split()]
    return {
        "changed": bool(done),
        "upgraded": [
            {"name": name, "old_version": old, "new_version": new}
            for name, (old, new) in done.items()
            if old and new
        ],
        "installed": [
            {"name": name, "version": new} for name, (old, new) in done.items() if not old
        ],
        "removed": [name for name, (_old, new) in done.items() if new is None],
        "kept_back": kept_back,
        "done": done,
    }


def _upgraded(_: Changing) -> Sequence[Intent]:
    call = Invocation(tool="update_system", arguments={})
    return (Intent(thing=Thing(UPGRADE, ""), call=call),)


update_system = PlaybookTool(
    name="update_system",
    summary="Upgrade all packages of a Debian or Ubuntu server, keeping configuration files.",
    risk=Risk.WRITE,
    input=Changing,
    playbook="packages/update_system.yml",
    report=SystemUpdate,
    timeout_s=1800,
    idempotent=True,
    interruptible=False,
    undo=undo_package,
    intents=_upgraded,
)


def _no_option(name: str) -> str:
    """apt-get takes NAME- for: remove it. Of NAME.deb and its like it would take the file."""
    if name.endswith(("-", ".deb", ".rpm", ".apk")):
        raise ValueError("must be a package's name, without - at its end and no file")
    return name


PackageName = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9+._:-]{0,199}$"), AfterValidator(_no_option)
]


Several = Annotated[list[PackageName], Field(min_length=1, max_length=MOST_NAMES)]


class Packages(Changing):
    name: PackageName | Several = Field(
        description=f"A package, or a list of up to {MOST_NAMES}.",
        examples=["nginx", ["jq", "htop"]],
    )
    state: Literal["present", "latest", "absent"] = Field(
        default="present",
        description=(
            "latest upgrades, too; absent removes but keeps configuration files. SSH, Python, "
            "init and sudo stay."
        ),
        examples=["present"],
    )
    version: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9.+:~^_-]{0,99}$")] | None = Field(
        default=None,
        description="Exact version of one package, also an older one.",
        examples=["1.6-2.1"],
    )
    update_cache: bool = Field(
        default=False,
        description="Fetch the package lists first; done anyway where needed.",
        examples=[False],
    )

    @model_validator(mode="after")
    def _version_of_one(self) -> Packages:
        if self.version is not None and self.state != "present":
            raise ValueError("version goes with state present only")
        if self.version is not None and len(self.names) != 1:
            raise ValueError("version goes with one package only")
        return self

    @property
    def names(self) -> list[str]:
        return [self.name] if isinstance(self.name, str) else self.name


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
        return {
            "packages": [_asked(name, raw, done, given) for name in dict.fromkeys(given.names)],
            "others": _others(given.names, done, architecture)
            if raw["manager"] in TOLD_BY
            else None,
            "package_manager": raw["manager"],
            "lists_updated": raw["lists_updated"],
            **_left_open(raw),
            "unfetched": raw.get("unfetched", ""),
            "failure": raw["failure"]
            and "\n".join([raw["failure"], *VIRTUAL.findall(raw["stdout"])]),
            "blind": raw.get("blind"),
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
        return (
            *(
                (f"What would be done about {', '.join(names)} is known only in a real run.",)
                if names
                else ()
            ),
            *(
                (
                    (
                        "No package lists are fetched for a preview; those of today may have "
                        "other versions."
                    ),
                )
                if self.lists_wanted
                else ()
            ),
            *(
                (f"Which other packages {self.package_manager} would change is not known.",)
                if self.others is None and any(one.outcome != "unchanged" for one in self.packages)
                else ()
            ),
        )

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
    before, after = raw["before"][name], raw["after"][name]
    had, has = (raw[key].get(name, []) for key in ("provided_before", "provided_after"))
    told = raw["manager"] in TOLD_BY
    if raw["only_checked"] and told:
        after = done.get(plain_name(name, raw.get("architecture")), (before, before))[1]
        has = [one for one in has if one not in done or done[one][1] is not None]
    change = {**_change(name, (before, after)), "provided_by": has if after is None else []}
    half = (raw.get("unfinished") or {}).get(plain_name(name, raw.get("architecture")))
    if half is not None and not raw["only_checked"]:
        change["outcome"] = half.replace("-", "_")
    if before is None and after is None and bool(had) is not bool(has):
        change["outcome"] = "installed" if has else "removed"
    # Which package would come for a name that is none of a package, nobody tells
    # beforehand.
    unseen = not told or raw.get("blind") or (given.state != "absent" and after is None and not has)
    if raw["only_checked"] and unseen and not _is_so(given, before, had):
        change["outcome"] = "not_previewed"
    return change


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


def _what_is_set(given: Packages) -> Sequence[Intent]:
    if given.state == "absent":
        return [intent(name, removed(name)) for name in given.names]
    newest = given.state == "latest"
    return [intent(name, installed(name, given.version), newest=newest) for name in given.names]


install_package = PlaybookTool(
    name="install_package",
    summary="Install, upgrade or remove software: packages by name, with their versions.",
    risk=by_field(
        "state", {"present": Risk.WRITE, "latest": Risk.WRITE}, otherwise=Risk.DESTRUCTIVE
    ),
    input=Packages,
    playbook="packages/install_package.yml",
    report=PackageChanges,
    timeout_s=1800,
    idempotent=True,
    interruptible=False,
    undo=undo_package,
    intents=_what_is_set,
)
