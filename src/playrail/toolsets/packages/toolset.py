"""Packages of the distribution."""

from __future__ import annotations

from playrail.settings.content import content_root
from playrail.tools.toolset import Toolset
from playrail.toolsets.packages.effects import PACKAGE, UPGRADE
from playrail.toolsets.packages.listing import list_packages
from playrail.toolsets.packages.tools import install_package, update_system

toolset = Toolset(
    name="packages",
    content=content_root(),
    tools=(install_package, list_packages, update_system),
    kinds=(PACKAGE, UPGRADE),
)
