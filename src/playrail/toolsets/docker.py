"""Docker containers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from pydantic import AliasPath, BeforeValidator, Field, computed_field, model_validator

from playrail.errors import Problem
from playrail.fields import Since, moment
from playrail.tool import OnHosts, PlaybookTool, Report, Risk

ContainerName = Annotated[
    str,
    Field(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$", description="A container's name or id.", examples=["web"]),
]

# What the host modules' codes mean: the sentence, in which {0} is what Docker or the system said, and what to do next.
WHY: Mapping[str, tuple[str, str]] = {
    "no_docker": (
        "Docker is not installed on this host.",
        "Use another server, or ask the operator to install Docker there.",
    ),
    "permission_denied": (
        "The user that Playrail logs in as may not talk to Docker on this host.",
        "The operator can add that user to the group docker, or set become for this host.",
    ),
    "docker_unavailable": (
        "Docker is installed on this host but does not answer: {0}",
        "manage_service with name docker and action status says whether its daemon runs.",
    ),
    "docker_failed": ("Docker could not do it: {0}", "The message is Docker's own."),
    "container_not_found": (
        "There is no such container on this host.",
        "list_docker_containers tells the names of those that there are.",
    ),
    "container_not_running": (
        "There is nothing to measure: {0}.",
        "list_docker_containers tells each one's state; get_docker_logs may say why it ended.",
    ),
}


class OfDocker(Report):
    """What Docker told, or why it told nothing: then all is null."""

    trouble: Problem | None = Field(default=None, exclude=True)

    @model_validator(mode="before")
    @classmethod
    def _why(cls, raw: Any) -> Any:
        if not isinstance(raw, dict):
            raise ValueError("is no answer of Docker")  # noqa: TRY004  pydantic's way to refuse
        code = str(raw.get("playrail_code"))
        if code not in WHY:
            return {key: value for key, value in raw.items() if key != "trouble"}
        error, hint = WHY[code]
        problem = Problem(
            code=code,
            error=error.format(raw.get("docker")),
            hint=hint,
            retryable=code == "docker_unavailable",
        )
        return {**dict.fromkeys(cls.model_fields), "truncated": False, "trouble": problem}

    def problem(self) -> Problem | None:
        return self.trouble


class ContainerChoice(OnHosts):
    all: bool = Field(default=True, description="Whether to list those that do not run as well.", examples=[True])


def _without_slash(name: Any) -> Any:
    return name.removeprefix("/") if isinstance(name, str) else name


class Port(Report):
    private: int = Field(validation_alias="PrivatePort", description="Port in the container.")
    public: int | None = Field(default=None, validation_alias="PublicPort", description="Port on the server.")
    ip: str | None = Field(default=None, validation_alias="IP", description="Address on the server.")
    protocol: str = Field(validation_alias="Type", description="tcp, udp or sctp.")


class Mount(Report):
    type: str = Field(validation_alias="Type", description="bind, volume or tmpfs.")
    name: str | None = Field(default=None, validation_alias="Name", description="Name of the volume.")
    source: str | None = Field(default=None, validation_alias="Source", description="Path on the server.")
    destination: str = Field(validation_alias="Destination", description="Path in the container.")
    writable: bool | None = Field(default=None, validation_alias="RW")


class Container(Report):
    """An item of the Engine API's ContainerList: https://docs.docker.com/reference/api/engine/version/v1.41/ has it."""

    id: str = Field(validation_alias="Id")
    name: Annotated[str | None, BeforeValidator(_without_slash)] = Field(
        default=None, validation_alias=AliasPath("Names", 0)
    )
    image: str = Field(validation_alias="Image", description="The image's name, or its id when it has none any more.")
    command: str = Field(validation_alias="Command")
    created: datetime = Field(validation_alias="Created")
    state: str = Field(validation_alias="State", description="running, exited, created, paused, restarting or dead.")
    status: str = Field(validation_alias="Status", description="Docker's words for state, time and health.")
    ports: list[Port] = Field(default=[], validation_alias="Ports")
    mounts: list[Mount] = Field(default=[], validation_alias="Mounts")
    labels: dict[str, str] = Field(
        default={}, validation_alias="Labels", description="At most 50, each cut to 500 characters."
    )


class Containers(OfDocker):
    containers: list[Container] | None = Field(description="Newest first; null when Docker did not answer.")
    total: int | None = Field(description="How many there are.")
    truncated: bool = Field(description="Whether containers or labels were left out.")


class LogPart(OnHosts):
    container: ContainerName
    lines: int = Field(default=50, ge=1, le=1000, description="How many lines at most.", examples=[50])
    since: Since | None = None

    @computed_field  # type: ignore[prop-decorator]  # mypy 1362
    @property
    def since_s(self) -> str | None:
        """`since` as the engine takes it: seconds since 1970."""
        return None if self.since is None else f"{moment(self.since).timestamp():.6f}"


class LogLine(Report):
    time: datetime | None = Field(description="When it was written.")
    stream: str = Field(description="stdout or stderr; of a terminal, stdout for both.")
    text: str = Field(description="The line; of more than 8 KiB the beginning, and how much was left out.")


class ContainerLog(OfDocker):
    entries: list[LogLine] | None = Field(description="The newest ones, oldest first; null when Docker told nothing.")
    older: bool | None = Field(description="Whether there are older ones.")
    state: str | None = Field(description="The container's state: running, exited ..")
    truncated: bool = Field(description="Whether a part of a line, or lines that would be too much, were left out.")


class OneContainer(OnHosts):
    container: ContainerName | None = Field(
        default=None, description="A container's name or id; all that run when omitted.", examples=["web"]
    )


class ContainerStats(Report):
    id: str
    name: str
    cpu_percent: float | None = Field(description="100 is one processor.")
    memory_used_bytes: int | None = Field(description="Without what is cached of files.")
    memory_limit_bytes: int | None = Field(description="The container's limit, or the server's memory.")
    memory_percent: float | None
    net_rx_bytes: int | None = Field(description="Null when it has no network of its own.")
    net_tx_bytes: int | None
    block_read_bytes: int
    block_write_bytes: int
    pids: int | None = Field(description="Processes and threads.")


class NotMeasured(Report):
    name: str
    why: str = Field(description="gone, not_running or no_answer.")


class AllStats(OfDocker):
    containers: list[ContainerStats] | None = Field(
        description="The one with the most memory first; null when Docker told nothing."
    )
    not_measured: list[NotMeasured] | None = Field(description="Those that went away meanwhile, or gave no numbers.")
    total: int | None = Field(description="How many run.")
    truncated: bool = Field(description="Whether containers were left out.")


list_docker_containers = PlaybookTool(
    name="list_docker_containers",
    summary="List a server's Docker containers with state, image, ports, mounts and labels.",
    risk=Risk.READ,
    input=ContainerChoice,
    playbook="docker/list_docker_containers.yml",
    report=Containers,
)

get_docker_logs = PlaybookTool(
    name="get_docker_logs",
    summary="Read the newest lines that a Docker container wrote, of both its outputs in order.",
    risk=Risk.SENSITIVE,
    input=LogPart,
    playbook="docker/get_docker_logs.yml",
    report=ContainerLog,
)

get_docker_stats = PlaybookTool(
    name="get_docker_stats",
    summary="See what running Docker containers take of processor, memory, network and disk.",
    risk=Risk.READ,
    input=OneContainer,
    playbook="docker/get_docker_stats.yml",
    report=AllStats,
)
