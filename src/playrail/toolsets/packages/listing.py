"""The read of packages: which are installed, could be upgraded, are on hold, and own a file."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from playrail.tools.arguments import More
from playrail.tools.brief import Brief
from playrail.tools.fields import AbsolutePath
from playrail.tools.reading import ShortReading
from playrail.tools.tool import PlaybookTool, Report, Risk


class PackagesChoice(ShortReading):
    only: Literal["upgradable", "security", "held", "installed"] | None = Field(
        default=None,
        description="Which; else upgradable, with name installed.",
        examples=["security"],
    )
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9+._:-]{0,199}$")] | None = Field(
        default=None, description="Part of the name.", examples=["nginx"]
    )
    owner_of: AbsolutePath | None = Field(
        default=None,
        description="A file, to find its package.",
        examples=["/usr/sbin/nginx"],
    )
    limit: Annotated[int, More] = Field(
        default=30, ge=1, le=5000, description="Most packages.", examples=[30]
    )

    @model_validator(mode="after")
    def _one_question(self) -> PackagesChoice:
        if self.owner_of is not None and (self.name is not None or self.only is not None):
            raise ValueError("owner_of goes without name and only")
        return self


class ListedPackage(Brief):
    name: str
    version: str | None = Field(default=None, description="Left out: it is not installed.")
    available: str | None = Field(default=None, description="The version it could have.")
    security: bool = Field(default=False, description="The upgrade is for security.")
    held: bool = Field(default=False, description="On hold: it is not upgraded.")


def _moment(seconds: Any) -> Any:
    return datetime.fromtimestamp(seconds, UTC) if isinstance(seconds, int | float) else seconds


class PackageList(Report):
    manager: str
    packages: list[ListedPackage] = Field(description="For security first.")
    total: int = Field(description="How many are meant.")
    installed_total: int
    upgradable_total: int | None = Field(default=None, description="Null: not known.")
    security_total: int | None = Field(default=None, description="Null: not known.")
    held_total: int
    lists_from: Annotated[datetime | None, BeforeValidator(_moment)] = Field(
        default=None, description="When the host fetched its package lists: no newer is known."
    )
    reboot_required: bool | None = Field(default=None, description="Null: not known.")
    packages_requiring_reboot: list[str] | None = None
    unfinished: dict[str, str] | None = Field(
        default=None, description="Packages that dpkg did not finish, with its word for that."
    )
    not_known: dict[str, str] | None = Field(
        default=None, description="What could not be found out, and why."
    )
    truncated: bool = Field(description="Whether something was left out.")


list_packages = PlaybookTool(
    name="list_packages",
    summary=(
        "Which packages can be upgraded, are security updates, held or installed; which "
        "package owns a file."
    ),
    risk=Risk.READ,
    input=PackagesChoice,
    playbook="packages/list_packages.yml",
    report=PackageList,
    timeout_s=120,
)
