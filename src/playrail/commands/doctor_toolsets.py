"""What `playrail doctor` says of toolsets."""

from __future__ import annotations

from collections.abc import Iterator

from playrail import catalog
from playrail.commands.doctor_project import Check
from playrail.errors import SettingsInvalid
from playrail.settings.settings import Settings
from playrail.tools.offering import absences


def check_toolsets(settings: Settings) -> Iterator[Check]:
    """Plugins that cannot be used, settings that no toolset has, and a choice of tools that
    there are not; nothing where all is well.
    """
    for name, why in catalog.unusable().items():
        mend = "Install a version of the plugin that fits, or remove it; all else works."
        yield Check(name=f"plugin {name}", state="fail", found=f"cannot be used: {why}", mend=mend)
    try:
        catalog.variables(settings)
        absences(catalog.load(), settings, needs=catalog.needs(), unusable=catalog.unusable())
    except SettingsInvalid as error:
        mend = "Mend that: nothing starts with it."
        yield Check(name="toolsets", state="fail", found=str(error), mend=mend)
