"""Files and directories of a server."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationInfo, model_validator

from playrail.fields import AbsolutePath, FileContent, FileMode, OwnerName
from playrail.tool import OnHosts, PlaybookTool, Report, Risk

FILE_KINDS = Literal["file", "directory", "link", "socket", "fifo", "block", "char"]

Modified = Annotated[str, Field(description="When its content last changed, ISO 8601 in UTC.")]
Mode = Annotated[str, Field(description="Permissions in octal, such as 0644.")]
Owner = Annotated[str, Field(description="The owner's name, or number when it has no name.")]
Group = Annotated[str, Field(description="The group's name, or number when it has no name.")]


class DirectoryPart(OnHosts):
    path: AbsolutePath
    offset: int = Field(
        default=0, ge=0, le=10_000_000, description="How many names to leave out at the start.", examples=[200]
    )
    limit: int = Field(default=200, ge=1, le=1000, description="How many entries to list at most.", examples=[50])


class Entry(BaseModel):
    model_config = ConfigDict(frozen=True)

    name: str
    type: FILE_KINDS
    size_bytes: int
    mode: Mode
    owner: Owner
    group: Group
    modified: Modified
    target: str | None = Field(default=None, description="Where a link points to, as it is written in the link.")


class Listing(Report):
    entries: list[Entry] = Field(description="Sorted by name; hidden names too.")
    total: int = Field(description="How many names the directory holds.")
    truncated: bool = Field(description="Whether names follow after these.")
    next_offset: int | None = Field(description="The offset to go on with; null at the end.")
    escaped_names: int = Field(description="How many names here are no UTF-8; their odd bytes are shown as \\xff.")


list_directory = PlaybookTool(
    name="list_directory",
    summary="List what lies in a directory: names, types, sizes, owners, permissions, times. Not recursive.",
    risk=Risk.READ,
    input=DirectoryPart,
    playbook="files/list_directory.yml",
    report=Listing,
    timeout_s=30,
)


class FilePart(OnHosts):
    path: AbsolutePath
    offset: int = Field(
        default=1, ge=1, le=10**12, description="The first line to read, counted from 1.", examples=[501]
    )
    limit: int = Field(default=500, ge=1, le=5000, description="How many lines to read at most.", examples=[100])
    skip_bytes: int = Field(
        default=0,
        ge=0,
        le=10**15,
        description="How many bytes of the first line to leave out: to go on in a line that was cut.",
        examples=[0, 262144],
    )


class FileText(Report):
    content: str = Field(description="The text, with its line ends as they are.")
    first_line: int = Field(description="The number of the first line in content.")
    lines: int = Field(description="How many lines content has; a part of a line counts.")
    truncated: bool = Field(description="Whether the file goes on after content.")
    line_cut: bool = Field(description="Whether content ends within a line, which was too long for one answer.")
    next_offset: int | None = Field(description="The offset to go on with; null at the end of the file.")
    next_skip_bytes: int = Field(
        description="The skip_bytes to go on with; to skip the rest of a cut line instead, go on at next_offset + 1."
    )
    total_lines: int | None = Field(description="Lines of the whole file; null unless its end was reached.")
    size_bytes: int = Field(description="Size of the whole file; most files of /proc and /sys say 0.")
    encoding: Literal["utf-8", "unknown"] = Field(description="unknown: bytes of content had to be replaced.")
    replaced_bytes: int = Field(description="How many bytes are no UTF-8 and are shown as U+FFFD.")
    resolved_path: str = Field(description="The file that was read, without symbolic links.")
    modified: Modified
    mode: Mode
    owner: Owner
    group: Group


read_file = PlaybookTool(
    name="read_file",
    summary="Read a text file, or a part of a large one: some lines from `offset` on, at most 256 KiB per answer.",
    risk=Risk.READ,
    input=FilePart,
    playbook="files/read_file.yml",
    report=FileText,
)


class NewFile(OnHosts):
    path: AbsolutePath
    content: FileContent = Field(
        description="The whole new text of the file, written byte for byte as UTF-8.", examples=["Welcome\n"]
    )
    mode: FileMode | None = Field(
        default=None, description="Permissions in octal. Omit it to keep them.", examples=["0644"]
    )
    owner: OwnerName | None = Field(
        default=None, description="The owner's name or number. Omit it to keep it.", examples=["www-data"]
    )
    group: OwnerName | None = Field(
        default=None, description="The group's name or number. Omit it to keep it.", examples=["www-data"]
    )
    backup: bool = Field(default=False, description="Whether to keep the old file beside the new one.", examples=[True])


class WrittenFile(Report):
    """What `ansible.builtin.copy` says. In a preview of a change it says nothing of the file but `changed`."""

    path: str = Field(
        validation_alias=AliasChoices("dest", "path"), description="The file that was written, without symbolic links."
    )
    changed: bool = Field(description="False when the file was like this already.")
    size_bytes: int = Field(validation_alias="size", description="Size of the file.")
    sha1: str | None = Field(
        default=None, validation_alias="checksum", description="SHA-1 of the file's content; null in a preview."
    )
    mode: Mode | None = None
    owner: Owner | None = None
    group: Group | None = None
    backup_file: str | None = Field(default=None, description="Where the old file was kept.")

    @model_validator(mode="before")
    @classmethod
    def _preview(cls, raw: Any, info: ValidationInfo) -> Any:
        given = (info.context or {}).get("given")
        if not isinstance(raw, dict) or not isinstance(given, NewFile) or not raw.get("changed") or "msg" in raw:
            return raw
        return {"dest": given.path, "size": len(given.content.encode())} | raw


write_file = PlaybookTool(
    name="write_file",
    summary="Write a whole text file, new or in place of the old one, at once and only if it differs.",
    risk=Risk.WRITE,
    input=NewFile,
    playbook="files/write_file.yml",
    report=WrittenFile,
    timeout_s=120,
    idempotent=True,
    interruptible=False,
)
