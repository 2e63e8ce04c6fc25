"""systemd units."""

from __future__ import annotations

from playrail.tools.tool import PlaybookTool, Risk, by_field
from playrail.toolsets.services.actions import (
    ServiceAction,
    ServiceLook,
    undo_service,
    what_is_set,
)
from playrail.toolsets.services.state import ServiceState

manage_service = PlaybookTool(
    name="manage_service",
    summary=(
        "Start, stop, restart, reload a service such as nginx; enable or disable its start at boot."
    ),
    risk=by_field(
        "action",
        {"status": Risk.READ, "is-active": Risk.READ, "is-enabled": Risk.READ},
        otherwise=Risk.DESTRUCTIVE,
    ),
    input=ServiceAction,
    playbook="services/manage_service.yml",
    report=ServiceState,
    timeout_s=180,
    undo=undo_service,
    intents=what_is_set,
)

check_service_status = PlaybookTool(
    name="check_service_status",
    summary="Is a service running? Since when, at boot, why it failed.",
    # What it wrote may be private; how it ended is not.
    risk=by_field("messages", {False: Risk.READ}, otherwise=Risk.SENSITIVE),
    input=ServiceLook,
    playbook="services/check_service_status.yml",
    report=ServiceState,
)
