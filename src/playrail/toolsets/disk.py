"""Disks: how full, and of what."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from playrail.fields import AbsolutePath
from playrail.tool import OnHosts, PlaybookTool, Report, Risk


class DiskPlace(OnHosts):
    path: AbsolutePath = Field(
        default="/", description="A directory; its file system is looked at.", examples=["/", "/var"]
    )
    limit: int = Field(default=20, ge=1, le=100, description="How many of the largest entries to list.", examples=[10])


class FileSystem(BaseModel):
    model_config = ConfigDict(frozen=True)

    device: str
    mount_point: str
    fs_type: str
    size_bytes: int | None
    used_bytes: int | None
    available_bytes: int | None = Field(
        description="What is left for users; less than the rest where root has a share."
    )
    used_percent: float | None = Field(description="Used of what users could use, as df counts.")
    inodes_total: int | None = Field(description="Null where the file system does not count inodes.")
    inodes_used: int | None
    inodes_free: int | None


class LargeEntry(BaseModel):
    model_config = ConfigDict(frozen=True)

    path: str
    size_bytes: int = Field(description="Disk space taken, with all that lies below.")


class DiskUsage(Report):
    file_system: FileSystem
    entries: list[LargeEntry] = Field(description="The largest files and directories one level below, largest first.")
    entries_total: int = Field(description="How many entries were measured.")
    total_bytes: int | None = Field(description="All below the path together; null when not all was measured.")
    unreadable: int = Field(description="How many files or directories could not be read, so are not counted.")
    complete: bool = Field(description="False when time was over before all was measured.")
    truncated: bool = Field(description="Whether entries were left out.")


analyze_disk = PlaybookTool(
    name="analyze_disk",
    summary="See how full the file system of a path is and which files and directories directly below take most of it.",
    risk=Risk.READ,
    input=DiskPlace,
    playbook="disk/analyze_disk.yml",
    report=DiskUsage,
    timeout_s=130,
)
