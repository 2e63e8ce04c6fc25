"""systemd units."""

from __future__ import annotations

from playrail.settings.content import content_root
from playrail.tools.toolset import Toolset
from playrail.toolsets.services.actions import RELOAD, RESTART, SERVICE
from playrail.toolsets.services.schedules import list_schedules
from playrail.toolsets.services.tools import check_service_status, manage_service
from playrail.toolsets.services.units import list_units

toolset = Toolset(
    name="services",
    content=content_root(),
    tools=(manage_service, check_service_status, list_units, list_schedules),
    kinds=(SERVICE, RESTART, RELOAD),
)
