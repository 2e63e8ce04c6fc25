"""Prints how many bytes `tools/list` has, which every conversation pays for, and fails when
they are too many.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from playrail import catalog
from playrail.server.schemas import describe
from playrail.settings.settings import Settings
from playrail.tools.offering import absences

# Of whoever has servers behind SSH and sets nothing, and of those who choose the bundle
LIMITS = {"": 24_000, "core": 12_000}


def listed(toolsets: str) -> tuple[int, int]:
    """How many tools the list has, and how many bytes."""
    nowhere = Path("/nonexistent")
    settings = Settings.load({"HOME": str(nowhere), "PLAYRAIL_TOOLSETS": toolsets}, dotenv=None)
    every = catalog.load()
    absent = absences(every, settings, needs=catalog.needs())
    tools = [
        describe(name, tool).model_dump(mode="json", by_alias=True, exclude_none=True)
        for name, tool in every.items()
        if name not in absent
    ]
    text = json.dumps({"tools": tools}, separators=(",", ":"), ensure_ascii=False)
    return len(tools), len(text.encode())


def main() -> int:
    """Print the sizes; exit status 1 if one is too large."""
    too_large = False
    for toolsets, limit in LIMITS.items():
        number, size = listed(toolsets)
        too_large |= size > limit
        name = f"tools/list of {toolsets}" if toolsets else "tools/list"
        sys.stdout.write(f"{name}: {size} bytes for {number} tools (at most {limit})\n")
    return int(too_large)


if __name__ == "__main__":
    sys.exit(main())
