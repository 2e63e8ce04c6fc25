"""What Playrail says of itself, and what it does with plans."""

from __future__ import annotations

from playrail.tools.toolset import PLAYRAIL, Toolset
from playrail.toolsets.capabilities import describe_capabilities
from playrail.toolsets.plans import (
    apply_plan,
    cancel_plan,
    check_drift,
    get_plan,
    list_plans,
    undo_run,
)
from playrail.toolsets.playrail import list_configured_servers
from playrail.toolsets.runs import get_run, list_runs

toolset = Toolset(
    name=PLAYRAIL,
    tools=(
        list_configured_servers,
        describe_capabilities,
        list_plans,
        get_plan,
        cancel_plan,
        apply_plan,
        undo_run,
        check_drift,
        list_runs,
        get_run,
    ),
)
