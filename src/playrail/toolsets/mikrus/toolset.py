"""What mikr.us does for its servers."""

from __future__ import annotations

from playrail.settings.settings import Settings
from playrail.tools.toolset import Need, Toolset
from playrail.toolsets.mikrus.tools import (
    assign_domain,
    boost_server,
    get_cloud,
    get_db_info,
    get_log_by_id,
    get_logs,
    get_ports,
    get_server_info,
    get_server_stats,
    list_servers,
    restart_server,
)


def _has_server(settings: Settings) -> bool:
    """Whether one is named; also one whose entry is wrong: its owner is told so by the
    tools.
    """
    kinds = {server.kind for server in settings.servers.values()}
    return "mikrus" in kinds | {failed.kind for failed in settings.failed_servers.values()}


toolset = Toolset(
    name="mikrus",
    tools=(
        get_server_info,
        list_servers,
        get_server_stats,
        restart_server,
        get_logs,
        get_log_by_id,
        boost_server,
        get_db_info,
        get_ports,
        get_cloud,
        assign_domain,
    ),
    offered_when=Need(
        is_met=_has_server,
        why="no mikr.us server is configured",
        hint="The operator can add a mikr.us server to MCP_SERVERS.",
        # Names of mikrus-mcp, as those of the toolset
        brings=("describe_mikrus_capabilities", "find_system_errors", "search_journal_logs"),
    ),
)
