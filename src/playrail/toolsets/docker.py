"""Docker containers."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any

from pydantic import AliasPath, BeforeValidator, Field, model_validator

from playrail.errors import Problem
from playrail.tool import OnHosts, PlaybookTool, Report, Risk

MAX_CONTAINERS = 500
MAX_LABELS = 50  # per container
MAX_LABEL_CHARACTERS = 500  # of a label's value


class ContainerChoice(OnHosts):
    all: bool = Field(default=True, description="Whether to list those that do not run as well.", examples=[True])


def _short(labels: Any) -> Any:
    if not isinstance(labels, dict):
        return {}
    return {name: str(labels[name])[:MAX_LABEL_CHARACTERS] for name in sorted(labels)[:MAX_LABELS]}


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
    ports: list[Port] = Field(validation_alias="Ports")
    mounts: list[Mount] = Field(default=[], validation_alias="Mounts")
    labels: Annotated[dict[str, str], BeforeValidator(_short)] = Field(
        default={},
        validation_alias="Labels",
        description=f"At most {MAX_LABELS}, each cut to {MAX_LABEL_CHARACTERS} characters.",
    )


class Containers(Report):
    containers: list[Container] | None = Field(description="Newest first; null when Docker did not answer.")
    total: int | None = Field(description="How many there are.")
    truncated: bool = Field(description="Whether containers or labels were left out.")

    failure: str = Field(default="", exclude=True)
    programs: list[str] = Field(default=[], exclude=True)

    @model_validator(mode="before")
    @classmethod
    def _of_docker(cls, raw: Any) -> Any:
        if not isinstance(raw, dict) or not raw.keys() & {"containers", "failure"}:
            raise ValueError("is no answer of Docker")
        found = raw.get("containers")
        if found is None:
            return {**raw, "containers": None, "total": None, "truncated": False}
        cut = len(found) > MAX_CONTAINERS or any(_labels_cut(one.get("Labels") or {}) for one in found)
        return {"containers": found[:MAX_CONTAINERS], "total": len(found), "truncated": cut}

    def problem(self) -> Problem | None:
        return None if self.containers is not None else _why(self.failure, self.programs)


def _labels_cut(labels: dict[str, str]) -> bool:
    return len(labels) > MAX_LABELS or any(len(value) > MAX_LABEL_CHARACTERS for value in labels.values())


def _why(failure: str, programs: list[str]) -> Problem:
    """Why Docker did not answer, from the module's message and from which of its programs the host has."""
    if not programs:
        return Problem(
            code="no_docker",
            error="Docker is not installed on this host.",
            hint="Use another server, or ask the operator to install Docker there.",
        )
    if library := re.search(r"required Python library \((\S+)\)", failure):
        return Problem(
            code="missing_on_host",
            error=f"The Python library {library[1]} is missing on this host; Ansible needs it to talk to Docker.",
            hint=f"Install the package python3-{library[1]} there.",
        )
    if "Permission denied" in failure or "PermissionError" in failure:
        return Problem(
            code="permission_denied",
            error="The user that Playrail logs in as may not talk to Docker on this host.",
            hint="The operator can add that user to the group docker, or set become for this host.",
        )
    return Problem(
        code="docker_unavailable",
        error=f"Docker is installed on this host but does not answer: {failure[:300]}",
        hint="manage_service with name docker and action status says whether its daemon runs.",
        retryable=True,
    )


list_docker_containers = PlaybookTool(
    name="list_docker_containers",
    summary="List a server's Docker containers with state, image, ports, mounts and labels.",
    risk=Risk.READ,
    input=ContainerChoice,
    playbook="docker/list_docker_containers.yml",
    report=Containers,
)
