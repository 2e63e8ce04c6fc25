"""Packages of the system's package manager."""

from __future__ import annotations

import re
from typing import Any

from pydantic import Field, model_validator

from playrail.errors import Problem
from playrail.tool import OnHosts, PlaybookTool, Report, Risk

# What dpkg writes about each package, and what `apt-get --simulate` writes instead (in check mode); the locale is C.
UNPACKED = re.compile(
    r"^Unpacking (?P<name>[^\s:]+)\S* \((?P<new>\S+)\) (?:over \((?P<old>\S+)\) )?\.\.\.", re.MULTILINE
)
WOULD_UNPACK = re.compile(r"^Inst (?P<name>\S+) (?:\[(?P<old>[^]\s]+)\] )?\((?P<new>\S+) ", re.MULTILINE)
REMOVED = re.compile(r"^(?:Removing|Remv) ([^\s:]+)", re.MULTILINE)
KEPT_BACK = re.compile(r"^The following packages have been kept back:\n((?: +.*\n?)+)", re.MULTILINE)
LOCKED = re.compile(r"Could not get lock|Failed to lock|Unable to (?:acquire|lock)")


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
    installed: list[Installed] = Field(description="Packages that are new, because upgraded ones need them.")
    removed: list[str] = Field(description="Packages that are gone.")
    kept_back: list[str] = Field(description="Packages with a new version that were left as they are.")
    reboot_required: bool | None = Field(description="Whether the server says that it has to be restarted.")
    packages_requiring_reboot: list[str] = Field(description="The packages because of which it says so.")

    distribution: str = Field(exclude=True)
    os_family: str = Field(exclude=True)
    failure: str | None = Field(exclude=True)

    @model_validator(mode="before")
    @classmethod
    def _of_output(cls, raw: Any) -> Any:
        return {**raw, **_packages(raw["stdout"])} if isinstance(raw, dict) and "stdout" in raw else raw

    def problem(self) -> Problem | None:
        if self.os_family != "Debian":
            return Problem(
                code="unsupported_os",
                error=f"This host runs {self.distribution}; only Debian, Ubuntu and their kin can be upgraded so far.",
                hint="Nothing was changed. Do not retry; the operator can upgrade it with its own package manager.",
            )
        if self.failure is None:
            return None
        if LOCKED.search(self.failure):
            return Problem(
                code="package_manager_busy",
                error="Another package manager is running on this host and did not finish within two minutes.",
                hint="Try again in some minutes; unattended upgrades take that long.",
                retryable=True,
            )
        return Problem(
            code="upgrade_failed",
            error=f"The upgrade did not finish: {_last_words(self.failure)}",
            hint="The report has what was upgraded before. `dpkg --audit` names packages that are half installed.",
        )


def _packages(output: str) -> dict[str, Any]:
    """What `apt-get upgrade` did, read from what it wrote."""
    unpacked = [*UNPACKED.finditer(output), *WOULD_UNPACK.finditer(output)]
    kept_back = KEPT_BACK.search(output)
    removed = REMOVED.findall(output)
    return {
        "changed": bool(unpacked or removed),
        "upgraded": [
            {"name": one["name"], "old_version": one["old"], "new_version": one["new"]}
            for one in unpacked
            if one["old"]
        ],
        "installed": [{"name": one["name"], "version": one["new"]} for one in unpacked if not one["old"]],
        "removed": removed,
        "kept_back": kept_back[1].split() if kept_back else [],
    }


def _last_words(message: str) -> str:
    """The last error of apt, which it writes behind E:, or else the message."""
    errors: list[str] = re.findall(r"\bE: .*", message)
    return (errors[-1] if errors else message)[:500]


update_system = PlaybookTool(
    name="update_system",
    summary="Upgrade all packages of a Debian or Ubuntu server, keeping configuration files; tells the versions.",
    risk=Risk.WRITE,
    input=OnHosts,
    playbook="packages/update_system.yml",
    report=SystemUpdate,
    timeout_s=1800,
    idempotent=True,
    interruptible=False,
)
