"""Prints how many bytes `tools/list` has, which every client reads at each start, and fails
when they are too many.
"""

from __future__ import annotations

import json
import sys

from playrail import catalog
from playrail.server.schemas import describe

LIMIT = 45_000  # lower it when the list shrinks


def main() -> int:
    names = catalog.load()
    listed = [
        describe(name, tool, output=False).model_dump(mode="json", by_alias=True, exclude_none=True)
        for name, tool in names.items()
    ]
    size = len(json.dumps(listed, separators=(",", ":"), ensure_ascii=False).encode())
    sys.stdout.write(f"tools/list: {size} bytes for {len(names)} tools (at most {LIMIT})\n")
    return int(size > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
