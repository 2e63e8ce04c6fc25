"""Disks: how full, and of what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from playrail.codes import files
from playrail.errors import Problem
from playrail.safe_text.remote_text import sentence
from playrail.settings.content import content_root
from playrail.tools.arguments import More, Rare
from playrail.tools.brief import Brief, NotEmpty, OnlyFalse
from playrail.tools.fields import AbsolutePath
from playrail.tools.reading import Reading, ShortReading
from playrail.tools.tool import PlaybookTool, Report, Risk
from playrail.tools.toolset import Toolset
from playrail.tools.troubled import OrTrouble


class DiskPlace(Reading):
    path: AbsolutePath = Field(
        default="/",
        description="A directory of the file system.",
        examples=["/", "/var"],
    )
    limit: Annotated[int, More] = Field(
        default=10,
        ge=1,
        le=100,
        description="Most entries.",
        examples=[10],
    )


class MountedFileSystem(BaseModel):
    model_config = ConfigDict(frozen=True)

    mount_point: str
    fs_type: str
    size_bytes: int | None = None
    used_percent: float | None = Field(
        default=None, description="Used of what users could use, as df counts."
    )
    inodes_percent: float | None = Field(
        default=None,
        description="Inodes in use: at 100 no file can be made. Null where it does not count them.",
    )
    read_only: bool | None = None
    why: str | None = Field(default=None, description="Why its numbers are not known.")


class FileSystem(MountedFileSystem):
    device: str
    used_bytes: int | None = None
    available_bytes: int | None = Field(
        default=None,
        description="What is left for users; less than the rest where root has a share.",
    )
    inodes_free: int | None = None
    reserved_bytes: int | None = Field(default=None, description="Root's share of what is free.")


class LargeEntry(BaseModel):
    model_config = ConfigDict(frozen=True)

    path: str
    size_bytes: int = Field(
        description="Disk space taken, with all that lies below; hard links count once."
    )


class DeletedFile(BaseModel):
    model_config = ConfigDict(frozen=True)

    pid: int = Field(
        description="A process that has it open; the space is free when all such have closed it."
    )
    name: str
    bytes: int
    path: str = Field(description="Where it was, as that process sees it.")


class DiskUsage(OrTrouble):
    file_system: FileSystem | None
    mounts: list[MountedFileSystem] | None = Field(
        default=None,
        description=(
            "Other file systems below the path, fullest first: not part of entries and totals."
        ),
    )
    mounts_left_out: dict[str, int] | None = Field(
        default=None,
        description=(
            "How many of each type are not in mounts: images, and the layers of containers."
        ),
    )
    entries: list[LargeEntry] | None = Field(
        description="The largest files and directories one level below, largest first."
    )
    entries_total: int | None = Field(description="How many entries were measured.")
    total_bytes: int | None = Field(
        description="All below the path together; null when not all was measured."
    )
    unaccounted_bytes: int | None = Field(
        default=None,
        description=(
            "In use, but not found below the path: deleted files still open, what lies hidden "
            "below mounts or "
            "could not be read, the file system's own."
        ),
    )
    deleted_open: list[DeletedFile] | None = Field(
        default=None, description="The largest deleted files that are still open, at most 10."
    )
    deleted_open_bytes: int | None = Field(default=None, description="What all such files take.")
    processes_known: OnlyFalse = Field(
        default=None,
        description="False when the user on the host may not see which files others have open.",
    )
    unreadable: NotEmpty[int] = Field(
        default=None,
        description="How many files or directories could not be read: not counted.",
    )
    unreadable_paths: NotEmpty[list[str]] = Field(default=None, description="The first 10 of them.")
    not_measured: list[str] | None = Field(
        default=None,
        description=(
            "Directories that were not looked into, for a file system that does not answer."
        ),
    )
    complete: OnlyFalse = Field(default=None, description="False when not all was measured.")
    truncated: bool = Field(description="Whether something was left out.")

    @model_validator(mode="before")
    @classmethod
    def _of_module(cls, raw: Any) -> Any:
        if not isinstance(raw, dict) or raw.get("playrail_code") != files.FILE_SYSTEM_SILENT:
            return raw
        return cls.without_all(_silent(raw))


def _silent(raw: Mapping[str, Any]) -> Problem:
    return Problem.of(files.FILE_SYSTEM_SILENT, sentence(raw.get("msg")))


analyze_disk = PlaybookTool(
    name="analyze_disk",
    summary=(
        "Which are the largest files and directories? What takes the space of a file system, "
        "deleted files too."
    ),
    risk=Risk.READ,
    input=DiskPlace,
    playbook="disk/analyze_disk.yml",
    report=DiskUsage,
    timeout_s=130,
)


class FileSystemsChoice(ShortReading):
    limit: Annotated[int, More] = Field(
        default=20, ge=1, le=500, description="Most file systems.", examples=[20]
    )


class DiskFileSystem(Brief):
    mount_point: str
    fs_type: str
    device: str | None = None
    size_bytes: int | None = None
    available_bytes: int | None = Field(
        default=None, description="What is left for users; root may have a share beside."
    )
    used_percent: float | None = Field(
        default=None, description="Used of what users could use, as df counts."
    )
    inodes_percent: float | None = Field(
        default=None, description="Inodes in use: at 100 no file can be made."
    )
    read_only: bool = False
    why: str | None = Field(default=None, description="Why its numbers are not known.")


class LargestLog(BaseModel):
    model_config = ConfigDict(frozen=True)

    container: str
    size_bytes: int


class DockerSpace(Brief):
    """What the engine says of itself; docs.docker.com/reference/api/engine, /system/df."""

    path: str = Field(description="Where it keeps its data.")
    mount_point: str | None = Field(default=None, description="The file system that this is on.")
    images_bytes: int = 0
    containers_bytes: int = Field(default=0, description="What containers wrote to themselves.")
    volumes_bytes: int = 0
    build_cache_bytes: int = 0
    logs_bytes: int = Field(default=0, description="The files of what containers print.")
    largest_log: LargestLog | None = None


class DiskFileSystems(Report):
    file_systems: list[DiskFileSystem] = Field(
        description="Fullest first, by bytes or inodes; before them those that do not answer."
    )
    total: int = Field(description="How many there are.")
    left_out: dict[str, int] | None = Field(
        default=None, description="How many of each type have no space of their own: images .."
    )
    deleted_open: list[DeletedFile] | None = Field(
        default=None, description="The largest deleted files that are still open, at most 5."
    )
    deleted_open_bytes: int | None = Field(default=None, description="What all such files take.")
    processes_known: OnlyFalse = Field(
        default=None,
        description="False when the user on the host may not see which files others have open.",
    )
    journal_bytes: int | None = Field(default=None, description="What the journal takes.")
    docker: DockerSpace | None = Field(
        default=None, description="What the Docker engine takes; told when it runs."
    )
    not_known: dict[str, str] | None = Field(
        default=None, description="What could not be looked at, and why."
    )
    truncated: bool = Field(description="Whether something was left out.")


get_disk_usage = PlaybookTool(
    name="get_disk_usage",
    summary=(
        "Which disk is full? Free space and inodes left of all file systems (df), deleted "
        "open files, the share of the journal and Docker."
    ),
    risk=Risk.READ,
    input=FileSystemsChoice,
    playbook="disk/get_disk_usage.yml",
    report=DiskFileSystems,
)


class MountsChoice(ShortReading):
    path: AbsolutePath | None = Field(
        default=None,
        description="Only the mount of this path, and those below.",
        examples=["/srv"],
    )
    all: Annotated[bool, Rare] = Field(
        default=False, description="Also those of the kernel and of containers.", examples=[True]
    )
    limit: Annotated[int, More] = Field(
        default=20, ge=1, le=500, description="Most mounts.", examples=[20]
    )


class FstabDifference(Brief):
    mount_point: str = Field(description="As fstab has it; swap for swap space.")
    device: str
    options: str
    problem: Literal["not_mounted", "device_missing", "not_active", "other_device", "other_options"]
    now: str | None = Field(
        default=None, description="The device that is mounted, or the options that differ."
    )


class MountPoint(Brief):
    mount_point: str
    device: str
    fs_type: str
    options: str
    root: str = Field(
        default="/", description="The part of the file system that is seen, where it is a part."
    )


class SwapSpace(BaseModel):
    model_config = ConfigDict(frozen=True)

    device: str
    type: str
    size_bytes: int
    used_bytes: int
    priority: int


class MountPoints(Report):
    fstab: list[FstabDifference] | None = Field(
        default=None, description="What of /etc/fstab is not mounted, or is otherwise."
    )
    not_in_fstab: list[str] | None = Field(
        default=None,
        description="Mounted disks and shares that no fstab and no unit mounts at the next start.",
    )
    mounts: list[MountPoint] = Field(description="By place.")
    total: int = Field(description="How many there are.")
    left_out: dict[str, int] | None = Field(
        default=None, description="How many of each type are not told without `all`."
    )
    swap: list[SwapSpace] | None = None
    not_known: dict[str, str] | None = Field(
        default=None, description="What could not be looked at, and why."
    )
    truncated: bool = Field(description="Whether something was left out.")


get_mounts = PlaybookTool(
    name="get_mounts",
    summary=(
        "What is mounted where, with options; what of /etc/fstab is not mounted or otherwise; swap."
    ),
    risk=Risk.READ,
    input=MountsChoice,
    playbook="disk/get_mounts.yml",
    report=MountPoints,
)

toolset = Toolset(
    name="disk",
    content=content_root(),
    tools=(analyze_disk, get_disk_usage, get_mounts),
)
