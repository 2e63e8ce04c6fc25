"""The kernel's settings, beside what the files say that set them at the start."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from playrail.tools.arguments import More
from playrail.tools.brief import Brief
from playrail.tools.reading import ShortReading
from playrail.tools.tool import PlaybookTool, Report, Risk

SettingName = Annotated[str, Field(pattern=r"^[a-z][A-Za-z0-9_./:@-]{0,199}$")]


class SettingsChoice(ShortReading):
    name: SettingName | Annotated[list[SettingName], Field(max_length=50)] | None = Field(
        default=None,
        description="Setting, beginning of a name, or list.",
        examples=["net.ipv4.ip_forward", ["vm", "net.core"]],
    )
    limit: Annotated[int, More] = Field(
        default=50, ge=1, le=5000, description="Most settings.", examples=[50]
    )


class Setting(Brief):
    name: str
    value: str
    file: str | None = Field(
        default=None, description="Sets it at the start; without one the kernel's own value counts."
    )


class SettingDifference(Brief):
    name: str
    value: str | None = Field(default=None, description="Left out: the kernel has none.")
    next_boot: str | None = None
    configured: str | None = Field(
        default=None,
        description="In place of next_boot where it is never applied.",
    )
    file: str


class KernelSettings(Report):
    settings: list[Setting] | None = Field(default=None, description="Those that were named.")
    settings_total: int | None = None
    differences: list[SettingDifference] = Field(
        description="What differs from the files, so mostly at the next start."
    )
    differences_total: int
    configured_total: int = Field(description="How many settings the files set.")
    not_applied: str | None = Field(
        default=None,
        description="Why files are not applied at the start, or `configured` ones.",
    )
    not_permitted: list[str] | None = Field(
        default=None, description="Settings that the user on the host may not read, the first 5."
    )
    unread: list[str] | None = Field(
        default=None, description="Files of settings that could not be read."
    )
    truncated: bool = Field(description="Whether something was left out.")


get_sysctl = PlaybookTool(
    name="get_sysctl",
    summary=(
        "What is a kernel setting (sysctl) set to? By name or prefix; which differ from "
        "sysctl.d, so at the next boot."
    ),
    risk=Risk.READ,
    input=SettingsChoice,
    playbook="system/get_sysctl.yml",
    report=KernelSettings,
)
