"""Docker containers."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import AliasPath, BeforeValidator, Field, computed_field

from playrail.settings.content import content_root
from playrail.tools.arguments import More, Rare
from playrail.tools.fields import Since, moment
from playrail.tools.reading import Reading
from playrail.tools.tool import PlaybookTool, Report, Risk
from playrail.tools.toolset import Toolset
from playrail.toolsets.docker_container import inspect_container
from playrail.toolsets.docker_engine import ContainerName, EngineSocket, OfDocker


class ContainerChoice(Reading):
    all: bool = Field(default=True, description="Also those that do not run.", examples=[True])
    details: Annotated[bool, Rare] = Field(
        default=False, description="Also command, mounts and labels of each.", examples=[True]
    )
    offset: Annotated[int, Rare] = Field(
        default=0, ge=0, le=100_000, description="`next_offset` of the last answer.", examples=[0]
    )
    engine: Annotated[EngineSocket | None, Rare] = None


def _without_slash(name: Any) -> Any:
    return name.removeprefix("/") if isinstance(name, str) else name


class Port(Report):
    private: int = Field(validation_alias="PrivatePort", description="Port in the container.")
    public: int | None = Field(
        default=None, validation_alias="PublicPort", description="Port on the server."
    )
    ip: str | None = Field(
        default=None, validation_alias="IP", description="Address on the server."
    )
    protocol: str = Field(validation_alias="Type", description="tcp, udp or sctp.")


class Mount(Report):
    type: str = Field(validation_alias="Type", description="bind, volume or tmpfs.")
    name: str | None = Field(
        default=None, validation_alias="Name", description="Name of the volume."
    )
    source: str | None = Field(
        default=None, validation_alias="Source", description="Path on the server."
    )
    destination: str = Field(validation_alias="Destination", description="Path in the container.")
    writable: bool | None = Field(default=None, validation_alias="RW")


class Container(Report):
    """An item of the Engine API's ContainerList:
    https://docs.docker.com/reference/api/engine/version/v1.41/ has it.
    """

    id: str = Field(validation_alias="Id")
    name: Annotated[str | None, BeforeValidator(_without_slash)] = Field(
        default=None, validation_alias=AliasPath("Names", 0)
    )
    image: str = Field(
        validation_alias="Image",
        description="The image's name, or its id when it has none any more.",
    )
    project: str | None = Field(
        default=None, validation_alias="Project", description="Of Docker Compose."
    )
    command: str | None = Field(default=None, validation_alias="Command")
    created: datetime = Field(validation_alias="Created")
    state: str = Field(
        validation_alias="State",
        description="running, exited, created, paused, restarting or dead.",
    )
    status: str = Field(
        validation_alias="Status", description="Docker's words for state, time and health."
    )
    ports: list[Port] | None = Field(default=None, validation_alias="Ports")
    mounts: list[Mount] | None = Field(default=None, validation_alias="Mounts")
    labels: dict[str, str] | None = Field(
        default=None,
        validation_alias="Labels",
        description="At most 50, each cut to 500 characters.",
    )


class Containers(OfDocker):
    containers: list[Container] | None = Field(
        description="Newest first; null when Docker did not answer."
    )
    total: int | None = Field(description="How many there are.")
    next_offset: int | None = Field(
        default=None, description="What to pass as `offset` for those that did not fit."
    )
    truncated: bool = Field(description="Whether containers or labels were left out.")


class LogPart(Reading):
    container: ContainerName
    lines: int = Field(default=50, ge=1, le=1000, description="Most lines.", examples=[50])
    since: Since | None = None
    message_characters: Annotated[int, More] = Field(
        default=500, ge=50, le=100_000, description="Most of each line.", examples=[500]
    )
    engine: Annotated[EngineSocket | None, Rare] = None

    @computed_field
    @property
    def since_s(self) -> str | None:
        """`since` as the engine takes it: seconds since 1970."""
        return None if self.since is None else f"{moment(self.since).timestamp():.6f}"


class LogLine(Report):
    time: datetime | None = Field(default=None, description="When it was written.")
    stream: str = Field(description="stdout or stderr; of a terminal, stdout for both.")
    text: str = Field(description="The line; of a long one the first message_characters, and … .")
    text_bytes: int | None = Field(
        default=None, description="Of a line that was cut: how long it is."
    )


class ContainerLog(OfDocker):
    entries: list[LogLine] | None = Field(
        description="The newest ones, oldest first; null when Docker told nothing."
    )
    older: bool | None = Field(
        description=(
            "Whether there are older ones since `since`: ask for more `lines`, or a larger "
            "max_bytes."
        )
    )
    state: str | None = Field(description="The container's state: running, exited ..")
    exit_code: int | None = Field(default=None, description="Of one that has ended.")
    out_of_memory: bool | None = Field(default=None, description="True when memory ran out for it.")
    started: datetime | None = Field(default=None, description="When it was started last.")
    finished: datetime | None = Field(default=None, description="When it ended.")
    last_written: datetime | None = Field(
        default=None,
        description="When there is nothing since `since`: the time of the last line before.",
    )
    notes: list[str] | None = Field(
        default=None, description="What this log does not hold, and why."
    )
    truncated: bool = Field(
        description="Whether a part of a line, or lines that would be too much, were left out."
    )


class OneContainer(Reading):
    container: ContainerName | None = Field(
        default=None,
        description="A container's name or id; omitted: all that run.",
        examples=["web"],
    )
    engine: Annotated[EngineSocket | None, Rare] = None


class ContainerStats(Report):
    id: str
    name: str
    cpu_percent: float | None = Field(default=None, description="100 is one processor.")
    memory_used_bytes: int | None = Field(
        default=None, description="Without what is cached of files."
    )
    memory_limit_bytes: int | None = Field(
        default=None, description="The container's limit, or the server's memory."
    )
    memory_percent: float | None = None
    net_rx_bytes: int | None = Field(
        default=None, description="Null when it has no network of its own."
    )
    net_tx_bytes: int | None = None
    block_read_bytes: int
    block_write_bytes: int
    pids: int | None = Field(default=None, description="Processes and threads.")


class NotMeasured(Report):
    name: str
    why: str = Field(description="gone, not_running or no_answer.")


class AllStats(OfDocker):
    containers: list[ContainerStats] | None = Field(
        description="The one with the most memory first; null when Docker told nothing."
    )
    not_measured: list[NotMeasured] | None = Field(
        description="Those that went away meanwhile, or gave no numbers."
    )
    total: int | None = Field(description="How many run.")
    not_running: int | None = Field(
        default=None, description="How many others there are: list_docker_containers tells of them."
    )
    truncated: bool = Field(
        description=(
            "Whether containers were left out, those with the least memory: ask for one by its "
            "name."
        )
    )


list_docker_containers = PlaybookTool(
    name="list_docker_containers",
    summary=(
        "Which Docker containers there are: state, image, ports; with details command, mounts and "
        "labels."
    ),
    risk=Risk.READ,
    input=ContainerChoice,
    playbook="docker/list_docker_containers.yml",
    report=Containers,
)

get_docker_logs = PlaybookTool(
    name="get_docker_logs",
    summary="Logs of a Docker container: its newest lines, and why it ended.",
    risk=Risk.SENSITIVE,
    input=LogPart,
    playbook="docker/get_docker_logs.yml",
    report=ContainerLog,
)

get_docker_stats = PlaybookTool(
    name="get_docker_stats",
    summary="How much CPU, memory, network and disk Docker containers use.",
    risk=Risk.READ,
    input=OneContainer,
    playbook="docker/get_docker_stats.yml",
    report=AllStats,
)

toolset = Toolset(
    name="docker",
    content=content_root(),
    tools=(list_docker_containers, inspect_container, get_docker_logs, get_docker_stats),
)
