"""How MCP clients are told to start this installation."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

EXAMPLES = {
    "PLAYRAIL_INVENTORY": "/etc/ansible/hosts",
    "MCP_SERVERS": (
        '{"web1": {"type": "ssh", "host": "203.0.113.10", "user": "admin", "ssh_key": '
        '"~/.ssh/id_ed25519"}}'
    ),
}


def command() -> Path:
    """The absolute path of this installation's `playrail` command."""
    return Path(sys.executable).parent / "playrail"


def how_to_connect(playrail: Path) -> str:
    """What to paste into MCP clients."""
    return "\n".join(_connecting(str(playrail)))


def _connecting(playrail: str) -> Iterator[str]:
    entry = {"mcpServers": {"playrail": {"command": playrail, "args": ["serve"]}}}
    line = f"{shlex.quote(playrail)} serve"
    yield "\nConnect an assistant. As it stands here it works at once, with this machine alone:"
    yield f"  claude mcp add playrail -- {line}"
    yield f"  codex mcp add playrail -- {line}"
    yield (
        "or in claude_desktop_config.json, .mcp.json, ~/.cursor/mcp.json, ~/.gemini/settings.json:"
    )
    yield f"  {json.dumps(entry)}"
    yield 'Your own servers: before the --, or as "env" in the JSON, one of'
    for name, example in EXAMPLES.items():
        yield f"  --env {name}={shlex.quote(example)}"
    yield "Changes stay refused until you add ENABLE_WRITE_OPERATIONS=1 in the same way."
    yield f"What is wrong with settings and servers:  {shlex.quote(playrail)} doctor"
