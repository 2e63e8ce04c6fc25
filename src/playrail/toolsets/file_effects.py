"""What the tools for files change: a file's state before and after, and the calls that bring either about."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from playrail.tool import Effect, Invocation, Report

LEFT_OUT = ("secret", "larger", "binary")  # the first that holds is told
NOT_KEPT = "If it had an ACL, extended attributes or other hard links, it comes back without these."
WHY = {
    "secret": "is a secret, which is not kept",
    "larger": "is larger than what is kept of a file",
    "binary": "is no text",
    "unknown": "is not known",
}


class FileAttributes(BaseModel):
    model_config = ConfigDict(frozen=True)

    mode: str
    owner: str
    group: str


class FileChange(Report):
    """The base of what a change of a file reports; `resolved_path` is an alias in it."""

    changed: bool = Field(description="False when the file was like this already.")
    old_sha256: str | None = Field(description="SHA-256 of the content before; null when there was no file.")
    old: FileAttributes | None = Field(default=None, exclude=True)
    diff: list[dict[str, Any]] = Field(default_factory=list, exclude=True)

    def state_before(self) -> dict[str, Any] | None:
        return None if self.old is None else self._state(self.old, self.old_sha256, key="before", side="dst")

    def _state(self, attributes: FileAttributes, sha256: str | None, *, key: str, side: str) -> dict[str, Any]:
        return {"sha256": sha256, **attributes.model_dump(), **self._content(sha256, key=key, side=side)}

    def _content(self, sha256: str | None, *, key: str, side: str) -> dict[str, str]:
        """The content, when that is exactly what the diff shows, or why it is left out."""
        shown = self.diff[0] if self.diff else {}
        content = shown.get(key)
        if isinstance(content, str) and hashlib.sha256(content.encode(errors="replace")).hexdigest() == sha256:
            return {"content": content}
        found = [word for word in LEFT_OUT if f"{side}_{word}" in shown]
        return {"left_out": found[0] if found else "binary" if key in shown else "unknown"}


def undo_file(effect: Effect) -> Invocation | str:
    """The call that gives a file its state before the effect, if it still is as the effect left it."""
    now = {} if effect.after is None else {"expected_sha256": effect.after["sha256"]}
    before = effect.before
    if before is None:
        hidden = {"secret": True} if (effect.after or {}).get("left_out") == "secret" else {}
        return Invocation(tool="remove_file", arguments={"path": effect.name, **now, **hidden})
    if "content" not in before:
        return f"The content that {effect.name} had {WHY[before['left_out']]}."
    kept = {key: before[key] for key in ("content", "mode", "owner", "group")}
    leaves = (NOT_KEPT,) if effect.after is None else ()
    return Invocation(tool="write_file", arguments={"path": effect.name, **kept, **now}, leaves=leaves)


def lasting(tool: str, given: BaseModel, *, without: set[str]) -> Mapping[str, Invocation]:
    """What holds for a file after the call: the call itself, without what was only to hold before it."""
    arguments = given.model_dump(mode="json", exclude={"server", "preview", *without}, exclude_none=True)
    return {f"file {arguments['path']}": Invocation(tool=tool, arguments=arguments)}
