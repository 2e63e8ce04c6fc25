"""The kind of thing that files are: a file's state before and after a change, and the calls
that bring either about.
"""

from __future__ import annotations

import base64
import hashlib
import posixpath
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from playrail.tools.brief import Brief
from playrail.tools.effects import Effect
from playrail.tools.lasting import Intent, Invocation, Kind, Thing
from playrail.tools.tool import Report

LEFT_OUT = ("secret", "larger", "binary")  # the first that holds is told
NOT_KEPT = "If it had an ACL, extended attributes or other hard links, it comes back without these."
LINKS_BROKEN = "Its other names keep what they have; it does not become one file with them again."
WHY = {
    "secret": "is a secret, which is not kept",
    "larger": "is larger than what is kept of a file",
    "binary": "is no text",
    "unknown": "is not known",
}


def _spellings(path: str) -> Sequence[str]:
    return (posixpath.normpath(path),)


def _wanted(arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    """The state that a call of write_file sets."""
    if "link_to" in arguments:
        return {"link": arguments["link_to"]}
    state = {key: arguments[key] for key in ("mode", "owner", "group") if key in arguments}
    if "content" in arguments:
        content = arguments["content"].encode()
        raw = base64.b64decode(content) if arguments.get("encoding") == "base64" else content
        state["sha256"] = hashlib.sha256(raw).hexdigest()
    return state


FILE = Kind(
    name="file",
    new="new",
    needs=("package",),  # an owner, a directory
    keeps=("mode", "owner", "group"),
    spellings=_spellings,
    gone_code="not_found",  # its directory
    wanted=_wanted,
    not_compared=(
        *("hard_links", "line_endings", "loses"),
        *("created_directories", "removed_directories"),
    ),
    guards=("expected_sha256",),
)


class FileAttributes(BaseModel):
    """Of a symbolic link `link` says where it points to, and there is no mode."""

    model_config = ConfigDict(frozen=True)

    mode: str | None = None
    owner: str
    group: str
    hard_links: int = 1
    link: str | None = None

    def told(self) -> dict[str, Any]:
        """As far as it says something."""
        if self.link is not None:
            return {"link": self.link}
        several = {"hard_links": self.hard_links} if self.hard_links > 1 else {}
        return {"mode": self.mode, "owner": self.owner, "group": self.group, **several}


class FileChange(Brief, Report):
    """The base of what a change of a file reports; `resolved_path` is an alias in it."""

    changed: bool = Field(description="False when the file was like this already.")
    old_sha256: str | None = Field(
        default=None, description="SHA-256 of the content before; none when there was no file."
    )
    old: FileAttributes | None = Field(default=None, exclude=True)
    diff: list[dict[str, Any]] = Field(default_factory=list, exclude=True)

    def state_before(self) -> dict[str, Any] | None:
        return (
            None
            if self.old is None
            else self._state(self.old, self.old_sha256, key="before", side="dst")
        )

    def _state(
        self, attributes: FileAttributes, sha256: str | None, *, key: str, side: str
    ) -> dict[str, Any]:
        if attributes.link is not None:
            return attributes.told()
        return {"sha256": sha256, **attributes.told(), **self._content(sha256, key=key, side=side)}

    def _content(self, sha256: str | None, *, key: str, side: str) -> dict[str, str]:
        """The content, when that is exactly what the diff shows, or why it is left out. It
        is in base64 when it is no text.
        """
        shown = self.diff[0] if self.diff else {}
        content, raw = shown.get(key), shown.get(f"{key}_base64")
        if (
            isinstance(content, str)
            and hashlib.sha256(content.encode(errors="replace")).hexdigest() == sha256
        ):
            return {"content": content}
        if isinstance(raw, str) and hashlib.sha256(base64.b64decode(raw)).hexdigest() == sha256:
            return {"content": raw, "encoding": "base64"}
        found = [word for word in LEFT_OUT if f"{side}_{word}" in shown]
        return {"left_out": found[0] if found else "binary" if key in shown else "unknown"}


def undo_file(effect: Effect) -> Invocation | str:
    """The call that gives a file its state before the effect, if it still is as the effect
    left it.
    """
    before, after = effect.before, effect.after or {}
    now = {"expected_sha256": after["sha256"]} if "sha256" in after else {}
    if before is None:
        hidden = {"secret": True} if after.get("left_out") == "secret" else {}
        made = (
            {"empty_parents": len(after["created_directories"])}
            if "created_directories" in after
            else {}
        )
        return Invocation(
            tool="remove_file",
            arguments={"path": effect.name, **now, **made, **hidden},
            removes=True,
        )
    if "link" in before:
        return Invocation(
            tool="write_file", arguments={"path": effect.name, "link_to": before["link"]}
        )
    if "content" not in before:
        return f"The content that {effect.name} had {WHY[before['left_out']]}."
    kept = {
        key: before[key]
        for key in ("content", "encoding", "mode", "owner", "group")
        if key in before
    }
    if effect.after is None:
        parents = {"parents": True} if "removed_directories" in before else {}
        return Invocation(
            tool="write_file",
            arguments={"path": effect.name, **kept, **parents},
            leaves=(NOT_KEPT,),
        )
    links = "keep" if after.get("hard_links", 1) > 1 else "break"
    leaves = (LINKS_BROKEN,) if before.get("hard_links", 1) > after.get("hard_links", 1) else ()
    whole = {"replace_all": True, "hard_links": links}
    return Invocation(
        tool="write_file", arguments={"path": effect.name, **kept, **whole, **now}, leaves=leaves
    )


def arguments_but(given: BaseModel, *without: str) -> dict[str, Any]:
    """The arguments of a call without these: what was only to hold before it."""
    return given.model_dump(mode="json", exclude={"server", "preview", *without}, exclude_none=True)


def file_intent(call: Invocation) -> Intent:
    """What holds for a file after the call."""
    return Intent(thing=Thing(FILE, call.arguments["path"]), call=call)
