"""Files and directories of a server."""

from __future__ import annotations

import re
import warnings
from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from playrail.fields import AbsolutePath, FileContent, FileMode, FileNames, OwnerName, SearchPattern, Sha256
from playrail.tool import Changing, Effect, Invocation, OnHosts, PlaybookTool, Report, Risk
from playrail.toolsets.file_effects import FileAttributes, FileChange, lasting, undo_file

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
    sha256: str | None = Field(description="Of the whole file; null when it has more than 10 MiB or tells no size.")
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


class FileEnd(OnHosts):
    path: AbsolutePath
    lines: int = Field(default=50, ge=1, le=5000, description="How many lines to read at most.", examples=[50])


class EndText(Report):
    content: str = Field(description="The text, with its line ends as they are.")
    lines: int = Field(description="How many lines content has; a part of a line counts.")
    truncated: bool = Field(description="Whether the file has more before content.")
    line_cut: bool = Field(description="Whether content begins within a line, which was too long for one answer.")
    size_bytes: int = Field(description="Size of the whole file.")
    encoding: Literal["utf-8", "unknown"] = Field(description="unknown: bytes of content had to be replaced.")
    replaced_bytes: int = Field(description="How many bytes are no UTF-8 and are shown as U+FFFD.")
    resolved_path: str = Field(description="The file that was read, without symbolic links.")
    modified: Modified


tail_file = PlaybookTool(
    name="tail_file",
    summary="Read the last lines of a text file, such as a log, however large it is; at most 256 KiB.",
    risk=Risk.READ,
    input=FileEnd,
    playbook="files/tail_file.yml",
    report=EndText,
    timeout_s=30,
)


class FileSearch(OnHosts):
    path: AbsolutePath = Field(
        description="The directory to search, with all below it, or one file.", examples=["/etc/nginx"]
    )
    pattern: SearchPattern
    regex: bool = Field(
        default=False, description="Whether pattern is a regular expression, in Python's syntax.", examples=[False]
    )
    ignore_case: bool = Field(default=False, description="Whether upper and lower case are alike.", examples=[True])
    names: FileNames | None = Field(
        default=None, description="Look only into files whose name matches this glob pattern.", examples=["*.conf"]
    )
    limit: int = Field(default=100, ge=1, le=1000, description="How many lines to return at most.", examples=[100])

    @model_validator(mode="after")
    def _is_an_expression(self) -> Self:
        if self.regex:
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # of what a later Python will read in another way
                    re.compile(self.pattern)
            except (re.error, OverflowError, RecursionError) as error:
                where = f", see its character {error.pos + 1}" if isinstance(error, re.error) and error.pos else ""
                raise ValueError(f"pattern must be a regular expression{where}") from None
        return self


class FoundLine(BaseModel):
    model_config = ConfigDict(frozen=True)

    file: str
    line: int
    text: str = Field(description="The line, or 500 characters of it around the match.")
    cut: bool = Field(description="Whether text is a part of the line.")


class LeftOut(BaseModel):
    model_config = ConfigDict(frozen=True)

    binary: int
    protected: int
    unreadable: int
    too_large: int = Field(description="More than 64 MiB; name such a file as path to search it.")
    links: int = Field(description="Links to directories elsewhere; name such a directory as path to search it.")
    kernel: int = Field(description="What the kernel makes up, such as /proc.")


class FoundLines(Report):
    matches: list[FoundLine] = Field(description="In the order of the files' names and lines.")
    files_searched: int
    left_out: LeftOut = Field(description="How many files and directories were left out, by reason.")
    truncated: bool = Field(description="Whether there are more matches than these.")
    timed_out: bool = Field(description="Whether the search was ended by its limit of 20 s, before it was through.")

    @property
    def cut(self) -> bool:
        return self.truncated or self.timed_out


search_in_files = PlaybookTool(
    name="search_in_files",
    summary="Find the lines of text files that hold a text or match a regular expression, in a directory and below it.",
    risk=Risk.READ,
    input=FileSearch,
    playbook="files/search_in_files.yml",
    report=FoundLines,
)


class NewFile(Changing):
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
    expected_sha256: Sha256 | None = Field(
        default=None,
        description="Write only if the file still has this SHA-256: the `sha256` that read_file told.",
        examples=["e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"],
    )
    secret: bool = Field(
        default=False, description="The content is a secret: no record, plan or diff shows it.", examples=[True]
    )

    def secret_fields(self) -> Collection[str]:
        return ("content",) if self.secret else ()


class WrittenFile(FileChange):
    path: str = Field(
        validation_alias="resolved_path", description="The file that was written, without symbolic links."
    )
    size_bytes: int
    sha256: str = Field(description="SHA-256 of the file's content.")
    mode: Mode
    owner: Owner
    group: Group
    backup_file: str | None = Field(description="Where the old file was kept.")

    def effects(self) -> Sequence[Effect]:
        attributes = FileAttributes(mode=self.mode, owner=self.owner, group=self.group)
        after = self._state(attributes, self.sha256, key="after", side="src")
        effect = Effect(kind="file", name=self.path, before=self.state_before(), after=after)
        return (effect,) if self.changed else ()


def _what_is_written(given: NewFile) -> Mapping[str, Invocation]:
    return lasting("write_file", given, without={"expected_sha256", "backup"})


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
    undo=undo_file,
    intents=_what_is_written,
)


class OldFile(Changing):
    path: AbsolutePath
    expected_sha256: Sha256 | None = Field(
        default=None,
        description="Remove only if the file still has this SHA-256: the `sha256` that read_file told.",
        examples=["e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"],
    )
    secret: bool = Field(
        default=False, description="Its content is a secret: no record, plan or diff shows it.", examples=[True]
    )


class RemovedFile(FileChange):
    path: str = Field(validation_alias="resolved_path", description="The file, without symbolic links.")
    changed: bool = Field(description="False when there was no such file.")

    def effects(self) -> Sequence[Effect]:
        effect = Effect(kind="file", name=self.path, before=self.state_before(), after=None)
        return (effect,) if self.changed else ()


def _what_is_removed(given: OldFile) -> Mapping[str, Invocation]:
    return lasting("remove_file", given, without={"expected_sha256"})


remove_file = PlaybookTool(
    name="remove_file",
    summary="Remove one file; directories, symbolic links and protected places are refused.",
    risk=Risk.DESTRUCTIVE,
    input=OldFile,
    playbook="files/remove_file.yml",
    report=RemovedFile,
    idempotent=True,
    interruptible=False,
    undo=undo_file,
    intents=_what_is_removed,
)
