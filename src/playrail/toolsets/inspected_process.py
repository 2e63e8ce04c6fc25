"""One process in depth."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field, model_validator

from playrail.tools.brief import Brief
from playrail.tools.reading import ShortReading
from playrail.tools.tool import PlaybookTool, Report, Risk


class OneProcess(ShortReading):
    pid: int = Field(ge=1, le=2**22, description="As get_process_tree tells it.", examples=[4711])


class Child(Report):
    pid: int
    name: str


class DeletedFile(Report):
    path: str
    size_bytes: int


class Connection(Report):
    protocol: str
    local: str
    remote: str
    state: str


class Memory(Brief, Report):
    """Parts of its memory, as proc(5) names them; one that is 0 is left out."""

    peak_bytes: int = Field(default=0, description="Most that was ever resident.")
    proportional_bytes: int = Field(default=0, description="Its fair share of what is shared.")
    anonymous_bytes: int = Field(default=0, description="Heap, stack and the like.")
    file_bytes: int = Field(default=0, description="Of files, such as programs.")
    shared_bytes: int = 0
    swapped_bytes: int = 0
    virtual_bytes: int = 0


class InspectedProcess(Brief, Report):
    """A process; what is not known of it is left out, and `not_permitted` says why."""

    pid: int
    name: str
    parent_pid: int
    parent: str | None = Field(default=None, description="Its parent's name.")
    user: str
    state: str
    started: datetime
    unit: str | None = Field(
        default=None, description="Its systemd unit, which may start it again."
    )
    container: str | None = None
    pid_in_container: int | None = None
    program: str | None = Field(default=None, description="The file that it runs.")
    program_deleted: bool = Field(
        default=False, description="True: that file was replaced or removed since."
    )
    folder: str | None = Field(default=None, description="Its working directory.")
    root: str | None = Field(default=None, description="Its root directory, where not /.")
    command: str = Field(description="With its arguments, cut to 300 characters.")
    cpu_now_percent: float | None = Field(
        default=None, description="In a quarter of a second; 100 is one processor."
    )
    cpu_percent: float = Field(description="Over its whole life.")
    memory_bytes: int = Field(description="Resident memory.")
    memory_percent: float
    memory: Memory | None = None
    threads: int = 1
    oom_score: int | None = Field(
        default=None, description="The higher, the sooner it is ended when memory runs out."
    )
    oom_score_adjustment: int = 0
    disk_read_bytes: int = 0
    disk_written_bytes: int = 0
    open_files: int | None = Field(default=None, description="How many, sockets too.")
    open_files_limit: int | None = None
    connections_by_state: dict[str, int] | None = None
    listens: list[str] | None = Field(default=None, description="Such as tcp 0.0.0.0:80.")
    deleted_files: list[DeletedFile] | None = Field(
        default=None, description="Open, but removed: their room is taken until it ends."
    )
    children: list[Child] | None = None
    connections: list[Connection] | None = None
    files: list[str] | None = Field(default=None, description="Open files.")
    not_permitted: list[str] | None = Field(default=None, description="What this user may not see.")
    left_out: dict[str, int] | None = Field(
        default=None, description="How many items of which list had no room: ask for max_bytes."
    )
    truncated: bool = False

    @model_validator(mode="before")
    @classmethod
    def _of_the_process(cls, raw: Any) -> Any:
        if not isinstance(raw, dict) or not isinstance(raw.get("process"), dict):
            return raw
        return {**raw["process"], **raw}


inspect_process = PlaybookTool(
    name="inspect_process",
    summary=(
        "What is a process doing? One pid: program, unit, memory, threads, open files, connections."
    ),
    risk=Risk.SENSITIVE,
    input=OneProcess,
    playbook="processes/inspect_process.yml",
    report=InspectedProcess,
)
