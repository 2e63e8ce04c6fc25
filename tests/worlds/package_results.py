"""What the playbook of packages says of a change, as far as a failure goes."""

from __future__ import annotations

from typing import Any


def saying(failure: str | None, *, blind: bool = False) -> dict[str, Any]:
    """The part of the raw result that tells of a failure; `blind`: check mode cannot know."""
    return {"change_failed": failure is not None, "said": [failure or ""], "blind": blind}
