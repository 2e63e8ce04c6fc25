"""Whether an answer's text repeats all that its structured content has. Where each client
was seen: docs/clients.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import mcp_types as types

# Clients that hand the structured content to their model, and not the text where there is
# both: the name that they give themselves, and the version from which on it is so.
READ_STRUCTURED: Mapping[str, tuple[int, ...]] = {
    "claude-code": (2, 1, 121),
    "codex-mcp-client": (0, 92, 0),
    "Visual Studio Code": (1, 110, 0),
    "Visual Studio Code - Insiders": (1, 110, 0),
}
SHORT = "The answer is in structuredContent."


def is_text_short(setting: str, client: types.Implementation | None) -> bool:
    """What the setting says, or what the client is known to read; all of it for a client
    that is not known.
    """
    if setting != "auto" or client is None:
        return setting == "short"
    since = READ_STRUCTURED.get(client.name)
    version = re.match(r"(\d{1,6})\.(\d{1,6})(?:\.(\d{1,9}))?", client.version)
    return (
        since is not None
        and version is not None
        and tuple(int(part or 0) for part in version.groups()) >= since
    )


def in_a_line(envelope: Mapping[str, Any]) -> str:
    """The answer in short: a failure's sentence, code and hint stay, since some clients
    show nothing else of one.
    """
    if envelope["success"]:
        return SHORT
    return f"{envelope['error']} [{envelope['code']}] {envelope['hint']} {SHORT}"
