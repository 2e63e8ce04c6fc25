"""What callers say of packages."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from playrail.tools.arguments import Rare
from playrail.tools.tool import Changing
from playrail.toolsets.packages.effects import MOST_NAMES


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
        description="A package, or several.",
        examples=["nginx", ["jq", "htop"]],
    )
    state: Literal["present", "latest", "absent"] = Field(
        default="present",
        description=("latest also upgrades; absent removes, but keeps configuration files."),
        examples=["present"],
    )
    version: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9.+:~^_-]{0,99}$")] | None = Field(
        default=None,
        description="Exact version of one package.",
        examples=["1.6-2.1"],
    )
    update_cache: Annotated[bool, Rare] = Field(
        default=False,
        description="Fetch the package lists first.",
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
