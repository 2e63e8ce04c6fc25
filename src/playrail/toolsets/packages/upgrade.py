"""What an upgrade of the whole system came to."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field, model_validator

from playrail.codes import work
from playrail.errors import Problem
from playrail.tools.effects import Effect
from playrail.tools.tool import Report
from playrail.toolsets.packages.effects import blindness, effects_of
from playrail.toolsets.packages.failures import (
    known_failure,
    last_words,
    no_lists,
    with_repositories,
)
from playrail.toolsets.packages.output import Versions, failure_of, left_open, packages_done

KEPT_BACK = re.compile(
    (
        r"^The following (?:packages have been kept back|upgrades have been deferred due to "
        r"phasing):\n((?: +.*\n?)+)"
    ),
    re.MULTILINE,
)


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
            **left_open(raw),
            **failure_of(raw),
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
