"""One Docker container in depth."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field, model_validator

from playrail.tools.arguments import Rare
from playrail.tools.brief import Brief
from playrail.tools.reading import ShortReading
from playrail.tools.tool import PlaybookTool, Report, Risk
from playrail.toolsets.docker_engine import ContainerName, EngineSocket, OfDocker


class InspectedContainer(ShortReading):
    container: ContainerName
    engine: Annotated[EngineSocket | None, Rare] = None


class Check(Brief, Report):
    ended: datetime | None = None
    exit_code: int | None = None
    output: str | None = Field(default=None, description="Its first 300 characters.")


class Health(Brief, Report):
    status: str = Field(description="starting, healthy or unhealthy.")
    failing_streak: int | None = Field(default=None, description="Failures without a success.")
    test: str | None = Field(default=None, description="The command that is the check.")
    checks: list[Check] | None = Field(default=None, description="The newest three first.")


class Limits(Brief, Report):
    memory_bytes: int | None = None
    memory_and_swap_bytes: int | None = None
    memory_reservation_bytes: int | None = None
    cpus: float | None = None
    cpu_set: str | None = None
    pids: int | None = Field(default=None, description="Most processes and threads.")


class PublishedPort(Brief, Report):
    private: int | None = Field(default=None, description="Port in the container.")
    protocol: str = Field(description="tcp, udp or sctp.")
    public: int | None = Field(
        default=None, description="Port on the server; null: it is not published."
    )
    ip: str | None = Field(default=None, description="Address on the server.")


class Network(Brief, Report):
    name: str
    address: str | None = None
    address_ipv6: str | None = None
    gateway: str | None = None
    aliases: list[str] | None = None


class InspectedMount(Brief, Report):
    type: str = Field(description="bind, volume or tmpfs.")
    name: str | None = Field(default=None, description="Name of the volume.")
    source: str | None = Field(default=None, description="Path on the server.")
    destination: str | None = Field(default=None, description="Path in the container.")
    read_only: bool = False


class Log(Brief, Report):
    driver: str | None = None
    size_bytes: int | None = Field(default=None, description="Of its file, where that may be seen.")
    max_size: str | None = Field(default=None, description="Null: it grows without end.")
    max_files: str | None = None


class Inspected(Brief, OfDocker):
    """An answer of the Engine API's ContainerInspect and ImageInspect:
    https://docs.docker.com/reference/api/engine/version/v1.41/ has it.
    """

    name: str | None = None
    id: str | None = None
    state: str | None = Field(
        default=None, description="running, exited, created, paused, restarting or dead."
    )
    exit_code: int | None = Field(default=None, description="Of the last end.")
    out_of_memory: bool = Field(default=False, description="True: memory ran out for it.")
    error: str | None = Field(default=None, description="Why it could not be started.")
    restarts: int = Field(default=0, description="By its policy, since it was created.")
    restart_policy: str | None = Field(
        default=None, description="no, always, unless-stopped or on-failure:most."
    )
    created: datetime | None = None
    started: datetime | None = None
    finished: datetime | None = None
    pid: int | None = Field(default=None, description="Its first process, on the server.")
    health: Health | None = None
    limits: Limits | None = Field(default=None, description="Those that are set.")
    image: str | None = None
    image_id: str | None = None
    image_digest: str | None = Field(default=None, description="In its registry.")
    image_created: datetime | None = None
    image_outdated: bool = Field(
        default=False, description="True: the image's name means another image by now."
    )
    command: str | None = Field(
        default=None, description="With *** for what looks like a secret; at most 500 characters."
    )
    user: str | None = Field(default=None, description="Null: root, or the image's.")
    privileged: bool = False
    read_only: bool = False
    capabilities_added: list[str] | None = None
    removed_at_end: bool = False
    project: str | None = Field(default=None, description="Of Docker Compose.")
    service: str | None = Field(default=None, description="Of Docker Compose.")
    compose_folder: str | None = None
    log: Log | None = None
    network_mode: str | None = Field(default=None, description="host, none or container:id.")
    ports: list[PublishedPort] | None = None
    networks: list[Network] | None = None
    mounts: list[InspectedMount] | None = None
    environment: list[str] | None = Field(
        default=None, description="Names only: values may be secrets."
    )
    left_out: dict[str, int] | None = Field(
        default=None, description="How many items of which list had no room: ask for max_bytes."
    )
    truncated: bool = False

    @model_validator(mode="before")
    @classmethod
    def _of_the_container(cls, raw: Any) -> Any:
        """What is told of the container beside what is told of the engine."""
        if not isinstance(raw, dict) or not isinstance(raw.get("container"), dict):
            return raw
        return {**raw["container"], **raw}


inspect_container = PlaybookTool(
    name="inspect_container",
    summary=(
        "Why did a container stop or restart? Exit code, memory, health, limits, mounts, networks."
    ),
    risk=Risk.SENSITIVE,
    input=InspectedContainer,
    playbook="docker/inspect_container.yml",
    report=Inspected,
)
