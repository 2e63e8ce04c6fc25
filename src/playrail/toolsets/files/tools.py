"""Files and directories of a server."""

from __future__ import annotations

import re
import warnings
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from playrail.tools.arguments import Rare
from playrail.tools.brief import Brief
from playrail.tools.fields import AbsolutePath, FileNames, SearchPattern
from playrail.tools.reading import Reading
from playrail.tools.tool import PlaybookTool, Report, Risk

FILE_KINDS = Literal["file", "directory", "link", "socket", "fifo", "block", "char"]

Modified = Annotated[str, Field(description="When its content last changed, ISO 8601 in UTC.")]
Mode = Annotated[str, Field(description="Permissions in octal, such as 0644.")]
Owner = Annotated[str, Field(description="The owner's name, or number when it has no name.")]
Group = Annotated[str, Field(description="The group's name, or number when it has no name.")]


class DirectoryPart(Reading):
    path: AbsolutePath
    offset: Annotated[int, Rare] = Field(
        default=0,
        ge=0,
        le=10_000_000,
        description="How many to leave out first.",
        examples=[200],
    )
    limit: int = Field(default=200, ge=1, le=1000, description="Most entries.", examples=[50])
    details: bool = Field(
        default=False, description="Also size, mode, owner, group and time.", examples=[True]
    )


class Entry(Brief):
    name: str
    type: FILE_KINDS
    size_bytes: int
    mode: Mode
    owner: Owner
    group: Group
    modified: Modified
    target: str | None = Field(
        default=None, description="Where a link points to, as it is written in the link."
    )


class Listing(Brief, Report):
    directories: list[str] = Field(default=[], description="Sorted by name; hidden names too.")
    files: list[str] = Field(default=[], description="Regular files.")
    links: dict[str, str] = Field(default={}, description="Where each points to.")
    others: dict[str, FILE_KINDS] = Field(default={}, description="Sockets, pipes and devices.")
    entries: list[Entry] = Field(default=[], description="With details, in place of names.")
    total: int = Field(description="How many names the directory holds.")
    truncated: bool = Field(default=False, description="Whether names follow after these.")
    next_offset: int | None = Field(default=None, description="The offset to go on with.")
    escaped_names: int = Field(
        default=0, description="How many names hold bytes shown as \\xff; give them back so."
    )


list_directory = PlaybookTool(
    name="list_directory",
    summary="List the files in a directory (ls), not those below.",
    risk=Risk.READ,
    input=DirectoryPart,
    playbook="files/list_directory.yml",
    report=Listing,
    timeout_s=30,
)


class FilePart(Reading):
    path: AbsolutePath
    offset: int = Field(
        default=1,
        ge=1,
        le=10**12,
        description="The first line, counted from 1.",
        examples=[501],
    )
    limit: int = Field(default=500, ge=1, le=5000, description="Most lines.", examples=[100])
    skip_bytes: Annotated[int, Rare] = Field(
        default=0,
        ge=0,
        le=10**15,
        description="Bytes of it to leave out: to go on where it was cut.",
        examples=[0, 262144],
    )


class ShownText(Brief, Report):
    """A part of a file as text, and what the text does not show of it."""

    content: str = Field(description="The text, with its line ends as they are.")
    lines: int = Field(description="How many lines content has; a part of a line counts.")
    truncated: bool = Field(default=False, description="Whether the file has more than content.")
    line_cut: bool = Field(
        default=False, description="Whether content cuts a line, too long for one answer."
    )
    size_bytes: int = Field(
        description="Size of the whole file; most files of /proc and /sys say 0."
    )
    encoding: Literal["utf-8", "unknown"] = Field(
        default="utf-8", description="unknown: content cannot be written back."
    )
    replaced_bytes: int = Field(
        default=0, description="How many bytes are no UTF-8 and are shown as U+FFFD."
    )
    control_characters: int = Field(default=0, description="How many content leaves out.")
    byte_order_mark: bool = Field(default=False, description="Whether content begins with one.")
    line_endings: Literal["lf", "crlf", "cr", "mixed"] = Field(
        default="lf", description="Keep them when you write."
    )
    no_final_newline: bool = Field(
        default=False, description="Whether the last line has no line end."
    )
    resolved_path: str = Field(description="The file that was read, without symbolic links.")
    modified: Modified


class FileText(ShownText):
    first_line: int = Field(default=1, description="The number of the first line in content.")
    next_offset: int | None = Field(default=None, description="The offset to go on with.")
    next_skip_bytes: int = Field(
        default=0,
        description=(
            "The skip_bytes to go on with; to skip the rest of a cut line instead, go on at "
            "next_offset + 1."
        ),
    )
    total_lines: int | None = Field(
        default=None, description="Lines of the whole file, once its end was reached."
    )
    sha256: str | None = Field(
        default=None,
        description="Of the whole file, unless it has more than 10 MiB or tells no size.",
    )
    mode: Mode
    owner: Owner
    group: Group


read_file = PlaybookTool(
    name="read_file",
    summary="Show a text file such as /etc/hosts, or some lines of a large one.",
    risk=Risk.READ,
    input=FilePart,
    playbook="files/read_file.yml",
    report=FileText,
)


class FileEnd(Reading):
    path: AbsolutePath
    lines: int = Field(default=50, ge=1, le=5000, description="Most lines.", examples=[50])


class EndText(ShownText):
    """`truncated`: the file has more before content; `line_cut`: content begins within a
    line.
    """


tail_file = PlaybookTool(
    name="tail_file",
    summary="Read the end of a file, such as a log: its last lines, however large it is.",
    risk=Risk.READ,
    input=FileEnd,
    playbook="files/tail_file.yml",
    report=EndText,
    timeout_s=30,
)


class FileSearch(Reading):
    path: AbsolutePath = Field(
        description="A directory, with all below it, or a file.",
        examples=["/etc/nginx"],
    )
    pattern: SearchPattern
    regex: bool = Field(
        default=False,
        description="pattern is a regular expression.",
        examples=[False],
    )
    ignore_case: bool = Field(
        default=False, description="Upper and lower case are alike.", examples=[True]
    )
    names: FileNames | None = Field(
        default=None,
        description="Only files named so, such as *.conf.",
        examples=["*.conf"],
    )
    limit: int = Field(default=100, ge=1, le=1000, description="Most lines.", examples=[100])

    @model_validator(mode="after")
    def _is_an_expression(self) -> Self:
        if self.regex:
            try:
                with warnings.catch_warnings():
                    # Of what a later Python will read in another way
                    warnings.simplefilter("ignore")
                    re.compile(self.pattern)
            except (re.error, OverflowError, RecursionError) as error:
                where = (
                    f", see its character {error.pos + 1}"
                    if isinstance(error, re.error) and error.pos
                    else ""
                )
                raise ValueError(f"pattern must be a regular expression{where}") from None
        return self


class FoundLine(Brief):
    file: str
    line: int
    text: str = Field(description="The line, or 500 characters of it around the match.")
    cut: bool = Field(default=False, description="Whether text is a part of the line.")


class LeftOut(Brief):
    binary: int = 0
    protected: int = Field(
        default=0, description="Protected places, and files with private keys or credentials."
    )
    unreadable: int = 0
    too_large: int = Field(
        default=0, description="More than 64 MiB; name such a file as path to search it."
    )
    links: int = Field(
        default=0,
        description="Links to directories elsewhere; name such a directory as path to search it.",
    )
    kernel: int = Field(default=0, description="What the kernel makes up, such as /proc.")


class FoundLines(Brief, Report):
    matches: list[FoundLine] = Field(description="In the order of the files' names and lines.")
    files_searched: int
    left_out: LeftOut = Field(
        description="How many files and directories were left out, by reason."
    )
    truncated: bool = Field(default=False, description="Whether there are more matches than these.")
    timed_out: bool = Field(
        default=False,
        description="Whether the search was ended by its limit of 20 s, before it was through.",
    )

    @property
    def cut(self) -> bool:
        return self.truncated or self.timed_out


search_in_files = PlaybookTool(
    name="search_in_files",
    summary=("Find text in files (grep): the lines that hold it, in a directory and all below it."),
    risk=Risk.READ,
    input=FileSearch,
    playbook="files/search_in_files.yml",
    report=FoundLines,
)
