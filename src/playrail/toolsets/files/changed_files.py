"""Changes of files: written whole, or removed."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection, Sequence
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from playrail.safe_text.key_material import key_in
from playrail.tools.arguments import Rare
from playrail.tools.effects import Effect
from playrail.tools.fields import AbsolutePath, FileContent, FileMode, LinkTarget, OwnerName, Sha256
from playrail.tools.lasting import Intent, Invocation
from playrail.tools.tool import Changing, PlaybookTool, Risk
from playrail.toolsets.files.effects import (
    FILE,
    FileAttributes,
    FileChange,
    arguments_but,
    file_intent,
    undo_file,
)
from playrail.toolsets.files.tools import Group, Mode, Owner


class NewFile(Changing):
    path: AbsolutePath
    content: FileContent | None = Field(
        default=None,
        description="The whole new text.",
        examples=["Welcome\n"],
    )
    encoding: Literal["utf-8", "base64"] = Field(
        default="utf-8", description="base64: content is bytes.", examples=["base64"]
    )
    link_to: LinkTarget | None = Field(
        default=None,
        description="Instead of content: make path a symbolic link to this.",
        examples=["../a"],
    )
    mode: FileMode | None = Field(
        default=None, description="Octal, such as 0644; omitted: kept.", examples=["0644"]
    )
    owner: OwnerName | None = Field(
        default=None,
        description="Name or number; omitted: kept.",
        examples=["www-data"],
    )
    group: OwnerName | None = Field(
        default=None,
        description="Name or number; omitted: kept.",
        examples=["www-data"],
    )
    parents: Annotated[bool, Rare] = Field(
        default=False, description="Make missing directories above.", examples=[True]
    )
    backup: bool = Field(
        default=False,
        description="Keep the old file beside the new one.",
        examples=[True],
    )
    hard_links: Annotated[Literal["keep", "break"] | None, Rare] = Field(
        default=None,
        description="Of several names: keep writes all, break only this.",
        examples=["keep"],
    )
    replace_all: Annotated[bool, Rare] = Field(
        default=False,
        description="Write though odd bytes, control characters or CRLF are lost; ask first.",
        examples=[True],
    )
    expected_sha256: Sha256 | None = Field(
        default=None,
        description="Only if this is its SHA-256 (read_file).",
        examples=["e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"],
    )
    secret: bool = Field(
        default=False,
        description="No record or diff shows the content.",
        examples=[True],
    )

    @model_validator(mode="after")
    def _content_or_link(self) -> Self:
        if (self.content is None) is (self.link_to is None):
            raise ValueError("content is required, or link_to in its place")
        if self.link_to is not None and (
            self.mode or self.owner or self.group or self.backup or self.parents
        ):
            raise ValueError("with link_to there is neither mode, owner, group, backup nor parents")
        if self.encoding == "base64" and self._bytes() is None:
            raise ValueError("content must be base64")
        return self

    def _bytes(self) -> bytes | None:
        """The content, None when it is no base64."""
        try:
            text = (self.content or "").encode()
            return base64.b64decode(text, validate=True) if self.encoding == "base64" else text
        except binascii.Error:
            return None

    @cached_property
    def _has_key(self) -> bool:
        """Whether the content holds a private key. To look through megabytes takes long,
        and a call asks often.
        """
        return key_in(self._bytes() or b"") is not None

    def secret_fields(self) -> Collection[str]:
        """A private key is a secret though nobody says so."""
        is_secret = self.content is not None and (self.secret or self._has_key)
        return ("content",) if is_secret else ()


class CreatedDirectory(BaseModel):
    model_config = ConfigDict(frozen=True)

    path: str
    mode: Mode


class LineEndings(BaseModel):
    model_config = ConfigDict(frozen=True)

    before: str
    after: str


class WrittenFile(FileChange):
    path: str = Field(
        validation_alias="resolved_path",
        description="The file that was written, without symbolic links.",
    )
    size_bytes: int | None = None
    sha256: str | None = Field(default=None, description="SHA-256 of the file's content.")
    mode: Mode | None = None
    owner: Owner | None = None
    group: Group | None = None
    link: str | None = Field(default=None, description="Where the link points to.")
    backup_file: str | None = Field(default=None, description="Where the old file was kept.")
    created_directories: list[CreatedDirectory] = Field(
        default=[], description="Those that were missing."
    )
    hard_links: int = Field(default=1, description="Its names.")
    loses: list[str] = Field(default=[], description="What is lost of the old content.")
    line_endings: LineEndings | None = Field(default=None, description="How lines end.")

    def effects(self) -> Sequence[Effect]:
        effect = Effect(
            kind=FILE.name, name=self.path, before=self.state_before(), after=self._state_after()
        )
        return (effect,) if self.changed else ()

    def _state_after(self) -> dict[str, Any]:
        if self.link is not None:
            return {"link": self.link}
        attributes = FileAttributes(
            mode=self.mode or "",
            owner=self.owner or "",
            group=self.group or "",
            hard_links=self.hard_links,
        )
        state = self._state(attributes, self.sha256, key="after", side="src")
        more = {
            "created_directories": [one.model_dump() for one in self.created_directories],
            "loses": list(self.loses),
            "line_endings": self.line_endings and self.line_endings.after,
        }
        return {**state, **{name: value for name, value in more.items() if value}}

    def state_before(self) -> dict[str, Any] | None:
        state = super().state_before()
        told = (
            {"line_endings": self.line_endings.before}
            if self.line_endings and state is not None
            else {}
        )
        return None if state is None else {**state, **told}


def _what_is_written(given: NewFile) -> Sequence[Intent]:
    """It is to hold whatever the file is then: with other line ends, or other names."""
    usual = [name for name in ("encoding", "parents", "replace_all") if not _is_given(given, name)]
    arguments = arguments_but(given, "expected_sha256", "backup", *usual)
    if given.link_to is None:
        arguments |= {"replace_all": True, "hard_links": given.hard_links or "break"}
    return (file_intent(Invocation(tool="write_file", arguments=arguments)),)


def _is_given(given: NewFile, name: str) -> bool:
    return bool(getattr(given, name) != NewFile.model_fields[name].default)


write_file = PlaybookTool(
    name="write_file",
    summary=(
        "Create or replace a text file, or change lines of a configuration file: give all its "
        "new text. Or make a symbolic link."
    ),
    risk=Risk.WRITE,
    input=NewFile,
    playbook="files/write_file.yml",
    report=WrittenFile,
    timeout_s=120,
    idempotent=True,
    interruptible=False,
    undo=undo_file,
    intents=_what_is_written,
)


class OldFile(Changing):
    path: AbsolutePath
    expected_sha256: Sha256 | None = Field(
        default=None,
        description="Only if this is its SHA-256 (read_file).",
        examples=["e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"],
    )
    empty_parents: Annotated[int, Rare] = Field(
        default=0,
        ge=0,
        le=50,
        description="How many directories above to remove too, if empty then.",
        examples=[1],
    )
    secret: bool = Field(
        default=False,
        description="No record or diff shows the content.",
        examples=[True],
    )


class RemovedFile(FileChange):
    path: str = Field(
        validation_alias="resolved_path",
        description="The file, in a directory without symbolic links.",
    )
    changed: bool = Field(description="False when there was no such file.")
    removed_directories: list[str] = Field(
        default=[], description="Directories that were empty then."
    )

    def effects(self) -> Sequence[Effect]:
        before = self.state_before()
        if before is not None and self.removed_directories:
            before = {**before, "removed_directories": list(self.removed_directories)}
        return (
            (Effect(kind=FILE.name, name=self.path, before=before, after=None),)
            if self.changed
            else ()
        )


def _what_is_removed(given: OldFile) -> Sequence[Intent]:
    arguments = arguments_but(given, "expected_sha256", "empty_parents")
    return (file_intent(Invocation(tool="remove_file", arguments=arguments, removes=True)),)


remove_file = PlaybookTool(
    name="remove_file",
    summary="Delete a file or a symbolic link; not directories or protected places.",
    risk=Risk.DESTRUCTIVE,
    input=OldFile,
    playbook="files/remove_file.yml",
    report=RemovedFile,
    idempotent=True,
    interruptible=False,
    undo=undo_file,
    intents=_what_is_removed,
)
